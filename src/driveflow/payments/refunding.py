"""Decide how much goes back to a customer, and why.

* A cancellation, and a no-show, keep the fee that was stored with them; all that was paid above it goes back.
  When the fee is waived later, the rest goes back too.
* A payment that arrives for a booking which is already cancelled or missed (`slot_lost`) is treated alike:
  the slot is lost, so everything above a stored fee goes back. A request that ran out has no fee.
* A second payment of the same booking (`paid_twice`) goes back in full. It is no part of the payment: it
  counts neither as paid nor as refunded there.
* Staff give back any part of what was paid and has not been given back yet, with a reason.

What counts as given back is every refund that was decided: one on its way, and one that failed at the bank,
are still owed to the customer and are tried again, not decided again. So refunds never exceed the payment
(money.md, rule 4; the database has the same CHECK).
"""

from dataclasses import dataclass

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.errors import ConflictError, InvalidInputError
from driveflow.payments.lifecycle import PAID, PaymentStatus, RefundCause


@dataclass(frozen=True, slots=True)
class Paid:
    """What came for a booking, and what was decided to go back."""

    status: PaymentStatus
    amount_cents: int
    refunded_cents: int

    @property
    def left_cents(self) -> int:
        """What could still go back, 0 while nothing was paid."""
        return self.amount_cents - self.refunded_cents if self.status in PAID else 0


@dataclass(frozen=True, slots=True)
class Due:
    """An amount that goes back by itself, and the sentence that explains it."""

    amount_cents: int
    cause: RefundCause
    reason: str


_KEEPS_FEE = frozenset({BookingStatus.CANCELLED, BookingStatus.NO_SHOW})


def due_by_itself(
    paid: Paid, booking_status: BookingStatus, fee_cents: int | None, cause: RefundCause
) -> Due | None:
    """Return what goes back of a payment without anybody asking; None for nothing.

    `cause` is CANCELLATION, FEE_WAIVED or SLOT_LOST. A booking that takes place keeps all its money.
    """
    if booking_status not in _KEEPS_FEE or paid.status is PaymentStatus.DISPUTED:
        return None
    kept_cents = fee_cents or 0
    amount_cents = max(0, paid.left_cents - kept_cents)
    if amount_cents == 0:
        return None
    return Due(amount_cents, cause, _REASONS[cause] if kept_cents == 0 else _REASONS[cause] + _FEE_KEPT)


def check_refund(paid: Paid, amount_cents: int) -> None:
    """Refuse a refund by staff that cannot be.

    Raises ConflictError (`not_paid`, `disputed`) or InvalidInputError (`amount_cents`, code
    `refund_too_large`) that names what is left.
    """
    if paid.status not in PAID:
        raise ConflictError("Nothing was paid that could go back.", code="not_paid")
    if paid.status is PaymentStatus.DISPUTED:
        raise ConflictError(
            "The customer's bank has taken the money back or is deciding about it.", code="disputed"
        )
    if not 0 < amount_cents <= paid.left_cents:
        raise InvalidInputError.of(
            "amount_cents",
            f"Give an amount from 1 to {paid.left_cents}, which is what was paid and not given back.",
            code="refund_too_large",
        )


_FEE_KEPT = " The fee is kept."
_REASONS = {
    RefundCause.CANCELLATION: "The booking was cancelled.",
    RefundCause.FEE_WAIVED: "The school waived the fee.",
    RefundCause.SLOT_LOST: "The payment came when the booking was gone already.",
}
