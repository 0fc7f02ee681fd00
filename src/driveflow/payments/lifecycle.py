"""Decide which moves the status of a payment, a refund and a dispute allows; the only place that knows.

A *payment* is in one of four phases:

| phase | statuses                                            | leaves by |
|-------|-----------------------------------------------------|-----------|
| open  | intent_created, requires_action, processing, failed | success; being given up |
| given up | canceled                                         | success (it came late); a new attempt |
| paid  | succeeded, partially_refunded, refunded             | a dispute |
| disputed | disputed                                         | winning the dispute |

Inside the open phase every move is allowed: a card fails and another one is tried on the same page. Inside
the paid phase the status follows from what went back (`paid_status`), in both directions, because a refund
that left may come back from the bank. Nothing ever moves from paid to open or given up: a late or reordered
event of Stripe's is then a no-op, not an error. A new attempt is the one move that only DriveFlow makes; it
begins a failed or given-up payment again.

A *refund* is pending, may need the customer (`requires_action`), and succeeds, fails or is canceled. A
success may still fail: the customer's bank can send the money back weeks later. Failed and canceled refunds
leave only by a new attempt, which is a new refund at Stripe under the same row.

A *dispute* is open, then won or lost, for ever.

Source: Stripe's documentation of PaymentIntent, Refund and Dispute (status).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class PaymentStatus(StrEnum):
    """The seed's four, and the states between them that Stripe knows."""

    INTENT_CREATED = "intent_created"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class RefundStatus(StrEnum):
    """States of a refund, as Stripe names them."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class DisputeStatus(StrEnum):
    """States of a dispute, as far as money cares."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class PaymentMethod(StrEnum):
    """How a customer paid: through Stripe, or to the school directly, recorded by its staff."""

    STRIPE = "stripe"
    CASH = "cash"
    BANK_TRANSFER = "bank_transfer"
    ELSEWHERE = "elsewhere"


class RefundCause(StrEnum):
    """Why money goes back."""

    STAFF = "staff"
    CANCELLATION = "cancellation"
    FEE_WAIVED = "fee_waived"
    SLOT_LOST = "slot_lost"
    PAID_TWICE = "paid_twice"


OPEN: Final = frozenset(
    {
        PaymentStatus.INTENT_CREATED,
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.PROCESSING,
        PaymentStatus.FAILED,
    }
)
"""An attempt is under way: somebody may still pay on the open page."""

PAID: Final = frozenset(
    {
        PaymentStatus.SUCCEEDED,
        PaymentStatus.PARTIALLY_REFUNDED,
        PaymentStatus.REFUNDED,
        PaymentStatus.DISPUTED,
    }
)
"""The money came, whatever became of it."""

_SETTLED: Final = PAID - {PaymentStatus.DISPUTED}

_PAYMENT_MOVES: Final[Mapping[PaymentStatus, frozenset[PaymentStatus]]] = {
    **{status: OPEN | {PaymentStatus.CANCELED, PaymentStatus.SUCCEEDED} for status in OPEN},
    PaymentStatus.CANCELED: frozenset({PaymentStatus.SUCCEEDED}),
    **dict.fromkeys(_SETTLED, PAID),
    PaymentStatus.DISPUTED: _SETTLED,
}

_REFUND_ENDS: Final = frozenset({RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.CANCELED})

_REFUND_MOVES: Final[Mapping[RefundStatus, frozenset[RefundStatus]]] = {
    RefundStatus.PENDING: _REFUND_ENDS | {RefundStatus.REQUIRES_ACTION},
    RefundStatus.REQUIRES_ACTION: _REFUND_ENDS | {RefundStatus.PENDING},
    RefundStatus.SUCCEEDED: frozenset({RefundStatus.FAILED}),
    RefundStatus.FAILED: frozenset(),
    RefundStatus.CANCELED: frozenset(),
}


def payment_may_become(status: PaymentStatus, to: PaymentStatus) -> bool:
    """Return whether what Stripe says may move a payment; staying is no move."""
    return to is not status and to in _PAYMENT_MOVES[status]


def may_begin_again(status: PaymentStatus) -> bool:
    """Return whether a new attempt may begin: the last one failed or was given up."""
    return status in {PaymentStatus.FAILED, PaymentStatus.CANCELED}


def paid_status(amount_cents: int, returned_cents: int, dispute: DisputeStatus | None) -> PaymentStatus:
    """Return the status of a paid payment of which so much has gone back to the customer.

    A dispute that is open or lost outweighs refunds.
    """
    if dispute in {DisputeStatus.OPEN, DisputeStatus.LOST}:
        return PaymentStatus.DISPUTED
    if returned_cents == 0:
        return PaymentStatus.SUCCEEDED
    return PaymentStatus.REFUNDED if returned_cents >= amount_cents else PaymentStatus.PARTIALLY_REFUNDED


def intent_status(status: str, *, has_failed: bool) -> PaymentStatus:
    """Return what the status of a PaymentIntent means for its payment.

    `has_failed` says that its last try was refused: Stripe then asks for another payment method. A hold on a
    card that nobody captures (`requires_capture`) is not asked for by DriveFlow and counts as processing.
    """
    if status == "requires_payment_method" and has_failed:
        return PaymentStatus.FAILED
    return _OF_INTENT.get(status, PaymentStatus.PROCESSING)


_OF_INTENT: Final[Mapping[str, PaymentStatus]] = {
    "requires_payment_method": PaymentStatus.INTENT_CREATED,
    "requires_confirmation": PaymentStatus.INTENT_CREATED,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PROCESSING,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELED,
}


def refund_may_become(status: RefundStatus, to: RefundStatus) -> bool:
    """Return whether a refund may move; staying is no move."""
    return to in _REFUND_MOVES[status]


def refund_may_be_tried_again(status: RefundStatus) -> bool:
    """Return whether a refund waits for somebody to try it again."""
    return status in {RefundStatus.FAILED, RefundStatus.CANCELED}


def dispute_status(status: str) -> DisputeStatus | None:
    """Return what the status of a Stripe dispute means; None for an inquiry, which moves no money."""
    if status.startswith("warning_"):
        return None
    return {"won": DisputeStatus.WON, "lost": DisputeStatus.LOST, "prevented": DisputeStatus.WON}.get(
        status, DisputeStatus.OPEN
    )


def dispute_may_become(status: DisputeStatus | None, to: DisputeStatus) -> bool:
    """Return whether a dispute may move: from nothing to anything, from open to an end."""
    return status is None or (status is DisputeStatus.OPEN and to is not DisputeStatus.OPEN)
