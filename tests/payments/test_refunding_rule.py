"""How much goes back, and why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.errors import ConflictError, InvalidInputError
from driveflow.payments.lifecycle import PAID, PaymentStatus, RefundCause
from driveflow.payments.refunding import Due, Paid, check_refund, due_by_itself

CENTS = st.integers(0, 10**8)


def paid(amount: int = 9_500, refunded: int = 0, status: PaymentStatus = PaymentStatus.SUCCEEDED) -> Paid:
    return Paid(status, amount, refunded)


def test_all_above_the_fee_goes_back_with_its_reason() -> None:
    due = due_by_itself(paid(), BookingStatus.CANCELLED, 4_750, RefundCause.CANCELLATION)
    assert due == Due(4_750, RefundCause.CANCELLATION, "The booking was cancelled. The fee is kept.")
    full = due_by_itself(paid(), BookingStatus.NO_SHOW, None, RefundCause.SLOT_LOST)
    assert full is not None
    assert (full.amount_cents, full.reason) == (9_500, "The payment came when the booking was gone already.")


@pytest.mark.parametrize(
    "status", sorted(set(BookingStatus) - {BookingStatus.CANCELLED, BookingStatus.NO_SHOW})
)
def test_a_booking_that_takes_place_keeps_its_money(status: BookingStatus) -> None:
    assert due_by_itself(paid(), status, None, RefundCause.CANCELLATION) is None


def test_nothing_goes_back_while_the_bank_decides() -> None:
    disputed = paid(status=PaymentStatus.DISPUTED)
    assert due_by_itself(disputed, BookingStatus.CANCELLED, 0, RefundCause.CANCELLATION) is None
    with pytest.raises(ConflictError) as raised:
        check_refund(disputed, 1)
    assert raised.value.code == "disputed"


def test_nothing_goes_back_of_what_was_not_paid() -> None:
    for status in set(PaymentStatus) - PAID:
        assert (
            due_by_itself(paid(status=status), BookingStatus.CANCELLED, 0, RefundCause.CANCELLATION) is None
        )
        with pytest.raises(ConflictError) as raised:
            check_refund(paid(status=status), 1)
        assert raised.value.code == "not_paid"


@settings(max_examples=1_000)
@given(CENTS, CENTS, st.none() | CENTS, st.sampled_from(BookingStatus))
def test_what_goes_back_by_itself_never_exceeds_what_is_left_and_leaves_the_fee(
    amount: int, refunded: int, fee: int | None, status: BookingStatus
) -> None:
    facts = paid(amount, min(amount, refunded))
    due = due_by_itself(facts, status, fee, RefundCause.CANCELLATION)
    if due is not None:
        assert 0 < due.amount_cents <= facts.left_cents
        after = paid(amount, facts.refunded_cents + due.amount_cents)
        assert after.left_cents == (fee or 0)
        # Asking again gives nothing more.
        assert due_by_itself(after, status, fee, RefundCause.CANCELLATION) is None


@settings(max_examples=1_000)
@given(CENTS, CENTS, st.integers(-10, 10**8 + 10))
def test_staff_give_back_what_is_left_and_not_a_cent_more(amount: int, refunded: int, wanted: int) -> None:
    facts = paid(amount, min(amount, refunded))
    if 0 < wanted <= facts.left_cents:
        check_refund(facts, wanted)
    else:
        with pytest.raises(InvalidInputError) as raised:
            check_refund(facts, wanted)
        assert raised.value.code == "refund_too_large"
