"""What other packages ask about a booking's money: what came, what goes back."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.payments.lifecycle import PAID, PaymentMethod, PaymentStatus
from driveflow.payments.models import Payment


@dataclass(frozen=True, slots=True)
class Received:
    """The money of a booking: its price, split and currency, and what was decided to go back.

    `returned_cents` counts every refund from its decision on, because one that fails is tried again. Money
    that was paid twice is no part of the price, and neither is its refund.
    """

    payment_id: UUID
    method: PaymentMethod
    paid: bool
    amount_cents: int
    platform_fee_cents: int
    currency: str
    charge_id: str | None
    returned_cents: int


async def received_for(session: AsyncSession, org_id: UUID, booking_id: UUID) -> Received | None:
    """Return what was received for a booking, None when nobody ever began to pay; no permission is asked."""
    return (await received_by_booking(session, org_id, [booking_id])).get(booking_id)


async def received_by_booking(
    session: AsyncSession, org_id: UUID, booking_ids: Collection[UUID]
) -> dict[UUID, Received]:
    """Return what was received for bookings, by booking; as `received_for`."""
    query = select(Payment).where(Payment.org_id == org_id, Payment.booking_id.in_(booking_ids))
    return {
        payment.booking_id: Received(
            payment.id,
            PaymentMethod(payment.method),
            PaymentStatus(payment.status) in PAID,
            payment.amount_cents,
            payment.platform_fee_cents,
            payment.currency,
            payment.stripe_charge_id,
            payment.refunded_cents,
        )
        for payment in await session.scalars(query.execution_options(populate_existing=True))
    }
