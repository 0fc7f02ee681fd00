"""Decide whether a booking may be paid now, by whom, and what has to happen first.

* Who: the student, a guardian whose link says `can_pay`, and staff. An instructor does not pay.
* What: a booking that is requested, confirmed, under way or completed and costs something. One that is
  cancelled or was missed is not paid any more; a booking without a price needs no payment.
* Once: a booking has one payment, and a payment at most one open *attempt*: a Checkout page, or a
  PaymentIntent for clients with a page of their own. Asking again gives the same page again. Asking for the
  other kind, or after the page's time, closes the open attempt first; only when Stripe has confirmed that
  does the next one begin. While money is on its way (`processing`) nothing new begins.
* How long: `payment_minutes` of the school, at least Stripe's 30. The page lives GRACE longer at Stripe, so
  that a call which is repeated after a crash still asks for a time that Stripe accepts; DriveFlow closes it.
* The slot: the hold of a requested booking is prolonged until the page is certainly closed. Nobody pays for a
  slot that is gone. So that nobody holds a slot for ever by opening pages, a requested booking has ATTEMPTS
  of them; then its hold runs out.
* A payment confirms a requested booking where the school says so (`confirm_on_payment`). Elsewhere the hold
  is prolonged to the start of the lesson: a paid request waits for the school's answer, and one that gets
  none is cancelled and refunded then.
* A payment that comes too late, for a booking that is cancelled or missed, goes back (`refunding.py`).

Instants are aware UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from driveflow.bookings.lifecycle import BookingStatus, Who
from driveflow.core.errors import ConflictError, ForbiddenError
from driveflow.payments.lifecycle import PAID, PaymentStatus

GRACE: Final = timedelta(minutes=5)
ATTEMPTS: Final = 5

PAYABLE: Final = frozenset(
    {
        BookingStatus.REQUESTED,
        BookingStatus.CONFIRMED,
        BookingStatus.IN_PROGRESS,
        BookingStatus.COMPLETED,
    }
)
"""The statuses of a booking that may be paid."""


class PaymentMode(StrEnum):
    """How a customer pays through Stripe: on Stripe's page, or on a page of the client's own."""

    CHECKOUT = "checkout"
    INTENT = "intent"


@dataclass(frozen=True, slots=True)
class BookingMoney:
    """A booking as far as paying it goes."""

    status: BookingStatus
    price_cents: int
    start_at: datetime
    hold_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The latest attempt to pay; `is_made` once Stripe has answered, `ended` when nobody can pay by it."""

    number: int
    mode: PaymentMode
    is_made: bool
    ended: bool
    open_until: datetime


@dataclass(frozen=True, slots=True)
class Begin:
    """A new attempt begins: its number, until when it is open, and until when the slot must be held."""

    number: int
    open_until: datetime
    hold_until: datetime


@dataclass(frozen=True, slots=True)
class Resume:
    """The open attempt is the answer."""


@dataclass(frozen=True, slots=True)
class WaitForStripe:
    """The open attempt was asked for a moment ago, and Stripe's answer is not known yet."""


@dataclass(frozen=True, slots=True)
class CloseFirst:
    """The open attempt must end before anything else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """No payment now; `code` is stable, `message` is a sentence for a person."""

    code: str
    message: str


Step = Begin | Resume | WaitForStripe | CloseFirst | Refused


def next_step(
    booking: BookingMoney,
    status: PaymentStatus | None,
    attempt: Attempt | None,
    mode: PaymentMode,
    now: datetime,
    *,
    who: Who,
    may_pay: bool,
    payment_minutes: int,
) -> Step:
    """Return what asking for payment in a mode leads to now; never raises.

    `status` and `attempt` are None for a booking without a payment, `may_pay` is the guardian's link.
    """
    refused = _refusal(booking, status, who=who, may_pay=may_pay)
    if refused is not None:
        return refused
    if attempt is not None and not attempt.ended:
        return _go_on(attempt, mode, now)
    number = attempt.number + 1 if attempt is not None else 1
    if booking.status is BookingStatus.REQUESTED:
        if booking.hold_expires_at is not None and now >= booking.hold_expires_at:
            return Refused("hold_expired", "The time to pay for this request has run out; book again.")
        if who is not Who.STAFF and number > ATTEMPTS:
            return Refused(
                "too_many_attempts", f"{ATTEMPTS} pages were opened for this request; ask the school."
            )
    open_until = now + timedelta(minutes=payment_minutes)
    return Begin(number, open_until, open_until + GRACE)


def may_record(booking: BookingMoney, status: PaymentStatus | None, attempt: Attempt | None) -> Step:
    """Return whether staff may record a payment that the school got itself: Resume means yes, now."""
    refused = _refusal(booking, status, who=Who.STAFF, may_pay=True)
    if refused is not None:
        return refused
    if attempt is None or attempt.ended:
        return Resume()
    if not attempt.is_made:
        return WaitForStripe()
    return CloseFirst("The school got the money in another way.")


def enforce(refused: Refused) -> None:
    """Raise what a refusal means: ForbiddenError (`forbidden`) or ConflictError."""
    if refused.code == _FORBIDDEN:
        raise ForbiddenError(refused.message)
    raise ConflictError(refused.message, code=refused.code)


def hold_after_payment(booking: BookingMoney) -> datetime:
    """Return until when the slot of a paid request is held that the school has to confirm itself."""
    return booking.start_at


def _go_on(attempt: Attempt, mode: PaymentMode, now: datetime) -> Step:
    if not attempt.is_made:
        return WaitForStripe()
    if attempt.mode is not mode:
        return CloseFirst("The customer wants to pay in another way.")
    if now >= attempt.open_until:
        return CloseFirst("The time to pay has run out.")
    return Resume()


def _refusal(
    booking: BookingMoney, status: PaymentStatus | None, *, who: Who, may_pay: bool
) -> Refused | None:
    refused = None
    if who is Who.INSTRUCTOR:
        refused = Refused(_FORBIDDEN, "An instructor does not pay for a booking.")
    elif who is Who.GUARDIAN and not may_pay:
        refused = Refused(_FORBIDDEN, "You may not pay for this student; the school can change that.")
    elif status in PAID:
        refused = Refused("already_paid", "This booking is paid.")
    elif booking.price_cents == 0:
        refused = Refused("nothing_to_pay", "This booking costs nothing.")
    elif booking.status not in PAYABLE:
        words = booking.status.replace("_", " ")
        refused = Refused("not_payable", f"A booking that is {words} is not paid any more.")
    elif status is PaymentStatus.PROCESSING:
        refused = Refused(
            "payment_processing", "The payment is on its way; it takes a while with some banks."
        )
    return refused


_FORBIDDEN: Final = "forbidden"
