"""Queries of payments, and their locks: always the booking first, then its payment, then a refund."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.bookings.service import load_visible
from driveflow.core.actor import Actor
from driveflow.core.db import get_or_404
from driveflow.payments.lifecycle import RefundCause, RefundStatus
from driveflow.payments.models import Payment, Refund, StripeObject, StripeRequest


async def lock_booking_money(
    session: AsyncSession, actor: Actor, booking_id: UUID
) -> tuple[Booking, Payment | None]:
    """Lock a booking that the actor may see, and its payment if there is one."""
    booking = await load_visible(session, actor, booking_id, lock=True)
    query = select(Payment).where(Payment.org_id == actor.org_id, Payment.booking_id == booking.id)
    return booking, (await session.scalars(_locked(query))).one_or_none()


async def lock_payment(session: AsyncSession, actor: Actor, payment_id: UUID) -> tuple[Booking, Payment]:
    """Lock a payment and, before it, its booking; raises NotFoundError."""
    payment = await get_or_404(session, Payment, actor.org_id, payment_id)
    booking = await get_or_404(session, Booking, actor.org_id, payment.booking_id, lock=True)
    return booking, await get_or_404(session, Payment, actor.org_id, payment_id, lock=True)


async def find_request(session: AsyncSession, org_id: UUID, idempotency_key: str) -> StripeRequest | None:
    """Return the frozen call of a key."""
    query = select(StripeRequest).where(
        StripeRequest.org_id == org_id, StripeRequest.idempotency_key == idempotency_key
    )
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def returned_cents(session: AsyncSession, payment: Payment) -> int:
    """Return how much of a payment has really gone back; what was paid twice is no part of it."""
    await session.flush()
    query = select(func.coalesce(func.sum(Refund.amount_cents), 0)).where(
        Refund.org_id == payment.org_id,
        Refund.payment_id == payment.id,
        Refund.status == RefundStatus.SUCCEEDED.value,
        Refund.cause != RefundCause.PAID_TWICE.value,
    )
    return int((await session.execute(query)).scalar_one())


async def refund_of_stripe(session: AsyncSession, org_id: UUID, stripe_refund_id: str) -> Refund | None:
    """Return the refund with a Stripe id."""
    query = select(Refund).where(Refund.org_id == org_id, Refund.stripe_refund_id == stripe_refund_id)
    return (await session.scalars(query)).one_or_none()


async def entity_of(session: AsyncSession, org_id: UUID, stripe_id: str) -> UUID | None:
    """Return the row of this school that a Stripe id belongs to."""
    query = select(StripeObject.entity_id).where(
        StripeObject.stripe_id == stripe_id, StripeObject.org_id == org_id
    )
    return (await session.scalars(query)).one_or_none()


def refunds_of(org_id: UUID, payment_id: UUID) -> Select[Refund]:
    """Return the query of a payment's refunds."""
    return select(Refund).where(Refund.org_id == org_id, Refund.payment_id == payment_id)


def payments_between(org_id: UUID, from_at: datetime | None, to_at: datetime | None) -> Select[Payment]:
    """Return the query of the payments made in a period, from inclusive to exclusive; None is no limit."""
    query = select(Payment).where(Payment.org_id == org_id)
    if from_at is not None:
        query = query.where(Payment.created_at >= from_at)
    if to_at is not None:
        query = query.where(Payment.created_at < to_at)
    return query


def _locked(query: Select[Payment]) -> Select[Payment]:
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)
