"""What the worker does about papers: an invoice for each payment, a credit note for each refund."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox_queue import Event
from driveflow.invoices import issuing


async def issue_invoice(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Issue the invoice of a payment that succeeded."""
    await issuing.issue_invoice(session, actor, UUID(event.payload["payment_id"]), now=now)


async def issue_credit_note(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Issue the credit note of a refund that succeeded."""
    await issuing.issue_credit_note(session, actor, UUID(event.payload["refund_id"]), now=now)
