"""What the worker does about money when a booking changes: handlers in a transaction (`handlers.py`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox_queue import Event
from driveflow.payments import booking_changes


async def refund_after(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Give back what was paid above the fee of a booking that was cancelled, missed or forgiven."""
    await booking_changes.refund_after(
        session, actor, UUID(event.payload["booking_id"]), event.topic, now=now
    )


async def abandon_payment(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Close a payment that nobody finished in time."""
    await booking_changes.abandon(
        session, actor, UUID(event.payload["payment_id"]), event.payload["attempt"], now=now
    )
