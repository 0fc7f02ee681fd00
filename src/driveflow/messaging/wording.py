"""Keep people's text harmless, and text messages short: pure.

Names, addresses, reasons and notes were typed by somebody. Before one gets into a message it loses every
control character, line break and invisible mark of direction, and what is longer than its place is cut. So it
cannot start a header, a line of its own or a second paragraph. HTML is escaped where it is written
(`rendering.py`).

A text message is charged by segments of 160 characters of the GSM alphabet, or of 70 when it has a character
outside of it (153 and 67 when there are several): 3GPP TS 23.038,
https://www.twilio.com/docs/glossary/what-sms-character-limit. MAX_SEGMENTS is the most that one message
costs.
"""

import re
import unicodedata
from typing import Final

MAX_SEGMENTS: Final = 3
_ELLIPSIS: Final = "..."

_GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = frozenset("^{}\\[~]|€\f")
_GSM_LENGTHS: Final = (160, 153)
_UCS2_LENGTHS: Final = (70, 67)
# Control, format (direction marks, zero width), surrogate, private; line and paragraph separators.
_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SPACES: Final = re.compile(r"\s+")


def clean(text: str | None, limit: int) -> str:
    """Return a person's text on one line, without control characters, cut to `limit` characters."""
    visible = "".join(" " if unicodedata.category(letter) in _HARMFUL else letter for letter in text or "")
    line = _SPACES.sub(" ", visible).strip()
    return line if len(line) <= limit else line[: limit - len(_ELLIPSIS)].rstrip() + _ELLIPSIS


def plain_spaces(text: str) -> str:
    """Return text with ordinary spaces only; CLDR's narrow ones would double the price of a text message."""
    return _SPACES.sub(" ", text)


def segments(text: str) -> int:
    """Return how many segments a text message takes; 0 for none."""
    if all(letter in _GSM_BASIC or letter in _GSM_EXTENDED for letter in text):
        length = sum(2 if letter in _GSM_EXTENDED else 1 for letter in text)
        single, part = _GSM_LENGTHS
    else:
        length = len(text.encode("utf-16-be")) // 2
        single, part = _UCS2_LENGTHS
    if length <= single:
        return min(length, 1)
    return -(-length // part)


def fit(text: str) -> str:
    """Return a text message that takes MAX_SEGMENTS at most: the text, or its beginning."""
    line = plain_spaces(text)
    if segments(line) <= MAX_SEGMENTS:
        return line
    longest = MAX_SEGMENTS * _GSM_LENGTHS[1]
    cut = line[:longest]
    while segments(cut + _ELLIPSIS) > MAX_SEGMENTS:
        cut = cut[:-1]
    return cut.rstrip() + _ELLIPSIS
