"""Payments and refunds as they stand when they have succeeded, and the papers of them.

The rows are written as the payments leave them: how money moves is the matter of other tests.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from driveflow.bookings.models import Booking
from driveflow.core.actor import system_actor
from driveflow.core.db import Database, get_or_404
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.invoices import issuing
from driveflow.invoices.models import Invoice
from driveflow.payments.lifecycle import PaymentStatus, RefundStatus
from driveflow.payments.models import Payment, Refund
from support.schools import School


async def paid(school: School, booking_id: str, *, method: str = "stripe", **more: Any) -> UUID:
    """Write the succeeded payment of a booking and emit its event; return its id."""
    payment_id = new_id()
    now = school.clock.now
    async with database_of(school).session(school.org_id) as session:
        booking = await get_or_404(session, Booking, school.org_id, UUID(booking_id))
        session.add(
            Payment(
                **{
                    "org_id": school.org_id,
                    "id": payment_id,
                    "booking_id": booking.id,
                    "status": PaymentStatus.SUCCEEDED.value,
                    "currency": booking.currency,
                    "amount_cents": booking.price_cents,
                    "platform_fee_cents": booking.platform_fee_cents,
                    "instructor_share_cents": booking.instructor_share_cents,
                    "method": method,
                    "paid_at": now,
                    **more,
                }
            )
        )
        await session.flush()
        payload = {"payment_id": str(payment_id), "booking_id": booking_id}
        await emit(session, school.org_id, Topic.PAYMENT_SUCCEEDED, payload, now=now)
    return payment_id


async def refunded(
    school: School,
    payment_id: UUID,
    amount_cents: int,
    *,
    status: RefundStatus = RefundStatus.SUCCEEDED,
    **more: Any,
) -> UUID:
    """Write a refund of a payment and emit its event; return its id."""
    refund_id = new_id()
    now = school.clock.now
    async with database_of(school).session(school.org_id) as session:
        payment = await get_or_404(session, Payment, school.org_id, payment_id, lock=True)
        payment.refunded_cents += amount_cents
        session.add(
            Refund(
                org_id=school.org_id,
                id=refund_id,
                payment_id=payment_id,
                status=status.value,
                currency=payment.currency,
                amount_cents=amount_cents,
                **more,
            )
        )
        await session.flush()
        payload = {
            "refund_id": str(refund_id),
            "payment_id": str(payment_id),
            "booking_id": str(payment.booking_id),
        }
        await emit(session, school.org_id, Topic.REFUND_SUCCEEDED, payload, now=now)
    return refund_id


async def invoiced(school: School, booking_id: str) -> Invoice:
    """Pay a booking and issue the invoice, as the worker would."""
    payment_id = await paid(school, booking_id)
    return await issue(database_of(school), school.org_id, payment_id, now=school.clock.now)


async def issue(database: Database, org_id: UUID, payment_id: UUID, *, now: datetime) -> Invoice:
    """Issue the invoice of a payment in a transaction of its own."""
    async with database.session(org_id) as session:
        return await issuing.issue_invoice(session, system_actor(org_id), payment_id, now=now)


def database_of(school: School) -> Database:
    """Return the database that the school was made in."""
    assert school.database is not None
    return school.database
