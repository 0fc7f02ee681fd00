"""Makes mail and text messages of letters: one layout in HTML, and its twin in plain text."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.letter import Letter

_LAYOUTS: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def as_html(letter: Letter) -> str:
    """Return the letter as an HTML page for mail; every text in it is escaped."""
    return _LAYOUTS.get_template("layout.html").render(letter=letter)


def as_text(letter: Letter) -> str:
    """Return the letter as plain text for mail."""
    return _LAYOUTS.get_template("layout.txt").render(letter=letter)


def body_for(letter: Letter, channel: MessageChannel) -> str:
    """Return what a channel sends: the mail's plain text, or the short text of phones."""
    return as_text(letter) if channel is MessageChannel.EMAIL else letter.short


def subject_for(letter: Letter, channel: MessageChannel) -> str | None:
    """Return the subject, which only mail has."""
    return letter.subject if channel is MessageChannel.EMAIL else None
