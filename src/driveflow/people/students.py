"""Students: find, add, change, remove."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, record
from driveflow.core.db import constraint_as, get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people import repository
from driveflow.people.models import Student
from driveflow.people.person import add_person, change_person


async def list_students(
    session: AsyncSession, actor: Actor, paging: PageRequest, *, search: str | None = None
) -> Page[Student]:
    """Return students by name, those who match a search; students and guardians get only their own."""
    own = scope_of(actor, Permission.STUDENTS_READ) is Scope.OWN
    query = repository.students(actor.org_id, search=search, only_ids=actor.student_ids if own else None)
    return await fetch_page(session, query, [Student.full_name, Student.id], paging)


async def create_student(
    session: AsyncSession, actor: Actor, values: dict[str, Any], *, now: datetime
) -> Student:
    """Add a student with the given fields. Raises InvalidInputError naming the wrong field."""
    require(actor, Permission.STUDENTS_MANAGE)
    return await add_person(session, actor, Student, values, Action.STUDENT_CREATED, now=now)


async def update_student(
    session: AsyncSession,
    actor: Actor,
    student_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Student:
    """Change fields of a student.

    Raises ConflictError `stale_version`, InvalidInputError naming the wrong field.
    """
    require(actor, Permission.STUDENTS_MANAGE)
    return await change_person(
        session, actor, Student, student_id, changes, Action.STUDENT_UPDATED, version=version, now=now
    )


async def delete_student(session: AsyncSession, actor: Actor, student_id: UUID, *, now: datetime) -> None:
    """Remove a student who never had a booking, with links to guardians and keys.

    Raises ConflictError `in_use` when bookings refer to the student: those are kept.
    """
    require(actor, Permission.STUDENTS_MANAGE)
    row = await get_or_404(session, Student, actor.org_id, student_id, lock=True)
    record(
        session,
        actor,
        Action.STUDENT_DELETED,
        "Student",
        row.id,
        now=now,
        before={"full_name": row.full_name, "email": row.email, "phone": row.phone, "dob": row.dob},
    )
    await session.delete(row)
    in_use = ConflictError("Bookings refer to this student, who must stay for their sake.", code="in_use")
    with (
        constraint_as("bookings_org_id_student_id_fkey", in_use),
        constraint_as("lessons_org_id_student_id_fkey", in_use),
    ):
        await session.flush()
