"""What a dispute over a booking's payment does to its payout: freeze, thaw, claw back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import service as bookings
from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.ids import new_id
from driveflow.payments import ledger
from driveflow.payments.ledger import Account
from driveflow.payments.received import received_for
from driveflow.payouts import books, repository
from driveflow.payouts.accruing import announce_due, settle_booking
from driveflow.payouts.earnings import LineKind
from driveflow.payouts.lifecycle import Cause, PayoutStatus
from driveflow.payouts.models import DisputeStatus, Payout, PayoutDispute


async def opened(
    session: AsyncSession, actor: Actor, booking_id: UUID, amount_cents: int, *, now: datetime
) -> None:
    """Freeze the payout of a booking whose payment is disputed, and any that accrues meanwhile."""
    await bookings.load_visible(session, actor, booking_id, lock=True)
    # A dispute that is known is not opened again, however late the news of its opening comes.
    if await repository.dispute_of_booking(session, actor.org_id, booking_id) is not None:
        return
    session.add(_dispute(actor, booking_id, amount_cents, DisputeStatus.OPEN, now=now))
    await session.flush()
    payout = await repository.lock_payout_of_booking(session, actor.org_id, booking_id)
    if payout is not None and payout.status == PayoutStatus.PENDING:
        books.move(payout, Cause.DISPUTED, now=now)
        _audit(session, actor, payout, "A dispute was opened.", now=now)
    await session.flush()


async def closed(
    session: AsyncSession, actor: Actor, booking_id: UUID, amount_cents: int, *, won: bool, now: datetime
) -> None:
    """Let the payout go when the school won; take the lost part back when it did not."""
    await bookings.load_visible(session, actor, booking_id, lock=True)
    status = DisputeStatus.WON if won else DisputeStatus.LOST
    dispute = await repository.dispute_of_booking(session, actor.org_id, booking_id)
    if dispute is None:
        dispute = _dispute(actor, booking_id, amount_cents, status, now=now)
        session.add(dispute)
    elif dispute.status == DisputeStatus.OPEN:
        dispute.status = status.value
        dispute.amount_cents = amount_cents
        dispute.updated_at = now
    await session.flush()
    if dispute.status == DisputeStatus.LOST:
        await _post_lost(session, dispute, now=now)
    payout = await settle_booking(session, actor, booking_id, cause=LineKind.DISPUTE, now=now)
    if payout is not None and payout.status == PayoutStatus.FROZEN:
        books.move(payout, Cause.RELEASED, now=now)
        _audit(session, actor, payout, f"The dispute was {status}.", now=now)
        await announce_due(session, payout, now=now)
    await session.flush()


async def _post_lost(session: AsyncSession, dispute: PayoutDispute, *, now: datetime) -> None:
    """Write that the customer has what the bank took: nobody is owed it any more."""
    money = await received_for(session, dispute.org_id, dispute.booking_id)
    if money is None:
        raise LookupError(f"a dispute without a payment: booking {dispute.booking_id}")
    await ledger.post(
        session,
        dispute.org_id,
        debit=Account.CUSTOMERS,
        credit=Account.DISPUTES,
        amount_cents=dispute.amount_cents,
        currency=money.currency,
        booking_id=dispute.booking_id,
        entity_type="PayoutDispute",
        entity_id=dispute.id,
        memo="Dispute lost",
        dedupe_key=f"dispute-lost:{dispute.id}",
        now=now,
    )


def _dispute(
    actor: Actor, booking_id: UUID, amount_cents: int, status: DisputeStatus, *, now: datetime
) -> PayoutDispute:
    return PayoutDispute(
        org_id=actor.org_id,
        id=new_id(),
        booking_id=booking_id,
        amount_cents=amount_cents,
        status=status.value,
        created_at=now,
        updated_at=now,
    )


def _audit(session: AsyncSession, actor: Actor, payout: Payout, reason: str, *, now: datetime) -> None:
    after = {"status": payout.status, "reason": reason}
    record(session, actor, Action.PAYOUT_UPDATED, "Payout", payout.id, now=now, after=after)
