"""Guardians: find, add, change, remove. A student sees the student's own guardians, a guardian only itself.

(Guardians of one student may be strangers to each other, or worse: their addresses are not for the other.)
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Role, Scope, require, scope_of
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people import repository
from driveflow.people.models import Guardian
from driveflow.people.person import add_person, change_person


async def list_guardians(
    session: AsyncSession, actor: Actor, paging: PageRequest, *, search: str | None = None
) -> Page[Guardian]:
    """Return guardians by name, those who match a search and whom the actor may see."""
    query = _visible_to(actor, search)
    return await fetch_page(session, query, [Guardian.full_name, Guardian.id], paging)


async def get_guardian(session: AsyncSession, actor: Actor, guardian_id: UUID) -> Guardian:
    """Return a guardian whom the actor may see; others look missing."""
    query = _visible_to(actor).where(Guardian.id == guardian_id)
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise NotFoundError
    return row


async def create_guardian(
    session: AsyncSession, actor: Actor, values: dict[str, Any], *, now: datetime
) -> Guardian:
    """Add a guardian who is not yet linked to a student. Raises InvalidInputError naming the wrong field."""
    require(actor, Permission.GUARDIANS_MANAGE)
    return await add_person(session, actor, Guardian, values, Action.GUARDIAN_CREATED, now=now)


async def update_guardian(
    session: AsyncSession,
    actor: Actor,
    guardian_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Guardian:
    """Change fields of a guardian.

    Raises ConflictError `stale_version`, InvalidInputError naming the wrong field.
    """
    require(actor, Permission.GUARDIANS_MANAGE)
    return await change_person(
        session, actor, Guardian, guardian_id, changes, Action.GUARDIAN_UPDATED, version=version, now=now
    )


async def delete_guardian(session: AsyncSession, actor: Actor, guardian_id: UUID, *, now: datetime) -> None:
    """Remove a guardian with links to students and keys."""
    require(actor, Permission.GUARDIANS_MANAGE)
    row = await get_or_404(session, Guardian, actor.org_id, guardian_id, lock=True)
    record(
        session,
        actor,
        Action.GUARDIAN_DELETED,
        "Guardian",
        row.id,
        now=now,
        before={"full_name": row.full_name, "email": row.email, "phone": row.phone},
    )
    await session.delete(row)
    await session.flush()


def _visible_to(actor: Actor, search: str | None = None) -> Select[Guardian]:
    own = scope_of(actor, Permission.GUARDIANS_READ) is Scope.OWN
    if own and actor.role is Role.GUARDIAN:
        return repository.guardians(actor.org_id, search=search).where(Guardian.id == actor.guardian_id)
    return repository.guardians(
        actor.org_id, search=search, only_of_students=actor.student_ids if own else None
    )
