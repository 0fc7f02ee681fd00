"""Sums over payouts, debts and reversals, for `driveflow reconcile`."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.payouts.lifecycle import OPEN, PayoutStatus
from driveflow.payouts.models import Payout, PayoutDebt, PayoutLine, PayoutReversal, ReversalStatus


@dataclass(frozen=True, slots=True)
class PayoutSums:
    """A payout's figures and the sums that they must equal."""

    payout_id: UUID
    amount_cents: int
    lines_cents: int
    reversed_cents: int
    reversals_cents: int


@dataclass(frozen=True, slots=True)
class DebtSums:
    """What of a debt counts as settled, and what lines of payouts took for it."""

    debt_id: UUID
    settled_cents: int
    taken_cents: int


@dataclass(frozen=True, slots=True)
class OpenSums:
    """What instructors are still to get and to give, in one currency."""

    waiting_cents: int
    in_transit_cents: int
    debts_cents: int
    reversing_cents: int


async def payout_sums(session: AsyncSession, org_id: UUID) -> list[PayoutSums]:
    """Return the figures of every payout."""
    lines = (
        select(PayoutLine.payout_id, func.sum(PayoutLine.amount_cents).label("cents"))
        .where(PayoutLine.org_id == org_id)
        .group_by(PayoutLine.payout_id)
        .subquery()
    )
    reversals = (
        select(PayoutReversal.payout_id, func.sum(PayoutReversal.amount_cents).label("cents"))
        .where(PayoutReversal.org_id == org_id, PayoutReversal.status != ReversalStatus.REFUSED.value)
        .group_by(PayoutReversal.payout_id)
        .subquery()
    )
    query = (
        select(
            Payout.id,
            Payout.amount_cents,
            func.coalesce(lines.c.cents, 0),
            Payout.reversed_cents,
            func.coalesce(reversals.c.cents, 0),
        )
        .outerjoin(lines, lines.c.payout_id == Payout.id)
        .outerjoin(reversals, reversals.c.payout_id == Payout.id)
        .where(Payout.org_id == org_id)
        .order_by(Payout.id)
    )
    return [
        PayoutSums(payout_id, amount, int(line_sum), reversed_cents, int(reversal_sum))
        for payout_id, amount, line_sum, reversed_cents, reversal_sum in await session.execute(query)
    ]


async def debt_sums(session: AsyncSession, org_id: UUID) -> list[DebtSums]:
    """Return the figures of every debt."""
    query = (
        select(PayoutDebt.id, PayoutDebt.settled_cents, func.coalesce(-func.sum(PayoutLine.amount_cents), 0))
        .outerjoin(
            PayoutLine, (PayoutLine.org_id == PayoutDebt.org_id) & (PayoutLine.debt_id == PayoutDebt.id)
        )
        .where(PayoutDebt.org_id == org_id)
        .group_by(PayoutDebt.org_id, PayoutDebt.id)
        .order_by(PayoutDebt.id)
    )
    return [
        DebtSums(debt_id, settled, int(taken)) for debt_id, settled, taken in await session.execute(query)
    ]


async def open_sums(session: AsyncSession, org_id: UUID, currency: str) -> OpenSums:
    """Return what is to be paid, under way, owed, and being reversed."""
    amount = func.coalesce(func.sum(Payout.amount_cents), 0)
    waiting = select(amount).where(
        Payout.org_id == org_id,
        Payout.currency == currency,
        Payout.status.in_([status.value for status in OPEN]),
    )
    in_transit = select(amount).where(
        Payout.org_id == org_id,
        Payout.currency == currency,
        Payout.status == PayoutStatus.IN_TRANSIT.value,
    )
    debts = select(func.coalesce(func.sum(PayoutDebt.amount_cents - PayoutDebt.settled_cents), 0)).where(
        PayoutDebt.org_id == org_id, PayoutDebt.currency == currency
    )
    reversing = (
        select(func.coalesce(func.sum(PayoutReversal.amount_cents), 0))
        .join(Payout, (Payout.org_id == PayoutReversal.org_id) & (Payout.id == PayoutReversal.payout_id))
        .where(
            PayoutReversal.org_id == org_id,
            PayoutReversal.status == ReversalStatus.PENDING.value,
            Payout.currency == currency,
        )
    )
    sums = [int(await session.scalar(query) or 0) for query in (waiting, in_transit, debts, reversing)]
    return OpenSums(*sums)


async def transfer_ids(session: AsyncSession, org_id: UUID) -> dict[UUID, str]:
    """Return the transfer of each payout that Stripe made."""
    query = select(Payout.id, Payout.stripe_transfer_id).where(
        Payout.org_id == org_id, Payout.stripe_transfer_id.is_not(None)
    )
    return {payout_id: transfer for payout_id, transfer in await session.execute(query) if transfer}


async def reversal_ids(session: AsyncSession, org_id: UUID) -> dict[UUID, str]:
    """Return Stripe's id of each reversal that it made."""
    query = select(PayoutReversal.id, PayoutReversal.stripe_reversal_id).where(
        PayoutReversal.org_id == org_id, PayoutReversal.stripe_reversal_id.is_not(None)
    )
    return {row_id: stripe_id for row_id, stripe_id in await session.execute(query) if stripe_id}
