"""Audit log: who did what to which row, with before and after of the changed fields (seed step 11).

The service that changes a row calls `record` in the same transaction. The application role may insert and
read this table, never update or delete it.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.actor import Actor
from driveflow.core.db import Base, CreatedMixin, TenantMixin
from driveflow.core.ids import new_id


class Action(StrEnum):
    """Everything that leaves an audit row; the seed's form, e.g. BOOKING_UPDATED."""

    ORG_CREATED = "ORG_CREATED"
    ORG_UPDATED = "ORG_UPDATED"
    MEMBER_ADDED = "MEMBER_ADDED"
    MEMBER_UPDATED = "MEMBER_UPDATED"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    API_KEY_CREATED = "API_KEY_CREATED"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    INSTRUCTOR_CREATED = "INSTRUCTOR_CREATED"
    INSTRUCTOR_UPDATED = "INSTRUCTOR_UPDATED"
    INSTRUCTOR_DELETED = "INSTRUCTOR_DELETED"
    STUDENT_CREATED = "STUDENT_CREATED"
    STUDENT_UPDATED = "STUDENT_UPDATED"
    STUDENT_DELETED = "STUDENT_DELETED"
    GUARDIAN_CREATED = "GUARDIAN_CREATED"
    GUARDIAN_UPDATED = "GUARDIAN_UPDATED"
    GUARDIAN_DELETED = "GUARDIAN_DELETED"
    GUARDIAN_LINKED = "GUARDIAN_LINKED"
    GUARDIAN_LINK_UPDATED = "GUARDIAN_LINK_UPDATED"
    GUARDIAN_UNLINKED = "GUARDIAN_UNLINKED"
    SERVICE_CREATED = "SERVICE_CREATED"
    SERVICE_UPDATED = "SERVICE_UPDATED"
    SERVICE_DELETED = "SERVICE_DELETED"
    RATE_CARD_CREATED = "RATE_CARD_CREATED"
    RATE_CARD_UPDATED = "RATE_CARD_UPDATED"
    RATE_CARD_DELETED = "RATE_CARD_DELETED"
    RATE_CARD_ITEM_SET = "RATE_CARD_ITEM_SET"
    RATE_CARD_ITEM_REMOVED = "RATE_CARD_ITEM_REMOVED"
    AVAILABILITY_REPLACED = "AVAILABILITY_REPLACED"
    EXCEPTION_SET = "EXCEPTION_SET"
    EXCEPTION_REMOVED = "EXCEPTION_REMOVED"
    BOOKING_CREATED = "BOOKING_CREATED"
    BOOKING_UPDATED = "BOOKING_UPDATED"
    BOOKING_CONFIRMED = "BOOKING_CONFIRMED"
    BOOKING_RESCHEDULED = "BOOKING_RESCHEDULED"
    BOOKING_CANCELLED = "BOOKING_CANCELLED"
    BOOKING_EXPIRED = "BOOKING_EXPIRED"
    BOOKING_STARTED = "BOOKING_STARTED"
    BOOKING_COMPLETED = "BOOKING_COMPLETED"
    BOOKING_FEE_WAIVED = "BOOKING_FEE_WAIVED"
    BOOKING_NO_SHOW = "BOOKING_NO_SHOW"
    LESSON_STARTED = "LESSON_STARTED"
    LESSON_COMPLETED = "LESSON_COMPLETED"
    LESSON_UPDATED = "LESSON_UPDATED"
    TRIP_STARTED = "TRIP_STARTED"
    TRIP_STOPPED = "TRIP_STOPPED"
    PAYOUT_CREATED = "PAYOUT_CREATED"
    PAYOUT_UPDATED = "PAYOUT_UPDATED"
    PAYOUT_PAID = "PAYOUT_PAID"
    PAYOUT_REFUSED = "PAYOUT_REFUSED"
    PAYOUT_REVERSED = "PAYOUT_REVERSED"
    OUTBOX_RETRIED = "OUTBOX_RETRIED"
    PAYMENT_STARTED = "PAYMENT_STARTED"
    PAYMENT_SUCCEEDED = "PAYMENT_SUCCEEDED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_CANCELED = "PAYMENT_CANCELED"
    PAYMENT_RECORDED = "PAYMENT_RECORDED"
    REFUND_CREATED = "REFUND_CREATED"
    REFUND_SUCCEEDED = "REFUND_SUCCEEDED"
    REFUND_FAILED = "REFUND_FAILED"
    REFUND_RETRIED = "REFUND_RETRIED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    DISPUTE_CLOSED = "DISPUTE_CLOSED"
    WEBHOOK_REPLAYED = "WEBHOOK_REPLAYED"
    MESSAGE_RESENT = "MESSAGE_RESENT"
    MAIL_UNSUBSCRIBED = "MAIL_UNSUBSCRIBED"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    CREDIT_NOTE_ISSUED = "CREDIT_NOTE_ISSUED"
    CALENDAR_FEED_CREATED = "CALENDAR_FEED_CREATED"
    CALENDAR_FEED_REVOKED = "CALENDAR_FEED_REVOKED"


class AuditLog(Base, TenantMixin, CreatedMixin):
    """One change of one row; append-only."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        Index(None, "org_id", "entity_type", "entity_id"),
        Index(None, "org_id", "created_at"),
        Index(None, "actor_user_id"),
    )

    actor_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    actor: Mapped[str]
    action: Mapped[str]
    entity_type: Mapped[str]
    entity_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    ip: Mapped[str | None]
    request_id: Mapped[str | None]


INSERT_AUDIT = """
INSERT INTO audit_logs (org_id, id, actor_user_id, actor, action, entity_type, entity_id, before, after, ip,
    request_id, created_at)
VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})
"""
"""For the hot jobs: part of their one statement, with the parameters of `audit_values`."""


def audit_values(
    actor: Actor, action: Action, entity_type: str, entity_id: UUID, *, now: datetime, after: str
) -> tuple[Any, ...]:
    """Return the parameters of INSERT_AUDIT for a new row; `after` is JSON."""
    return (
        actor.org_id,
        new_id(),
        actor.user_id,
        actor.label,
        action.value,
        entity_type,
        str(entity_id),
        None,
        after,
        actor.ip,
        actor.request_id,
        now,
    )


def record(
    session: AsyncSession,
    actor: Actor,
    action: Action,
    entity_type: str,
    entity_id: UUID,
    *,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add the audit row of a change to the session's transaction; values become JSON by `plain`."""
    session.add(
        AuditLog(
            org_id=actor.org_id,
            actor_user_id=actor.user_id,
            actor=actor.label,
            action=action.value,
            entity_type=entity_type,
            entity_id=str(entity_id),
            before=plain(before) if before is not None else None,
            after=plain(after) if after is not None else None,
            ip=actor.ip,
            request_id=actor.request_id,
            created_at=now,
        )
    )


def apply_changes(row: Base, changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set the changed fields on a row; return before and after of those that really differ."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in changes.items():
        old = getattr(row, name)
        if old != value:
            before[name], after[name] = old, value
            setattr(row, name, value)
    return before, after


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as JSON can hold them: ids and times as text, decimals as numbers."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    return value
