"""What other packages ask about people: an instructor, a student, and whom a guardian stands for."""

from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, apply_changes, record
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


async def get_instructor_account(
    session: AsyncSession, actor: Actor, instructor_id: UUID, *, lock: bool = False
) -> Instructor:
    """Return an instructor whose payout account the actor may manage; instructors manage their own."""
    scope = scope_of(actor, Permission.PAYOUT_ACCOUNTS_MANAGE)
    if scope is Scope.OWN and not actor.is_instructor(instructor_id):
        raise NotFoundError
    return await get_or_404(session, Instructor, actor.org_id, instructor_id, lock=lock)


async def instructor_with_account(
    session: AsyncSession, actor: Actor, stripe_account_id: str
) -> Instructor | None:
    """Return the instructor who is paid through an account at Stripe, None when nobody is."""
    require(actor, Permission.INSTRUCTORS_READ)
    return await repository.find_by_account(session, actor.org_id, stripe_account_id)


async def set_payout_account(
    session: AsyncSession,
    actor: Actor,
    instructor_id: UUID,
    *,
    stripe_account_id: str,
    kyc_status: str,
    now: datetime,
) -> bool:
    """Note an instructor's account at Stripe and how far it is; return whether anything changed."""
    row = await get_instructor_account(session, actor, instructor_id, lock=True)
    before, after = apply_changes(row, {"stripe_account_id": stripe_account_id, "kyc_status": kyc_status})
    if not after:
        return False
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
    return True


async def get_student(session: AsyncSession, actor: Actor, student_id: UUID) -> Student:
    """Return a student; students and guardians find only their own, others look missing to them."""
    if scope_of(actor, Permission.STUDENTS_READ) is Scope.OWN and not actor.stands_for(student_id):
        raise NotFoundError
    return await get_or_404(session, Student, actor.org_id, student_id)


def sees_terms(actor: Actor, instructor_id: UUID) -> bool:
    """Return whether the actor may see an instructor's licence and pay: staff and that instructor may."""
    return actor.is_staff or actor.is_instructor(instructor_id)
