"""Make, list and revoke calendar feeds.

Staff handle every feed of their school. Instructors, students and guardians handle their own: a
guardian's is of one of their students.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.calendars import tokens
from driveflow.calendars.entries import Reader
from driveflow.calendars.models import CalendarFeed
from driveflow.core.actor import Actor, Permission, Role, Scope, scope_of
from driveflow.core.audit import Action, record
from driveflow.core.errors import ConflictError, InvalidInputError, NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people.service import get_instructor, get_student

MAX_FEEDS: Final = 20
"""Feeds of one reader at a time: more are forgotten ones."""
_HINT_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class NewFeed:
    """A feed just made; `token` is shown once and stored nowhere."""

    row: CalendarFeed
    token: str


async def create_feed(
    session: AsyncSession,
    actor: Actor,
    *,
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    now: datetime,
) -> NewFeed:
    """Make a feed of an instructor or a student, or, when neither is named, the actor's own.

    One's own is the whole school's for staff, and for a guardian that of the only student. Raises
    InvalidInputError for two persons and for a guardian of several students who names none, NotFoundError
    for a person who is unknown or not one's own, ConflictError `too_many_feeds`.
    """
    scope = scope_of(actor, Permission.BOOKINGS_READ)
    if instructor_id is not None and student_id is not None:
        raise InvalidInputError.of("student_id", "Name an instructor or a student, not both.")
    if scope is Scope.OWN and instructor_id is None and student_id is None:
        instructor_id, student_id = _self(actor)
    if instructor_id is not None:
        if scope is Scope.OWN and not actor.is_instructor(instructor_id):
            raise NotFoundError
        await get_instructor(session, actor, instructor_id)
    if student_id is not None:
        if scope is Scope.OWN and not actor.stands_for(student_id):
            raise NotFoundError
        await get_student(session, actor, student_id)
    token = tokens.new_token(actor.org_id)
    reader = _reader(actor, instructor_id, student_id)
    row = CalendarFeed(
        org_id=actor.org_id,
        reader=reader.value,
        instructor_id=instructor_id,
        student_id=student_id,
        guardian_id=actor.guardian_id if reader is Reader.GUARDIAN else None,
        user_id=actor.user_id if reader is Reader.SCHOOL else None,
        token_hash=tokens.hash_of(token),
        hint=token[-_HINT_LENGTH:],
        created_at=now,
    )
    await _refuse_too_many(session, row)
    session.add(row)
    await session.flush()
    record(
        session,
        actor,
        Action.CALENDAR_FEED_CREATED,
        "CalendarFeed",
        row.id,
        now=now,
        after={"reader": row.reader, "instructor_id": instructor_id, "student_id": student_id},
    )
    await session.flush()
    return NewFeed(row, token)


async def list_feeds(session: AsyncSession, actor: Actor, paging: PageRequest) -> Page[CalendarFeed]:
    """Return the feeds that the actor may handle and that are not revoked, oldest first."""
    query = select(CalendarFeed).where(*_visible_to(actor), CalendarFeed.revoked_at.is_(None))
    return await fetch_page(session, query, [CalendarFeed.created_at, CalendarFeed.id], paging)


async def revoke_feed(session: AsyncSession, actor: Actor, feed_id: UUID, *, now: datetime) -> None:
    """Revoke a feed for good; again is a no-op. Raises NotFoundError, also for another person's feed."""
    query = select(CalendarFeed).where(*_visible_to(actor), CalendarFeed.id == feed_id)
    row = (await session.scalars(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise NotFoundError
    if row.revoked_at is None:
        row.revoked_at = now
        record(
            session,
            actor,
            Action.CALENDAR_FEED_REVOKED,
            "CalendarFeed",
            row.id,
            now=now,
            before={"reader": row.reader, "hint": row.hint},
        )
        await session.flush()


def _visible_to(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    own_school = CalendarFeed.org_id == actor.org_id
    if scope_of(actor, Permission.BOOKINGS_READ) is Scope.SCHOOL:
        return (own_school,)
    if actor.role is Role.INSTRUCTOR:
        return own_school, CalendarFeed.instructor_id == actor.instructor_id
    # What a parent made is not the child's to see, nor one parent's the other's.
    return (
        own_school,
        CalendarFeed.student_id.in_(actor.student_ids),
        or_(CalendarFeed.guardian_id.is_(None), CalendarFeed.guardian_id == actor.guardian_id),
    )


def _self(actor: Actor) -> tuple[UUID | None, UUID | None]:
    if actor.role is Role.INSTRUCTOR:
        return actor.instructor_id, None
    if len(actor.student_ids) != 1:
        raise InvalidInputError.of("student_id", "Say which of your students the feed is of.")
    return None, next(iter(actor.student_ids))


def _reader(actor: Actor, instructor_id: UUID | None, student_id: UUID | None) -> Reader:
    if instructor_id is not None:
        return Reader.INSTRUCTOR
    if student_id is None:
        return Reader.SCHOOL
    return Reader.GUARDIAN if actor.role is Role.GUARDIAN else Reader.STUDENT


async def _refuse_too_many(session: AsyncSession, feed: CalendarFeed) -> None:
    number = await session.scalar(
        select(func.count())
        .select_from(CalendarFeed)
        .where(
            CalendarFeed.org_id == feed.org_id,
            CalendarFeed.reader == feed.reader,
            CalendarFeed.instructor_id.is_not_distinct_from(feed.instructor_id),
            CalendarFeed.student_id.is_not_distinct_from(feed.student_id),
            CalendarFeed.guardian_id.is_not_distinct_from(feed.guardian_id),
            CalendarFeed.revoked_at.is_(None),
        )
    )
    if number is not None and number >= MAX_FEEDS:
        raise ConflictError(
            f"There are {MAX_FEEDS} feeds of this kind already; revoke those that nobody reads.",
            code="too_many_feeds",
        )
