"""Money as whole minor units of a currency: rounding, shares, and the only place that formats amounts.

`*_cents` counts the smallest unit of the currency: cents of a dollar, but also whole yen or thousandths of a
dinar. Which of these it is follows from the currency (ISO 4217, as the CLDR data in babel has it); no rule
needs to know. Nothing here uses floats: every share is computed in integers and rounded once, halves up, so
that the remainder always belongs to the other side and no cent appears or disappears.

A negative amount or a rate outside its range is a mistake of the caller, hence ValueError and not an answer
to a person.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision

from driveflow.core.errors import InvalidInputError

BPS_PER_WHOLE: Final = 10_000
"""Basis points in the whole: 500 bps are 5 %."""

PERCENT_PER_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Split:
    """A price divided between platform and instructor; the two parts add up to the price."""

    platform_fee_cents: int
    instructor_share_cents: int


def share_of(cents: int, bps: int) -> int:
    """Return `bps` basis points (0..10000) of a non-negative amount, half a cent rounded up.

    Raises ValueError for a negative amount or a rate outside its range.
    """
    return _share(cents, bps, BPS_PER_WHOLE)


def percent_of(cents: int, percent: int) -> int:
    """Return `percent` (0..100) of a non-negative amount, half a cent rounded up.

    Raises ValueError for a negative amount or a rate outside its range.
    """
    return _share(cents, percent, PERCENT_PER_WHOLE)


def split(price_cents: int, fee_bps: int) -> Split:
    """Return the platform's fee, `fee_bps` of the price, and the instructor's share: all the rest.

    Raises ValueError for a negative price or a rate outside 0..10000.
    """
    fee_cents = share_of(price_cents, fee_bps)
    return Split(platform_fee_cents=fee_cents, instructor_share_cents=price_cents - fee_cents)


def format_cents(cents: int, currency: str, locale: str = "en_AU") -> str:
    """Return an amount as a person of the locale writes it: `$95.00`, `¥1,200`, `-$5.00`.

    `currency` is a code that `check_currency` has returned.
    """
    # An exponent moves the point exactly; a division would be a rounding to trust.
    amount = Decimal(f"{cents}E-{get_currency_precision(currency)}")
    return format_currency(amount, currency, locale=locale)


def check_currency(code: str) -> str:
    """Return the ISO 4217 code, in capitals, of a currency that is legal tender somewhere today.

    Raises InvalidInputError (field `currency`) for anything else, past currencies such as DEM included.
    """
    known = code.upper()
    if known not in _legal_tender():
        raise InvalidInputError.of(
            "currency", f"{code!r} is not the three-letter code of a currency (ISO 4217), such as AUD."
        )
    return known


@cache
def _legal_tender() -> frozenset[str]:
    # babel knows every code that ever was; its territories know since when and until when each was tender.
    return frozenset(
        code
        for periods in get_global("territory_currencies").values()
        for code, _, until, is_tender in periods
        if until is None and is_tender
    )


def _share(cents: int, rate: int, whole: int) -> int:
    if cents < 0:
        raise ValueError(f"an amount to take a share of must not be negative: {cents}")
    if not 0 <= rate <= whole:
        raise ValueError(f"a rate must lie between 0 and {whole}: {rate}")
    return (cents * rate + whole // 2) // whole
