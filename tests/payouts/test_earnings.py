"""The rule of what an instructor is owed: each sentence of its account, and what holds always."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.money import split
from driveflow.payouts.earnings import (
    Earned,
    EarningKind,
    Facts,
    KycStatus,
    LineKind,
    NothingEarned,
    after_debts,
    due_at,
    earned,
    may_pay,
    take_back,
)

ENDED = datetime(2026, 8, 3, 1, 0, tzinfo=UTC)
EARNING = (BookingStatus.COMPLETED, BookingStatus.CANCELLED, BookingStatus.NO_SHOW)


def facts(**changes: Any) -> Facts:
    """A paid and completed lesson of 95.00, of which the platform takes 4.75."""
    given_facts: dict[str, Any] = {
        "status": BookingStatus.COMPLETED,
        "fee_cents": 0,
        "price_cents": 9500,
        "platform_fee_cents": 475,
        "paid": True,
    }
    return Facts(**(given_facts | changes))


def of(**changes: Any) -> Earned:
    result = earned(facts(**changes))
    assert isinstance(result, Earned), result
    return result


def test_a_completed_lesson_earns_the_share_of_the_day_it_was_booked() -> None:
    result = of()
    assert (result.kind, result.share_cents, result.school_cents) == (EarningKind.LESSON, 9025, 475)
    assert [(line.kind, line.amount_cents) for line in result.lines] == [(LineKind.LESSON, 9025)]


@pytest.mark.parametrize("status", [BookingStatus.CANCELLED, BookingStatus.NO_SHOW])
def test_a_kept_fee_is_split_in_the_ratio_of_the_price(status: BookingStatus) -> None:
    result = of(status=status, fee_cents=4750)
    assert result.kind is EarningKind.FEE
    # 4750 * 475 / 9500 = 237.5, half a cent up for the platform.
    assert (result.school_cents, result.share_cents) == (238, 4512)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": BookingStatus.CONFIRMED}, "A booking that is confirmed earns nothing yet."),
        ({"status": BookingStatus.IN_PROGRESS}, "A booking that is in progress earns nothing yet."),
        ({"paid": False}, "The money has not come."),
        ({"price_cents": 0, "platform_fee_cents": 0}, "Nothing was to be paid."),
        ({"status": BookingStatus.CANCELLED}, "No fee was kept."),
    ],
)
def test_nothing_is_earned_and_the_reason_is_told(changes: dict[str, Any], reason: str) -> None:
    assert earned(facts(**changes)) == NothingEarned(reason)


def test_a_refund_takes_its_floor_of_the_share_and_the_school_bears_the_rest() -> None:
    result = of(returned_cents=1001)
    # floor(9025 * 1001 / 9500) = floor(950.95)
    assert result.share_cents == 9025 - 950
    assert result.school_cents == 475 - 51
    assert [(line.kind, line.amount_cents) for line in result.lines] == [
        (LineKind.LESSON, 9025),
        (LineKind.REFUND, -950),
    ]


def test_what_was_not_kept_of_a_cancelled_booking_goes_back_first() -> None:
    cancelled = {"status": BookingStatus.CANCELLED, "fee_cents": 4750}
    assert of(**cancelled, returned_cents=4750) == of(**cancelled)
    assert of(**cancelled, returned_cents=4750 + 475).share_cents == 4512 - 451
    assert of(**cancelled, returned_cents=9500).share_cents == 0


def test_a_lost_dispute_counts_as_a_refund_with_a_line_of_its_own() -> None:
    result = of(returned_cents=1001, lost_cents=8499)
    assert (result.share_cents, result.school_cents) == (0, 0)
    assert [(line.kind, line.amount_cents) for line in result.lines] == [
        (LineKind.LESSON, 9025),
        (LineKind.REFUND, -950),
        (LineKind.DISPUTE, -8075),
    ]


def test_a_payout_is_held_from_the_end_of_the_lesson_and_late_money_is_paid_out_at_once() -> None:
    assert due_at(ENDED, 4320, ENDED) == ENDED + timedelta(hours=72)
    late = ENDED + timedelta(days=10)
    assert due_at(ENDED, 4320, late) == late


def test_a_disputed_payment_and_an_account_that_is_not_active_hold_a_payout_up() -> None:
    assert may_pay(disputed=False, by_stripe=True, kyc=KycStatus.ACTIVE) is None
    assert may_pay(disputed=False, by_stripe=False, kyc=KycStatus.NONE) is None
    disputed = may_pay(disputed=True, by_stripe=False, kyc=KycStatus.ACTIVE)
    assert disputed is not None
    assert "dispute" in disputed.reason
    reasons = {
        waits.reason
        for kyc in KycStatus
        if (waits := may_pay(disputed=False, by_stripe=True, kyc=kyc)) is not None
    }
    assert len(reasons) == len(KycStatus) - 1


@pytest.mark.parametrize(
    ("amount", "waiting", "transferred", "expected"),
    [
        (500, 9025, 0, (500, 0, 0)),
        (500, 0, 9025, (0, 500, 0)),
        (9025, 0, 5000, (0, 5000, 4025)),
        (9025, 2000, 0, (2000, 0, 7025)),
        (500, 0, 0, (0, 0, 500)),
    ],
)
def test_what_is_taken_back_comes_from_payout_transfer_and_debt_in_turn(
    amount: int, waiting: int, transferred: int, expected: tuple[int, int, int]
) -> None:
    taken = take_back(amount, waiting_cents=waiting, transferred_cents=transferred)
    assert (taken.from_payout_cents, taken.reverse_cents, taken.debt_cents) == expected
    assert taken.reason


@pytest.mark.parametrize(
    ("amount", "debts", "left", "taken", "word"),
    [
        (9025, (), 9025, (), "no debt"),
        (9025, (5000, 3000), 1025, (5000, 3000), "taken out"),
        (9025, (5000, 6000, 10), 0, (5000, 4025, 0), "All"),
    ],
)
def test_debts_are_taken_out_the_oldest_first(
    amount: int, debts: tuple[int, ...], left: int, taken: tuple[int, ...], word: str
) -> None:
    goes = after_debts(amount, debts)
    assert (goes.amount_cents, goes.debts_cents) == (left, taken)
    assert word in goes.reason


@st.composite
def sales(draw: st.DrawFn) -> Facts:
    price = draw(st.integers(1, 100_000))
    parts = split(price, draw(st.integers(0, 10_000)))
    return Facts(
        status=draw(st.sampled_from(EARNING)),
        fee_cents=draw(st.integers(0, price)),
        price_cents=price,
        platform_fee_cents=parts.platform_fee_cents,
        paid=True,
        returned_cents=draw(st.integers(0, price)),
        lost_cents=draw(st.integers(0, price)),
    )


@settings(max_examples=1_000)
@given(sales())
def test_nobody_earns_less_than_nothing_and_lines_and_parts_add_up(sale: Facts) -> None:
    result = earned(sale)
    kept = sale.price_cents if sale.status is BookingStatus.COMPLETED else sale.fee_cents
    if isinstance(result, NothingEarned):
        assert kept == 0
        return
    gone = sale.returned_cents + sale.lost_cents
    assert result.share_cents >= 0
    assert result.school_cents >= 0
    assert sum(line.amount_cents for line in result.lines) == result.share_cents
    # What both have is exactly what is left of the kept money.
    assert result.share_cents + result.school_cents == min(kept, max(sale.price_cents - gone, 0))


@settings(max_examples=1_000)
@given(st.data())
def test_refunds_in_any_order_and_number_take_the_same_in_sum_and_never_more_than_the_share(
    data: st.DataObject,
) -> None:
    price = data.draw(st.integers(1, 50_000))
    share = price - split(price, data.draw(st.integers(0, 10_000))).platform_fee_cents
    cuts = sorted(data.draw(st.lists(st.integers(0, price), max_size=6)))
    refunds = [after - before for before, after in zip([0, *cuts], cuts, strict=False)]

    def taken(order: list[int]) -> int:
        returned = total = 0
        before = share
        for refund in order:
            returned += refund
            now = of(price_cents=price, platform_fee_cents=price - share, returned_cents=returned).share_cents
            assert now <= before
            total += before - now
            before = now
        return total

    in_order = taken(refunds)
    assert in_order == taken(data.draw(st.permutations(refunds)))
    assert in_order == floor(Fraction(share * sum(refunds), price)) <= share


@settings(max_examples=1_000)
@given(st.integers(1, 100_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_taking_back_finds_every_cent_exactly_once(amount: int, waiting: int, transferred: int) -> None:
    taken = take_back(amount, waiting_cents=waiting, transferred_cents=transferred)
    parts = (taken.from_payout_cents, taken.reverse_cents, taken.debt_cents)
    assert sum(parts) == amount
    assert all(part >= 0 for part in parts)
    assert taken.from_payout_cents <= waiting
    assert taken.reverse_cents <= transferred


@settings(max_examples=1_000)
@given(st.integers(0, 100_000), st.lists(st.integers(1, 50_000), max_size=8))
def test_no_payout_becomes_negative_and_no_debt_is_taken_twice(amount: int, debts: list[int]) -> None:
    goes = after_debts(amount, debts)
    assert goes.amount_cents >= 0
    assert goes.amount_cents + sum(goes.debts_cents) == amount
    assert all(0 <= part <= debt for part, debt in zip(goes.debts_cents, debts, strict=True))
    # A younger debt gives something only when the older ones are settled.
    settled = [part == debt for part, debt in zip(goes.debts_cents, debts, strict=True)]
    for younger, part in enumerate(goes.debts_cents):
        assert part == 0 or all(settled[:younger])
