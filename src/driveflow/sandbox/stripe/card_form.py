"""Reads the card that somebody typed into the pay page, and says what is wrong with it."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from driveflow.sandbox.stripe import cards
from driveflow.sandbox.stripe.cards import Card

_EXPIRY: Final = re.compile(r"(\d{1,2})\s*/?\s*(\d{2}|\d{4})")
_MONTHS: Final = 12
_CENTURY: Final = 2000
_SHORT_YEARS: Final = 100
_FURTHEST_YEARS: Final = 50


@dataclass(frozen=True, slots=True)
class TypedCard:
    """A card as it was typed: the test card, and (month, year) until which it is valid."""

    card: Card
    expiry: tuple[int, int]


class TypingError(Exception):
    """What is wrong, and in which field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def read_card(number: str, expiry: str, cvc: str, now: int) -> TypedCard:
    """Return the card that was typed; raise TypingError where it cannot be one."""
    digits = re.sub(r"[\s-]", "", number)
    if not cards.is_number(digits):
        raise TypingError("number", "Your card number is invalid.")
    month, year = _read_expiry(expiry, now)
    card = cards.behaviour(digits)
    if not (cvc.isascii() and cvc.isdecimal() and len(cvc) == card.cvc_length):
        raise TypingError("cvc", f"Your card's security code is incomplete: it has {card.cvc_length} digits.")
    return TypedCard(card, (month, year))


def _read_expiry(text: str, now: int) -> tuple[int, int]:
    found = _EXPIRY.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= _MONTHS:
        raise TypingError("expiry", "Your card's expiry date is incomplete: write it as MM/YY.")
    month, year = int(found[1]), int(found[2])
    year += _CENTURY if year < _SHORT_YEARS else 0
    today = datetime.fromtimestamp(now, UTC)
    if not today.year <= year <= today.year + _FURTHEST_YEARS:
        raise TypingError("expiry", "Your card's expiry year is in the past or too far ahead.")
    end = datetime(year, month, calendar.monthrange(year, month)[1], 23, 59, 59, tzinfo=UTC)
    if end < today:
        raise TypingError("expiry", "Your card's expiry date is in the past.")
    return month, year
