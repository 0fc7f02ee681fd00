"""Instructors: list, add, change, remove."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import check_version, constraint_as, get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people import repository
from driveflow.people.models import Instructor
from driveflow.people.person import checked_person


async def list_instructors(
    session: AsyncSession, actor: Actor, paging: PageRequest, *, active: bool | None = None
) -> Page[Instructor]:
    """Return instructors by name; only active or only inactive ones when `active` is given."""
    require(actor, Permission.INSTRUCTORS_READ)
    query = repository.instructors(actor.org_id, active=active)
    return await fetch_page(session, query, [Instructor.display_name, Instructor.id], paging)


async def create_instructor(
    session: AsyncSession, actor: Actor, values: dict[str, Any], *, now: datetime
) -> Instructor:
    """Add an instructor with the given fields. Raises InvalidInputError naming the wrong field."""
    require(actor, Permission.INSTRUCTORS_MANAGE)
    checked = await checked_person(session, actor.org_id, values, now=now)
    row = Instructor(org_id=actor.org_id, created_at=now, updated_at=now, **checked)
    session.add(row)
    await session.flush()
    record(session, actor, Action.INSTRUCTOR_CREATED, "Instructor", row.id, now=now, after=checked)
    return row


async def update_instructor(
    session: AsyncSession,
    actor: Actor,
    instructor_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Instructor:
    """Change fields of an instructor.

    Raises ConflictError `stale_version`, InvalidInputError naming the wrong field.
    """
    require(actor, Permission.INSTRUCTORS_MANAGE)
    row = await get_or_404(session, Instructor, actor.org_id, instructor_id, lock=True)
    check_version(row.version, version)
    before, after = apply_changes(row, await checked_person(session, actor.org_id, changes, now=now))
    if after:
        row.version += 1
        row.updated_at = now
        record(
            session,
            actor,
            Action.INSTRUCTOR_UPDATED,
            "Instructor",
            row.id,
            now=now,
            before=before,
            after=after,
        )
        await session.flush()
    return row


async def delete_instructor(
    session: AsyncSession, actor: Actor, instructor_id: UUID, *, now: datetime
) -> None:
    """Remove an instructor who never had a booking, with hours, exceptions and keys.

    Raises ConflictError `in_use` when bookings refer to the instructor: deactivate instead.
    """
    require(actor, Permission.INSTRUCTORS_MANAGE)
    row = await get_or_404(session, Instructor, actor.org_id, instructor_id, lock=True)
    record(
        session,
        actor,
        Action.INSTRUCTOR_DELETED,
        "Instructor",
        row.id,
        now=now,
        before={"display_name": row.display_name, "phone": row.phone, "license_id": row.license_id},
    )
    await session.delete(row)
    in_use = ConflictError("Bookings refer to this instructor; deactivate instead.", code="in_use")
    with (
        constraint_as("bookings_org_id_instructor_id_fkey", in_use),
        constraint_as("lessons_org_id_instructor_id_fkey", in_use),
        constraint_as("payouts_org_id_instructor_id_fkey", in_use),
    ):
        await session.flush()
