"""What a booking's change, or the end of the time to pay, means for its payment."""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.actor import Actor
from driveflow.core.outbox import Topic, emit
from driveflow.payments import attempts, receiving, repository
from driveflow.payments.lifecycle import OPEN, RefundCause
from driveflow.payments.paying import PAYABLE

ASK_AGAIN: Final = timedelta(minutes=5)
"""How long to wait when Stripe has not answered yet whether an attempt exists."""

GIVE_UP: Final = timedelta(days=1)

_CAUSES: Final = MappingProxyType({Topic.BOOKING_FEE_WAIVED: RefundCause.FEE_WAIVED})


async def refund_after(
    session: AsyncSession, actor: Actor, booking_id: UUID, topic: Topic, *, now: datetime
) -> None:
    """Give back what was paid above the fee of a cancelled or missed booking; close what is still open.

    It looks at the state only, so it may be repeated, and come late or early.
    """
    booking, payment = await repository.lock_booking_money(session, actor, booking_id)
    if payment is None:
        return
    if BookingStatus(booking.status) not in PAYABLE and payment.status in OPEN:
        await attempts.close(session, actor, payment, now=now)
    cause = _CAUSES.get(topic, RefundCause.CANCELLATION)
    await receiving.give_back_what_is_due(session, actor, booking, payment, cause, now=now)


async def abandon(
    session: AsyncSession, actor: Actor, payment_id: UUID, attempt: int, *, now: datetime
) -> None:
    """Close an attempt whose time is over; one that ended otherwise, or was followed by another, is left."""
    _, payment = await repository.lock_payment(session, actor, payment_id)
    if payment.attempt != attempt or payment.status not in OPEN:
        return
    latest = await attempts.latest_attempt(session, payment)
    if latest is None or latest.ended:
        return
    if await attempts.close(session, actor, payment, now=now) is None and now < latest.open_until + GIVE_UP:
        await emit(
            session,
            actor.org_id,
            Topic.PAYMENT_ABANDON_DUE,
            {"payment_id": str(payment.id), "attempt": attempt},
            now=now,
            available_at=now + ASK_AGAIN,
        )
