"""The queries of people: lists, searches, links, and the locks that keep links right."""

import re
from collections.abc import Collection
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from driveflow.core.contacts import like_pattern
from driveflow.people.models import Guardian, Instructor, Student, StudentGuardian

_STUDENTS_OF_GUARDIAN = "SELECT student_id FROM student_guardians WHERE org_id = $1 AND guardian_id = $2"
_PHONE_LIKE = re.compile(r"[+()\-./\s\d]*\d[+()\-./\s\d]*")


async def student_ids_of_guardian(
    connection: asyncpg.Connection, org_id: UUID, guardian_id: UUID
) -> frozenset[UUID]:
    """Return the students that a guardian is linked to."""
    rows = await connection.fetch(_STUDENTS_OF_GUARDIAN, org_id, guardian_id)
    return frozenset(row["student_id"] for row in rows)


def instructors(org_id: UUID, *, active: bool | None) -> Select[Instructor]:
    """Return the query for a school's instructors, for those of one kind when `active` is given."""
    query = select(Instructor).where(Instructor.org_id == org_id)
    return query if active is None else query.where(Instructor.active.is_(active))


async def find_by_account(session: AsyncSession, org_id: UUID, stripe_account_id: str) -> Instructor | None:
    """Return the instructor with an account at Stripe, or None."""
    query = select(Instructor).where(
        Instructor.org_id == org_id, Instructor.stripe_account_id == stripe_account_id
    )
    return (await session.scalars(query)).one_or_none()


def students(
    org_id: UUID, *, search: str | None, only_ids: Collection[UUID] | None = None
) -> Select[Student]:
    """Return the query for a school's students, narrowed by a search and to the given ids."""
    query = select(Student).where(Student.org_id == org_id, _found(Student.search_text, search))
    return query if only_ids is None else query.where(Student.id.in_(only_ids))


def guardians(
    org_id: UUID, *, search: str | None, only_of_students: Collection[UUID] | None = None
) -> Select[Guardian]:
    """Return the query for a school's guardians, narrowed by a search and to those of the given students."""
    query = select(Guardian).where(Guardian.org_id == org_id, _found(Guardian.search_text, search))
    if only_of_students is None:
        return query
    linked = select(StudentGuardian.guardian_id).where(
        StudentGuardian.org_id == org_id, StudentGuardian.student_id.in_(only_of_students)
    )
    return query.where(Guardian.id.in_(linked))


def links_of_student(
    org_id: UUID, student_id: UUID, *, only_guardian_id: UUID | None = None
) -> Select[StudentGuardian]:
    """Return the query for a student's links to guardians, or to one of them."""
    query = select(StudentGuardian).where(
        StudentGuardian.org_id == org_id, StudentGuardian.student_id == student_id
    )
    return query if only_guardian_id is None else query.where(StudentGuardian.guardian_id == only_guardian_id)


async def guardians_by_id(
    session: AsyncSession, org_id: UUID, guardian_ids: Collection[UUID]
) -> dict[UUID, Guardian]:
    """Return guardians of a school by their id."""
    rows = await session.scalars(
        select(Guardian).where(Guardian.org_id == org_id, Guardian.id.in_(guardian_ids))
    )
    return {row.id: row for row in rows}


async def find_link(
    session: AsyncSession, org_id: UUID, student_id: UUID, guardian_id: UUID
) -> StudentGuardian | None:
    """Return the link of a guardian to a student in its latest state, or None."""
    query = links_of_student(org_id, student_id, only_guardian_id=guardian_id)
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def unmake_primary(session: AsyncSession, org_id: UUID, student_id: UUID) -> UUID | None:
    """Leave a student, whose row is locked, without a primary guardian; return who it was."""
    return await session.scalar(
        update(StudentGuardian)
        .where(
            StudentGuardian.org_id == org_id,
            StudentGuardian.student_id == student_id,
            StudentGuardian.is_primary,
        )
        .values(is_primary=False)
        .returning(StudentGuardian.guardian_id)
    )


def _found(text: InstrumentedAttribute[str], search: str | None) -> ColumnElement[bool]:
    """Return the condition that a search text holds every word of the search, or its phone number."""
    if search is None:
        return and_(True)  # noqa: FBT003 - SQLAlchemy's empty conjunction
    words = and_(True, *(text.like(like_pattern(word)) for word in search.split()))  # noqa: FBT003 - as above
    if not _PHONE_LIKE.fullmatch(search):
        return words
    # Numbers are stored as +61400000000, and typed as 0400 000 000.
    digits = re.sub(r"\D", "", search).removeprefix("0")
    return or_(words, text.like(like_pattern(digits)))
