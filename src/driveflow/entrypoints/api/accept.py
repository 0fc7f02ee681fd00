"""Which of the forms that a route offers a client likes best (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the media type of `offered` that an Accept header likes best; the first when it does not say."""
    best, best_quality = offered[0], 0.0
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if name in offered and quality > best_quality:
            best, best_quality = name, quality
    return best
