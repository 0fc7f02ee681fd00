"""Reading the audit log."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import AuditLog
from driveflow.core.paging import Page, PageRequest, fetch_page


async def list_changes(
    session: AsyncSession,
    actor: Actor,
    paging: PageRequest,
    *,
    entity_type: str | None = None,
    entity_id: UUID | None = None,
    actor_user_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[AuditLog]:
    """Return changes in the actor's school, newest first, within [since, until)."""
    require(actor, Permission.AUDIT_READ)
    query = select(AuditLog).where(AuditLog.org_id == actor.org_id)
    if entity_type is not None:
        query = query.where(AuditLog.entity_type == entity_type)
    if entity_id is not None:
        query = query.where(AuditLog.entity_id == str(entity_id))
    if actor_user_id is not None:
        query = query.where(AuditLog.actor_user_id == actor_user_id)
    if since is not None:
        query = query.where(AuditLog.created_at >= since)
    if until is not None:
        query = query.where(AuditLog.created_at < until)
    return await fetch_page(session, query, [AuditLog.created_at, AuditLog.id], paging, descending=True)


async def trail_of(session: AsyncSession, org_id: UUID, entity_type: str, entity_id: UUID) -> list[AuditLog]:
    """Return the changes of one row, oldest first; the caller has checked who may see it."""
    rows = await session.scalars(
        select(AuditLog)
        .where(
            AuditLog.org_id == org_id,
            AuditLog.entity_type == entity_type,
            AuditLog.entity_id == str(entity_id),
        )
        .order_by(AuditLog.created_at, AuditLog.id)
    )
    return list(rows)
