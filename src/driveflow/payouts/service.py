"""Reading payouts: what an instructor gets, line by line; instructors see their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, scope_of
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.payouts import repository
from driveflow.payouts.lifecycle import PayoutStatus
from driveflow.payouts.models import Payout, PayoutDebt, PayoutLine, PayoutReversal


@dataclass(frozen=True, slots=True)
class Explained:
    """A payout with the lines that add up to its amount, what was taken back later, and what is owed."""

    payout: Payout
    lines: Sequence[PayoutLine]
    reversals: Sequence[PayoutReversal]
    debts: Sequence[PayoutDebt]


async def list_payouts(
    session: AsyncSession,
    actor: Actor,
    paging: PageRequest,
    *,
    instructor_id: UUID | None = None,
    status: PayoutStatus | None = None,
) -> Page[tuple[Payout, list[PayoutLine]]]:
    """Return payouts that the actor may see, newest first, each with its lines."""
    query = repository.payouts(actor.org_id, instructor_id=instructor_id, status=status)
    if scope_of(actor, Permission.PAYOUTS_READ) is Scope.OWN:
        query = query.where(Payout.instructor_id == actor.instructor_id)
    page = await fetch_page(session, query, [Payout.created_at, Payout.id], paging, descending=True)
    lines = await repository.lines_of(session, actor.org_id, [payout.id for payout in page.items])
    return Page([(payout, lines[payout.id]) for payout in page.items], page.next_cursor)


async def get_payout(session: AsyncSession, actor: Actor, payout_id: UUID) -> Explained:
    """Return a payout with all that explains it; another instructor's looks missing."""
    scope = scope_of(actor, Permission.PAYOUTS_READ)
    payout = await get_or_404(session, Payout, actor.org_id, payout_id)
    if scope is Scope.OWN and not actor.is_instructor(payout.instructor_id):
        raise NotFoundError
    lines = await repository.lines_of(session, actor.org_id, [payout.id])
    return Explained(
        payout,
        lines[payout.id],
        await repository.reversals_of(session, actor.org_id, payout.id),
        await repository.debts_of(session, actor.org_id, payout.id),
    )
