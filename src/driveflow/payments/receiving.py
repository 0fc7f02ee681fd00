"""Money that came: the payment is paid, the booking is confirmed or the money goes back.

Every way to be paid ends here: Stripe's success and what staff record. The caller holds the locks.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import moves
from driveflow.bookings.lifecycle import BookingStatus, Cause
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor, system_actor
from driveflow.core.audit import Action, record
from driveflow.core.outbox import Topic, emit
from driveflow.orgs.service import settings_of
from driveflow.payments import ledger, paying, refunds
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import PaymentMethod, PaymentStatus, RefundCause, payment_may_become
from driveflow.payments.models import Payment
from driveflow.payments.paying import BookingMoney
from driveflow.payments.refunding import due_by_itself

_ENTITY: Final = "Payment"


def money_of(booking: Booking) -> BookingMoney:
    """Return a booking as `paying.py` sees it."""
    return BookingMoney(
        BookingStatus(booking.status), booking.price_cents, booking.start_at, booking.hold_expires_at
    )


async def receive(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    payment: Payment,
    *,
    method: PaymentMethod,
    dedupe_key: str,
    now: datetime,
) -> None:
    """Mark a locked payment paid, write the ledger, and do what follows for its booking."""
    if not payment_may_become(PaymentStatus(payment.status), PaymentStatus.SUCCEEDED):
        raise AssertionError(f"a payment that is {payment.status} was received again")
    payment.status = PaymentStatus.SUCCEEDED.value
    payment.method = method.value
    payment.paid_at = payment.updated_at = now
    payment.failure_code = payment.failure_message = None
    await session.flush()
    await post_paid(session, payment, payment.amount_cents, method, dedupe_key, now=now)
    by_stripe = method is PaymentMethod.STRIPE
    after: dict[str, Any] = {"method": method.value, "amount_cents": payment.amount_cents}
    if payment.reference:
        after["reference"] = payment.reference
    record(
        session,
        actor,
        Action.PAYMENT_SUCCEEDED if by_stripe else Action.PAYMENT_RECORDED,
        _ENTITY,
        payment.id,
        now=now,
        after=after,
    )
    told = {"payment_id": str(payment.id), "booking_id": str(booking.id), "method": method.value}
    await emit(session, actor.org_id, Topic.PAYMENT_SUCCEEDED, told, now=now)
    if booking.status == BookingStatus.REQUESTED:
        await _answer_request(session, booking, now=now)
    await give_back_what_is_due(session, actor, booking, payment, RefundCause.SLOT_LOST, now=now)


async def give_back_what_is_due(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    payment: Payment,
    cause: RefundCause,
    *,
    now: datetime,
) -> None:
    """Refund what the state of a locked booking says goes back by itself; nothing when nothing does."""
    due = due_by_itself(refunds.paid_of(payment), BookingStatus(booking.status), booking.fee_cents, cause)
    if due is not None:
        await refunds.decide(
            session, actor, booking, payment, due.amount_cents, due.cause, reason=due.reason, now=now
        )


async def post_paid(
    session: AsyncSession,
    payment: Payment,
    amount_cents: int,
    method: PaymentMethod,
    dedupe_key: str,
    *,
    now: datetime,
) -> bool:
    """Write that a customer paid; return whether that is new."""
    by_stripe = method is PaymentMethod.STRIPE
    return await ledger.post(
        session,
        payment.org_id,
        debit=Account.STRIPE_CLEARING if by_stripe else Account.CASH,
        credit=Account.CUSTOMERS,
        amount_cents=amount_cents,
        currency=payment.currency,
        booking_id=payment.booking_id,
        entity_type=_ENTITY,
        entity_id=payment.id,
        memo=f"Payment ({method.value})",
        dedupe_key=dedupe_key,
        now=now,
    )


async def _answer_request(session: AsyncSession, booking: Booking, *, now: datetime) -> None:
    system = system_actor(booking.org_id)
    org = await settings_of(session, booking.org_id)
    if org.confirm_on_payment:
        await moves.confirm(session, system, booking.id, now=now, cause=Cause.PAID)
    else:
        until = paying.hold_after_payment(money_of(booking))
        await moves.prolong_hold(session, system, booking, until, now=now)
