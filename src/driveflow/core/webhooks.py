"""Inbound webhooks: each event is stored once before it is processed (seed step 10)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.clock import utc_now
from driveflow.core.db import Base
from driveflow.core.ids import new_id


class WebhookEvent(Base):
    """An event as its provider sent it; control plane, because its school is known only after routing."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index(None, "provider", "processed_at"),
        Index(None, "org_id", "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    event_type: Mapped[str]
    event_id: Mapped[str]
    payload: Mapped[dict[str, Any]]
    processed_at: Mapped[datetime | None]
    org_id: Mapped[UUID | None] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    account: Mapped[str | None]
    outcome: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=text("now()"))


async def remember_once(
    session: AsyncSession,
    *,
    provider: str,
    event_id: str,
    event_type: str,
    payload: dict[str, Any],
    org_id: UUID | None,
    account: str | None,
    outcome: str | None,
    now: datetime,
) -> UUID | None:
    """Store an event; return its row's id, or None when it was stored before.

    With an `outcome` nothing more is to be done about it.
    """
    stored = await session.execute(
        insert(WebhookEvent)
        .values(
            id=new_id(),
            provider=provider,
            event_id=event_id,
            event_type=event_type,
            payload=payload,
            org_id=org_id,
            account=account,
            outcome=outcome,
            processed_at=None if outcome is None else now,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(WebhookEvent.id)
    )
    return stored.scalar_one_or_none()
