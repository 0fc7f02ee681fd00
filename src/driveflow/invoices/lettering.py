"""Letters that a PDF can show: the embedded fonts, and Latin letters for what they lack.

FiraGO has Latin, Greek, Cyrillic, Vietnamese, Arabic, Hebrew, Thai, Devanagari and Georgian letters. Any
other letter (Chinese, Korean, Tamil, an emoji) is written in Latin ones by `anyascii`, letter by letter:
a name stays readable and is never a row of boxes or question marks. What was typed stands in the paper's
JSON.
"""

import unicodedata
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from anyascii import anyascii
from fontTools.ttLib import TTFont

# The fonts' own modules: their package's other names import an interface to another PDF library.
from pymupdf_fonts import FiraGO_Bold, FiraGO_Regular

FAMILY: Final = "FiraGO"
FONTS: Final = {"": FiraGO_Regular.fontbuffer, "B": FiraGO_Bold.fontbuffer}
"""Font files by style, as fpdf2 names the styles."""


def write_fonts(folder: Path) -> dict[str, Path]:
    """Write the font files into a folder, as fpdf2 reads fonts from files only; return them by style."""
    files = {}
    for style, font in FONTS.items():
        files[style] = folder / f"{FAMILY}{style}.ttf"
        files[style].write_bytes(font)
    return files


@cache
def letters() -> frozenset[int]:
    """Return the code points of the letters that all the fonts have."""
    alphabets = [frozenset(TTFont(BytesIO(font)).getBestCmap()) for font in FONTS.values()]
    return frozenset.intersection(*alphabets)


def printable(text: str) -> str:
    """Return a text on one line, in letters that the fonts have; it is never lost whole."""
    known = letters()
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    parts: list[str] = []
    for letter in composed:
        if ord(letter) in known:
            parts.append(letter)
        elif unicodedata.east_asian_width(letter) in {"W", "F"}:
            # A syllable each, so each is a word.
            parts.append(f" {_latin(letter)} ")
        else:
            parts.append(_latin(letter))
    shown = " ".join("".join(parts).split())
    if composed and not shown:
        return " ".join(f"U+{ord(letter):04X}" for letter in composed)
    return shown


def _latin(letter: str) -> str:
    # Control characters are ASCII too.
    return "".join(latin for latin in anyascii(letter) if latin.isprintable())
