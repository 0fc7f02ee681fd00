"""Decide which rate card applies to a lesson, what it costs, and how the price is split.

The *applicable card* is the default card that is valid on the lesson's day: the date that the school's wall
calendar shows when the lesson starts, not the date of booking and not the UTC date. Both ends of a card's
validity are included; an open end has no limit. Cards that are not default never price a booking by
themselves.

So that this names at most one card, two default cards valid on one same day are refused when they are saved
(`overlapping_default`), by the database too. A day without a default card, or a card without the service, has
no price, and nothing is booked at a guess: `no_price`.

The platform's fee is `round_half_up(price * fee_bps / 10000)`; an instructor's own `fee_bps`, also 0, goes
before the school's. The instructor's share is the rest, so the two always add up to the price. A booking
keeps the quote as a snapshot: cards and rates that change later change no booking.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from driveflow.core.errors import ConflictError, InvalidInputError
from driveflow.core.money import split


@dataclass(frozen=True, slots=True)
class RateCardFacts:
    """A price list as far as this rule sees it; days inclusive, None where the end is open."""

    id: UUID
    name: str
    currency: str
    is_default: bool
    valid_from: date | None
    valid_to: date | None

    def is_valid_on(self, on: date) -> bool:
        """Return whether the card is valid on a local day of the school."""
        return (self.valid_from or date.min) <= on <= (self.valid_to or date.max)


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """What a booking costs, who gets what, and the card that says so."""

    price_cents: int
    currency: str
    platform_fee_cents: int
    instructor_share_cents: int
    fee_bps: int
    rate_card_id: UUID
    rate_card_name: str


def applicable_card(cards: Iterable[RateCardFacts], on: date) -> RateCardFacts | None:
    """Return the default card that is valid on a local day of the school, None where there is none."""
    return next((card for card in cards if card.is_default and card.is_valid_on(on)), None)


def overlapping_default(cards: Iterable[RateCardFacts], candidate: RateCardFacts) -> RateCardFacts | None:
    """Return another default card that shares a day with the candidate, None where there is none.

    The candidate itself, by id, may be among the cards.
    """
    if not candidate.is_default:
        return None
    first_day, last_day = candidate.valid_from or date.min, candidate.valid_to or date.max
    for card in cards:
        is_other = card.is_default and card.id != candidate.id
        if (
            is_other
            and (card.valid_from or date.min) <= last_day
            and first_day <= (card.valid_to or date.max)
        ):
            return card
    return None


def check_validity(valid_from: date | None, valid_to: date | None) -> None:
    """Raise InvalidInputError (field `valid_to`) when a card's last day is before its first."""
    if valid_from is not None and valid_to is not None and valid_to < valid_from:
        raise InvalidInputError.of("valid_to", f"The last day must not be before the first, {valid_from}.")


def price_booking(
    card: RateCardFacts, price_cents: int, org_fee_bps: int, instructor_fee_bps: int | None
) -> PriceQuote:
    """Return the quote for a service at the price of its card.

    `instructor_fee_bps` goes before the school's unless it is None. Raises ValueError for a negative price or
    a rate outside 0..10000.
    """
    fee_bps = org_fee_bps if instructor_fee_bps is None else instructor_fee_bps
    parts = split(price_cents, fee_bps)
    return PriceQuote(
        price_cents=price_cents,
        currency=card.currency,
        platform_fee_cents=parts.platform_fee_cents,
        instructor_share_cents=parts.instructor_share_cents,
        fee_bps=fee_bps,
        rate_card_id=card.id,
        rate_card_name=card.name,
    )


def no_price(on: date, card: RateCardFacts | None) -> ConflictError:
    """Return the error (code `no_price`) for a day without a card, or for a card without the service."""
    if card is None:
        return ConflictError(f"No default rate card is valid on {on}.", code="no_price")
    return ConflictError(f"The rate card {card.name!r} has no price for this service.", code="no_price")
