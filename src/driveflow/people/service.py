"""What other packages ask about people: an instructor, a student, and whom a guardian stands for."""

from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.people import repository
from driveflow.people.models import Instructor, Student, StudentGuardian


async def student_ids_of_guardian(
    connection: asyncpg.Connection, org_id: UUID, guardian_id: UUID
) -> frozenset[UUID]:
    """Return the students whom a guardian stands for; no permission is asked (it makes the actor)."""
    return await repository.student_ids_of_guardian(connection, org_id, guardian_id)


async def guardian_link(
    session: AsyncSession, org_id: UUID, guardian_id: UUID, student_id: UUID
) -> StudentGuardian | None:
    """Return what a guardian may do for a student (`can_book`, `can_pay`), None for a stranger."""
    return await repository.find_link(session, org_id, student_id, guardian_id)


async def get_instructor(session: AsyncSession, actor: Actor, instructor_id: UUID) -> Instructor:
    """Return an instructor of the actor's school."""
    require(actor, Permission.INSTRUCTORS_READ)
    return await get_or_404(session, Instructor, actor.org_id, instructor_id)


async def get_student(session: AsyncSession, actor: Actor, student_id: UUID) -> Student:
    """Return a student; students and guardians find only their own, others look missing to them."""
    if scope_of(actor, Permission.STUDENTS_READ) is Scope.OWN and not actor.stands_for(student_id):
        raise NotFoundError
    return await get_or_404(session, Student, actor.org_id, student_id)


def sees_terms(actor: Actor, instructor_id: UUID) -> bool:
    """Return whether the actor may see an instructor's licence and pay: staff and that instructor may."""
    return actor.is_staff or actor.is_instructor(instructor_id)
