"""Lessons: start, read, rate, and what `trips` needs to end them.

Instructors see and run their own lessons, students and guardians see theirs; the others look missing to
them. Lock order: booking, lesson, trips.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import moves
from driveflow.bookings.lifecycle import AUTO_CLOSE_AFTER
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor, Permission, Role, Scope, scope_of
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import check_version, get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.core.outbox import Topic, emit
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.lessons.models import Lesson


async def start_lesson(session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime) -> Lesson:
    """Begin the lesson of a confirmed booking; again is a no-op that returns the same lesson.

    Emits `lesson.started` and sets the timer that closes the lesson if nobody does. Raises as
    `bookings.moves.start`.
    """
    booking, _ = await moves.start(session, actor, booking_id, now=now)
    lesson = await lesson_of_booking(session, actor.org_id, booking_id)
    if lesson is not None:
        return lesson
    lesson = await add_lesson(session, booking, started_at=now, now=now)
    record(
        session,
        actor,
        Action.LESSON_STARTED,
        "Lesson",
        lesson.id,
        now=now,
        after={"booking_id": booking_id, "started_at": now},
    )
    await emit(session, actor.org_id, Topic.LESSON_STARTED, _payload(lesson), now=now)
    await emit(
        session,
        actor.org_id,
        Topic.LESSON_AUTO_CLOSE_DUE,
        {"booking_id": str(booking_id)},
        now=now,
        available_at=booking.end_at + AUTO_CLOSE_AFTER,
        dedupe_key=f"{Topic.LESSON_AUTO_CLOSE_DUE}:{booking_id}",
    )
    return lesson


async def list_lessons(
    session: AsyncSession,
    actor: Actor,
    paging: PageRequest,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    booking_id: UUID | None = None,
) -> Page[Lesson]:
    """Return the lessons that the actor may see and that began within [since, until), newest first."""
    query = select(Lesson).where(Lesson.org_id == actor.org_id)
    if scope_of(actor, Permission.LESSONS_READ) is Scope.OWN:
        if actor.role is Role.INSTRUCTOR:
            query = query.where(Lesson.instructor_id == actor.instructor_id)
        else:
            query = query.where(Lesson.student_id.in_(actor.student_ids))
    if since is not None:
        query = query.where(Lesson.started_at >= since)
    if until is not None:
        query = query.where(Lesson.started_at < until)
    if instructor_id is not None:
        query = query.where(Lesson.instructor_id == instructor_id)
    if student_id is not None:
        query = query.where(Lesson.student_id == student_id)
    if booking_id is not None:
        query = query.where(Lesson.booking_id == booking_id)
    return await fetch_page(session, query, [Lesson.started_at, Lesson.id], paging, descending=True)


async def get_lesson(
    session: AsyncSession,
    actor: Actor,
    lesson_id: UUID,
    *,
    permission: Permission = Permission.LESSONS_READ,
    lock: bool = False,
) -> Lesson:
    """Return a lesson on which the actor has a permission; one that is not its own looks missing."""
    scope = scope_of(actor, permission)
    lesson = await get_or_404(session, Lesson, actor.org_id, lesson_id, lock=lock)
    if scope is Scope.OWN and not (
        actor.is_instructor(lesson.instructor_id) or actor.stands_for(lesson.student_id)
    ):
        raise NotFoundError
    return lesson


async def update_lesson(
    session: AsyncSession,
    actor: Actor,
    lesson_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Lesson:
    """Change `rating` (1 to 5, or None) and `notes`. Raises ConflictError `stale_version`."""
    lesson = await get_lesson(session, actor, lesson_id, permission=Permission.LESSONS_RATE, lock=True)
    check_version(lesson.version, version)
    await change_lesson(session, actor, lesson, changes, Action.LESSON_UPDATED, now=now)
    return lesson


async def lesson_of_booking(
    session: AsyncSession, org_id: UUID, booking_id: UUID, *, lock: bool = False
) -> Lesson | None:
    """Return the lesson of a booking, None before it has begun; no permission is asked."""
    query = select(Lesson).where(Lesson.org_id == org_id, Lesson.booking_id == booking_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def add_lesson(
    session: AsyncSession, booking: Booking, *, started_at: datetime, now: datetime
) -> Lesson:
    """Add the lesson of a booking; the caller holds the booking's lock and audits."""
    lesson = Lesson(
        org_id=booking.org_id,
        booking_id=booking.id,
        instructor_id=booking.instructor_id,
        student_id=booking.student_id,
        started_at=started_at,
        created_at=now,
        updated_at=now,
    )
    session.add(lesson)
    await session.flush()
    return lesson


async def change_lesson(
    session: AsyncSession,
    actor: Actor,
    lesson: Lesson,
    changes: dict[str, Any],
    action: Action,
    *,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Set fields of a locked lesson and audit those that differ, with the reason if there is one."""
    before, after = apply_changes(lesson, changes)
    if not after:
        return
    lesson.version += 1
    lesson.updated_at = now
    if reason:
        after["reason"] = reason
    record(session, actor, action, "Lesson", lesson.id, now=now, before=before, after=after)
    await session.flush()


async def announce_completed(session: AsyncSession, lesson: Lesson, *, now: datetime) -> None:
    """Emit `lesson.completed`."""
    await emit(session, lesson.org_id, Topic.LESSON_COMPLETED, _payload(lesson), now=now)


def _payload(lesson: Lesson) -> dict[str, Any]:
    return {"lesson_id": str(lesson.id), "booking_id": str(lesson.booking_id)}
