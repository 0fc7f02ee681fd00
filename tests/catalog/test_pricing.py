"""Which rate card applies on a day, which may be saved, and what a booking then costs."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.catalog.pricing import (
    PriceQuote,
    RateCardFacts,
    applicable_card,
    check_validity,
    no_price,
    overlapping_default,
    price_booking,
)
from driveflow.core.errors import FieldError, InvalidInputError

JUNE = date(2026, 6, 1)
JUNE_END = date(2026, 6, 30)
JULY = date(2026, 7, 1)
ONE_DAY = timedelta(days=1)


def card(
    number: int = 1, first: date | None = None, last: date | None = None, *, is_default: bool = True
) -> RateCardFacts:
    return RateCardFacts(UUID(int=number), f"Card {number}", "AUD", is_default, first, last)


DAYS = st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 1, 20))
CARDS = st.builds(
    lambda number, ends, opens, is_default: card(
        number,
        None if opens[0] else min(ends),
        None if opens[1] else max(ends),
        is_default=is_default,
    ),
    st.integers(1, 3),
    st.tuples(DAYS, DAYS),
    st.tuples(st.booleans(), st.booleans()),
    st.booleans(),
)


def test_both_ends_of_a_validity_are_included() -> None:
    june = card(first=JUNE, last=JUNE_END)
    assert applicable_card([june], JUNE - ONE_DAY) is None
    assert applicable_card([june], JUNE) is june
    assert applicable_card([june], JUNE_END) is june
    assert applicable_card([june], JULY) is None


def test_an_open_end_has_no_limit() -> None:
    always, until, since = card(), card(last=JUNE_END), card(first=JULY)
    for day in (date.min, JUNE, date.max):
        assert applicable_card([always], day) is always
    assert applicable_card([until], date.min) is until
    assert applicable_card([until], JULY) is None
    assert applicable_card([since], date.max) is since
    assert applicable_card([since], JUNE_END) is None


def test_only_a_default_card_applies() -> None:
    special, default = card(1, is_default=False), card(2)
    assert applicable_card([special, default], JUNE) is default
    assert applicable_card([special], JUNE) is None
    assert applicable_card([], JUNE) is None


def test_the_card_of_the_day_is_found_among_consecutive_cards() -> None:
    june, later = card(1, JUNE, JUNE_END), card(2, JULY)
    assert applicable_card([june, later], JUNE_END) is june
    assert applicable_card([june, later], JULY) is later


def test_two_default_cards_may_not_share_a_day() -> None:
    june = card(1, JUNE, JUNE_END)
    assert overlapping_default([june], card(2, JUNE_END)) is june
    assert overlapping_default([june], card(2, None, JUNE)) is june
    assert overlapping_default([june], card(2)) is june
    assert overlapping_default([june], card(2, JULY)) is None
    assert overlapping_default([june], card(2, None, JUNE - ONE_DAY)) is None
    assert overlapping_default([card(1)], card(2, JUNE, JUNE)) == card(1)


def test_a_card_does_not_stand_in_its_own_way() -> None:
    assert overlapping_default([card(1, JUNE, JUNE_END)], card(1, JUNE, JULY)) is None


def test_cards_that_are_not_default_may_overlap() -> None:
    assert overlapping_default([card(1)], card(2, is_default=False)) is None
    assert overlapping_default([card(1, is_default=False)], card(2)) is None


def test_the_overlapping_card_is_found_behind_harmless_ones() -> None:
    cards = [card(1, is_default=False), card(2, JULY), card(3, JUNE, JUNE)]
    assert overlapping_default(cards, card(4, JUNE, JUNE_END)) is cards[2]


@given(one=CARDS, other=CARDS)
def test_cards_overlap_exactly_when_a_day_has_both(one: RateCardFacts, other: RateCardFacts) -> None:
    days = [date(2025, 12, 31) + n * ONE_DAY for n in range(23)]
    shared = any(applicable_card([one], day) and applicable_card([other], day) for day in days)
    found = overlapping_default([one], other)
    assert found == (one if shared and one.id != other.id else None)


def test_a_validity_of_one_day_or_with_an_open_end_is_fine() -> None:
    check_validity(JUNE, JUNE)
    check_validity(JUNE, JULY)
    check_validity(None, JUNE)
    check_validity(JUNE, None)
    check_validity(None, None)


def test_a_validity_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_validity(JULY, JUNE_END)
    message = "The last day must not be before the first, 2026-07-01."
    assert caught.value.fields == (FieldError("valid_to", message),)


def test_a_quote_takes_the_fee_of_the_school_and_names_its_card() -> None:
    assert price_booking(card(7), 9500, 500, None) == PriceQuote(
        price_cents=9500,
        currency="AUD",
        platform_fee_cents=475,
        instructor_share_cents=9025,
        fee_bps=500,
        rate_card_id=UUID(int=7),
        rate_card_name="Card 7",
    )


@pytest.mark.parametrize(("instructor_fee_bps", "fee_cents"), [(1000, 950), (0, 0), (10_000, 9500)])
def test_the_fee_of_the_instructor_goes_before_that_of_the_school(
    instructor_fee_bps: int, fee_cents: int
) -> None:
    quote = price_booking(card(), 9500, 500, instructor_fee_bps)
    assert quote.fee_bps == instructor_fee_bps
    assert quote.platform_fee_cents == fee_cents
    assert quote.instructor_share_cents == 9500 - fee_cents


@given(
    price_cents=st.integers(0, 10**9),
    org_fee_bps=st.integers(0, 10_000),
    instructor_fee_bps=st.none() | st.integers(0, 10_000),
)
def test_fee_and_share_add_up_to_the_price(
    price_cents: int, org_fee_bps: int, instructor_fee_bps: int | None
) -> None:
    quote = price_booking(card(), price_cents, org_fee_bps, instructor_fee_bps)
    assert quote.platform_fee_cents + quote.instructor_share_cents == quote.price_cents == price_cents


def test_a_day_without_a_card_has_no_price() -> None:
    error = no_price(JUNE, None)
    assert error.code == "no_price"
    assert error.message == "No default rate card is valid on 2026-06-01."


def test_a_card_without_the_service_has_no_price() -> None:
    error = no_price(JUNE, card(7))
    assert error.code == "no_price"
    assert error.message == "The rate card 'Card 7' has no price for this service."
