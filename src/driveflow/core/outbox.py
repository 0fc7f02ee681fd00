"""Outbox: events that leave in the same transaction as the change that caused them (seed step 10).

`emit` writes the row; `driveflow worker` drains it (`entrypoints/worker/loop.py`). A row with a future
`available_at` is a timer: hold expiry, auto-close, reminders. `dedupe_key` makes an event unique in its
school.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin
from driveflow.core.ids import new_id

MAX_ATTEMPTS = 10
_FIRST_BACKOFF_S = 2
_LONGEST_BACKOFF_S = 3600


class Topic(StrEnum):
    """Everything that can happen; handlers subscribe by topic."""

    BOOKING_CREATED = "booking.created"
    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_RESCHEDULED = "booking.rescheduled"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_COMPLETED = "booking.completed"
    BOOKING_FEE_WAIVED = "booking.fee_waived"
    BOOKING_NO_SHOW = "booking.no_show"
    BOOKING_HOLD_DUE = "booking.hold_due"
    LESSON_STARTED = "lesson.started"
    LESSON_COMPLETED = "lesson.completed"
    LESSON_AUTO_CLOSE_DUE = "lesson.auto_close_due"
    TRIP_STOPPED = "trip.stopped"
    MEMBER_INVITED = "member.invited"
    BOOKING_REMINDER_DUE = "booking.reminder_due"
    PAYMENT_ABANDON_DUE = "payment.abandon_due"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_CLOSED = "dispute.closed"
    PAYOUT_DUE = "payout.due"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_REVERSED = "payout.reversed"
    STRIPE_REQUEST_DUE = "stripe.request_due"
    STRIPE_EVENT_DUE = "stripe.event_due"
    MESSAGE_SEND = "message.send"
    MESSAGE_WRITE_DUE = "message.write_due"


OUTSIDE_TOPICS = frozenset({Topic.STRIPE_REQUEST_DUE, Topic.STRIPE_EVENT_DUE, Topic.MESSAGE_SEND})
"""Topics whose handling calls the outside world, and so outside of transactions (`core/outside.py`)."""


class Outbox(Base, TenantMixin, CreatedMixin):
    """One event of a school, pending until `processed_at` or `dead_at` is set."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("org_id", "dedupe_key"),
        Index(None, "org_id", "topic", "processed_at"),
        Index(
            "outbox_due_idx",
            "available_at",
            "org_id",
            postgresql_where=text("processed_at IS NULL AND dead_at IS NULL"),
        ),
    )

    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str | None]
    processed_at: Mapped[datetime | None]
    available_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    dead_at: Mapped[datetime | None]
    dedupe_key: Mapped[str | None]


async def emit(
    session: AsyncSession,
    org_id: UUID,
    topic: Topic,
    payload: dict[str, Any],
    *,
    now: datetime,
    available_at: datetime | None = None,
    dedupe_key: str | None = None,
) -> None:
    """Write an event in the session's transaction; a second one with the same `dedupe_key` is dropped."""
    await session.execute(
        insert(Outbox)
        .values(
            org_id=org_id,
            id=new_id(),
            topic=topic.value,
            payload=payload,
            available_at=available_at or now,
            dedupe_key=dedupe_key,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


INSERT_EVENTS = """
INSERT INTO outbox (org_id, id, topic, payload, available_at, dedupe_key, created_at)
SELECT {}, id, topic, payload, available_at, dedupe_key, {}
FROM unnest({}::uuid[], {}::text[], {}::jsonb[], {}::timestamptz[], {}::text[])
    AS event (id, topic, payload, available_at, dedupe_key)
ON CONFLICT DO NOTHING
"""
"""For the hot jobs: part of their one statement, with the parameters of `event_values`."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be written by INSERT_EVENTS; `payload` is JSON."""

    topic: Topic
    payload: str
    available_at: datetime
    dedupe_key: str | None = None


def event_values(org_id: UUID, events: list[NewEvent], *, now: datetime) -> tuple[Any, ...]:
    """Return the parameters of INSERT_EVENTS."""
    return (
        org_id,
        now,
        [new_id() for _ in events],
        [event.topic.value for event in events],
        [event.payload for event in events],
        [event.available_at for event in events],
        [event.dedupe_key for event in events],
    )


def backoff(attempts: int, jitter: float) -> timedelta:
    """Return the wait before the next try: 2 s doubled per attempt, up to 1 h, times 0.5 + jitter (0..1)."""
    seconds = min(_FIRST_BACKOFF_S * 2 ** max(attempts - 1, 0), _LONGEST_BACKOFF_S)
    return timedelta(seconds=seconds * (0.5 + jitter))
