"""The queries of payouts: with locks where amounts change."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.payouts.lifecycle import PayoutStatus
from driveflow.payouts.models import (
    Payout,
    PayoutDebt,
    PayoutDispute,
    PayoutLine,
    PayoutReversal,
    ReversalStatus,
)


def payouts(
    org_id: UUID, *, instructor_id: UUID | None = None, status: PayoutStatus | None = None
) -> Select[Payout]:
    """Return the query for a school's payouts, of one instructor or in one status where given."""
    query = select(Payout).where(Payout.org_id == org_id)
    if instructor_id is not None:
        query = query.where(Payout.instructor_id == instructor_id)
    return query if status is None else query.where(Payout.status == status.value)


async def lock_payout_of_booking(session: AsyncSession, org_id: UUID, booking_id: UUID) -> Payout | None:
    """Return the payout of a booking in its latest state, locked; None when nothing accrued."""
    query = select(Payout).where(Payout.org_id == org_id, Payout.booking_id == booking_id)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.scalars(locked)).one_or_none()


async def payout_of_transfer(session: AsyncSession, org_id: UUID, transfer_id: str) -> Payout | None:
    """Return the payout that a transfer made, or None."""
    query = select(Payout).where(Payout.org_id == org_id, Payout.stripe_transfer_id == transfer_id)
    return (await session.scalars(query)).one_or_none()


async def lock_open_debts(
    session: AsyncSession, org_id: UUID, instructor_id: UUID, currency: str
) -> list[PayoutDebt]:
    """Return what an instructor still owes, the oldest first, locked."""
    query = (
        select(PayoutDebt)
        .where(
            PayoutDebt.org_id == org_id,
            PayoutDebt.instructor_id == instructor_id,
            PayoutDebt.currency == currency,
            PayoutDebt.settled_cents < PayoutDebt.amount_cents,
        )
        .order_by(PayoutDebt.created_at, PayoutDebt.id)
    )
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list(await session.scalars(locked))


async def waiting_of_instructor(session: AsyncSession, org_id: UUID, instructor_id: UUID) -> list[Payout]:
    """Return an instructor's payouts that are not made yet because something is in the way."""
    query = payouts(org_id, instructor_id=instructor_id).where(
        Payout.status.in_((PayoutStatus.PENDING.value, PayoutStatus.FAILED.value)),
        Payout.waiting_reason.is_not(None),
    )
    return list(await session.scalars(query.order_by(Payout.id)))


async def dispute_of_booking(session: AsyncSession, org_id: UUID, booking_id: UUID) -> PayoutDispute | None:
    """Return the dispute over a booking's payment, None without one; the booking's lock guards it."""
    query = select(PayoutDispute).where(
        PayoutDispute.org_id == org_id, PayoutDispute.booking_id == booking_id
    )
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def disputes_of_bookings(
    session: AsyncSession, org_id: UUID, booking_ids: Collection[UUID]
) -> dict[UUID, PayoutDispute]:
    """Return the disputes over bookings' payments, by booking."""
    query = select(PayoutDispute).where(
        PayoutDispute.org_id == org_id, PayoutDispute.booking_id.in_(booking_ids)
    )
    return {row.booking_id: row for row in await session.scalars(query)}


async def payouts_of_bookings(
    session: AsyncSession, org_id: UUID, booking_ids: Collection[UUID]
) -> dict[UUID, Payout]:
    """Return the payouts of bookings, by booking."""
    query = select(Payout).where(Payout.org_id == org_id, Payout.booking_id.in_(booking_ids))
    return {row.booking_id: row for row in await session.scalars(query) if row.booking_id is not None}


async def is_reversed_for(session: AsyncSession, org_id: UUID, payout_id: UUID, refund_id: UUID) -> bool:
    """Return whether a payout has a reversal because of this refund already."""
    query = select(PayoutReversal.id).where(
        PayoutReversal.org_id == org_id,
        PayoutReversal.payout_id == payout_id,
        PayoutReversal.refund_id == refund_id,
    )
    return (await session.scalars(query)).one_or_none() is not None


async def pending_reversals(session: AsyncSession, org_id: UUID, payout_id: UUID) -> int:
    """Return how many reversals of a payout Stripe has not answered."""
    query = select(func.count()).where(
        PayoutReversal.org_id == org_id,
        PayoutReversal.payout_id == payout_id,
        PayoutReversal.status == ReversalStatus.PENDING.value,
    )
    return int(await session.scalar(query) or 0)


async def lines_of(
    session: AsyncSession, org_id: UUID, payout_ids: Collection[UUID]
) -> dict[UUID, list[PayoutLine]]:
    """Return the lines of payouts, in the order in which they were written."""
    query = (
        select(PayoutLine)
        .where(PayoutLine.org_id == org_id, PayoutLine.payout_id.in_(payout_ids))
        .order_by(PayoutLine.id)
    )
    found: dict[UUID, list[PayoutLine]] = {payout_id: [] for payout_id in payout_ids}
    for line in await session.scalars(query):
        found[line.payout_id].append(line)
    return found


async def reversals_of(session: AsyncSession, org_id: UUID, payout_id: UUID) -> list[PayoutReversal]:
    """Return what was taken back from a payout that was made, the oldest first."""
    query = select(PayoutReversal).where(
        PayoutReversal.org_id == org_id, PayoutReversal.payout_id == payout_id
    )
    return list(await session.scalars(query.order_by(PayoutReversal.id)))


async def debts_of(session: AsyncSession, org_id: UUID, payout_id: UUID) -> list[PayoutDebt]:
    """Return what a payout left the instructor owing, the oldest first."""
    query = select(PayoutDebt).where(PayoutDebt.org_id == org_id, PayoutDebt.payout_id == payout_id)
    return list(await session.scalars(query.order_by(PayoutDebt.id)))
