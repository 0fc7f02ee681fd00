"""Collects the sentences of messages and compiles their catalogues.

`python scripts/translations.py` writes `driveflow.pot` (all sentences) and compiles every language found
under `locale/`. `python scripts/translations.py de` first begins or renews the catalogue of a language:
translate the `.po` file that it writes, and run the script again.
"""

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import driveflow
from driveflow.messaging.language import CATALOGUES, DOMAIN

_PACKAGE = Path(driveflow.__file__).parent
_METHODS = [("messaging/**.py", "python"), ("entrypoints/pages/**.html", "jinja2")]
# Fixed, so that the same sentences give the same files.
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def collect() -> Catalog:
    """Return all sentences."""
    catalogue = Catalog(
        project="DriveFlow",
        copyright_holder="DriveFlow",
        msgid_bugs_address="",
        creation_date=_EPOCH,
        revision_date=_EPOCH,
        charset="utf-8",
    )
    for name, _line, sentence, _comments, context in extract_from_dir(
        _PACKAGE, _METHODS, keywords={"say": None}, comment_tags=()
    ):
        catalogue.add(sentence, None, [(name, 0)], context=context)
    return catalogue


def pot() -> bytes:
    """Return the template of all catalogues."""
    return _written(collect())


def compiled(source: bytes, locale: str) -> bytes:
    """Return a catalogue as gettext reads it."""
    catalogue = read_po(BytesIO(source), locale=locale, domain=DOMAIN)
    wrong = [error for _message, errors in catalogue.check() for error in errors]
    if wrong:
        raise ValueError(f"the catalogue {locale} does not fit its sentences: {wrong[0]}")
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def renewed(locale: str, present: bytes | None) -> bytes:
    """Return the catalogue of a language with all of today's sentences, keeping what is translated."""
    catalogue = (
        read_po(BytesIO(present), locale=locale, domain=DOMAIN)
        if present is not None
        else Catalog(locale=locale, domain=DOMAIN, creation_date=_EPOCH, revision_date=_EPOCH)
    )
    catalogue.update(collect(), update_header_comment=False)
    return _written(catalogue)


def main() -> None:
    """Write the template, renew the languages named on the command line, compile all."""
    CATALOGUES.mkdir(exist_ok=True)
    (CATALOGUES / f"{DOMAIN}.pot").write_bytes(pot())
    for locale in sys.argv[1:]:
        path = CATALOGUES / locale / "LC_MESSAGES" / f"{DOMAIN}.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(renewed(locale, path.read_bytes() if path.exists() else None))
    for path in sorted(CATALOGUES.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        path.with_suffix(".mo").write_bytes(compiled(path.read_bytes(), path.parts[-3]))


def _written(catalogue: Catalog) -> bytes:
    buffer = BytesIO()
    write_po(buffer, catalogue, sort_output=True, include_lineno=False, width=100)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
