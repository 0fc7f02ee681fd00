"""What the worker does about payouts when bookings and money change: handlers in a transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox_queue import Event
from driveflow.payouts import accruing, disputes, transferring
from driveflow.payouts.earnings import LineKind


async def settle_payout(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Book what was earned when a lesson was given, a fee kept, or the money for one came."""
    await accruing.settle_booking(session, actor, UUID(event.payload["booking_id"]), now=now)


async def settle_waived_fee(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Take back what was earned by a fee that was waived."""
    booking_id = UUID(event.payload["booking_id"])
    await accruing.settle_booking(session, actor, booking_id, cause=LineKind.FEE_WAIVED, now=now)


async def settle_refund(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Take the instructor's part of a refund back: out of the payout, or by reversing it.

    Of one that failed too: the customer is still owed it, and it is tried again.
    """
    await accruing.settle_booking(
        session,
        actor,
        UUID(event.payload["booking_id"]),
        refund_id=UUID(event.payload["refund_id"]),
        now=now,
    )


async def freeze_payout(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Hold the payout of a booking whose payment is disputed."""
    booking_id = UUID(event.payload["booking_id"])
    await disputes.opened(session, actor, booking_id, event.payload["amount_cents"], now=now)


async def end_dispute(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Let the payout go, or take the lost part of it back."""
    await disputes.closed(
        session,
        actor,
        UUID(event.payload["booking_id"]),
        event.payload["amount_cents"],
        won=event.payload["won"],
        now=now,
    )


async def pay_out(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Make a payout whose hold is over."""
    await transferring.pay_out(session, actor, UUID(event.payload["payout_id"]), now=now)
