"""Which moves payments, refunds and disputes make."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.payments.lifecycle import (
    OPEN,
    PAID,
    DisputeStatus,
    PaymentStatus,
    RefundStatus,
    dispute_may_become,
    dispute_status,
    intent_status,
    may_begin_again,
    paid_status,
    payment_may_become,
    refund_may_be_tried_again,
    refund_may_become,
)


def test_money_that_came_never_becomes_unpaid() -> None:
    for status, to in itertools.product(PAID, OPEN | {PaymentStatus.CANCELED}):
        assert not payment_may_become(status, to)


def test_staying_is_no_move() -> None:
    assert not any(payment_may_become(status, status) for status in PaymentStatus)
    assert not any(refund_may_become(status, status) for status in RefundStatus)


def test_an_open_payment_may_end_in_every_way_and_a_given_up_one_only_succeed() -> None:
    for status in OPEN:
        assert payment_may_become(status, PaymentStatus.SUCCEEDED)
        assert payment_may_become(status, PaymentStatus.CANCELED)
        assert not payment_may_become(status, PaymentStatus.REFUNDED)
    reached = {to for to in PaymentStatus if payment_may_become(PaymentStatus.CANCELED, to)}
    assert reached == {PaymentStatus.SUCCEEDED}


def test_only_what_failed_or_was_given_up_begins_again() -> None:
    assert {status for status in PaymentStatus if may_begin_again(status)} == {
        PaymentStatus.FAILED,
        PaymentStatus.CANCELED,
    }


@pytest.mark.parametrize(
    ("amount", "returned", "dispute", "status"),
    [
        (100, 0, None, "succeeded"),
        (100, 1, None, "partially_refunded"),
        (100, 100, None, "refunded"),
        (100, 100, DisputeStatus.OPEN, "disputed"),
        (100, 0, DisputeStatus.LOST, "disputed"),
        (100, 40, DisputeStatus.WON, "partially_refunded"),
    ],
)
def test_the_status_of_a_paid_payment_says_what_went_back(
    amount: int, returned: int, dispute: DisputeStatus | None, status: str
) -> None:
    assert paid_status(amount, returned, dispute) == status


@pytest.mark.parametrize(
    ("stripe_status", "has_failed", "status"),
    [
        ("requires_payment_method", False, "intent_created"),
        ("requires_payment_method", True, "failed"),
        ("requires_confirmation", False, "intent_created"),
        ("requires_action", False, "requires_action"),
        ("processing", False, "processing"),
        ("requires_capture", False, "processing"),
        ("canceled", True, "canceled"),
        ("succeeded", True, "succeeded"),
    ],
)
def test_an_intents_status_means_its_payments(stripe_status: str, has_failed: bool, status: str) -> None:
    assert intent_status(stripe_status, has_failed=has_failed) == status


def test_a_refund_that_arrived_can_only_come_back() -> None:
    reached = {to for to in RefundStatus if refund_may_become(RefundStatus.SUCCEEDED, to)}
    assert reached == {RefundStatus.FAILED}
    for end in (RefundStatus.FAILED, RefundStatus.CANCELED):
        assert not any(refund_may_become(end, to) for to in RefundStatus)
        assert refund_may_be_tried_again(end)
    assert not refund_may_be_tried_again(RefundStatus.PENDING)


def test_an_inquiry_is_no_dispute_and_an_end_is_final() -> None:
    assert dispute_status("warning_needs_response") is None
    assert dispute_status("needs_response") is DisputeStatus.OPEN
    assert dispute_status("under_review") is DisputeStatus.OPEN
    assert dispute_status("won") is DisputeStatus.WON
    assert dispute_status("lost") is DisputeStatus.LOST
    for to in DisputeStatus:
        assert dispute_may_become(None, to)
        assert not dispute_may_become(DisputeStatus.WON, to)
        assert not dispute_may_become(DisputeStatus.LOST, to)
    assert dispute_may_become(DisputeStatus.OPEN, DisputeStatus.LOST)
    assert not dispute_may_become(DisputeStatus.OPEN, DisputeStatus.OPEN)


@settings(max_examples=1_000)
@given(st.lists(st.sampled_from(PaymentStatus), max_size=12))
def test_whatever_is_told_in_whatever_order_a_payment_never_loses_its_money(
    told: list[PaymentStatus],
) -> None:
    status = PaymentStatus.INTENT_CREATED
    was_paid = False
    for to in told:
        if payment_may_become(status, to):
            status = to
        was_paid = was_paid or status in PAID
        assert not was_paid or status in PAID


@settings(max_examples=1_000)
@given(st.integers(0, 10**8), st.integers(0, 10**8), st.sampled_from([None, *DisputeStatus]))
def test_every_status_of_paid_money_can_be_reached_from_every_other(
    amount: int, returned: int, dispute: DisputeStatus | None
) -> None:
    status = paid_status(amount, min(amount, returned), dispute)
    assert status in PAID
    for other in PAID - {status, PaymentStatus.DISPUTED}:
        assert payment_may_become(other, status)
