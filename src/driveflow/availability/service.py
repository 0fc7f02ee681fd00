"""When an instructor works: the weekly plan, replaced as a whole, and exceptions of single days.

An instructor changes its own hours, staff those of everybody. Every change locks the instructor's row, as
booking does: so no booking is made on hours that are just being taken away.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.availability import repository
from driveflow.availability.models import AvailabilityException, InstructorAvailability
from driveflow.availability.slots import WeeklyWindow
from driveflow.availability.weekly_hours import checked_plan
from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, apply_changes, plain, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ForbiddenError, InvalidInputError, NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people.models import Instructor


async def get_windows(session: AsyncSession, actor: Actor, instructor_id: UUID) -> list[WeeklyWindow]:
    """Return an instructor's weekly windows in order of weekday and time."""
    require(actor, Permission.AVAILABILITY_READ)
    await get_or_404(session, Instructor, actor.org_id, instructor_id)
    return await repository.windows_of(session, actor.org_id, instructor_id)


async def replace_windows(
    session: AsyncSession,
    actor: Actor,
    instructor_id: UUID,
    windows: Sequence[WeeklyWindow],
    *,
    now: datetime,
) -> list[WeeklyWindow]:
    """Put a new list of weekly windows in the place of the old one; bookings made before stay.

    Raises InvalidInputError naming each wrong window, ForbiddenError for an instructor's colleague.
    """
    await _lock(session, actor, instructor_id)
    after = checked_plan(windows)
    before = await repository.windows_of(session, actor.org_id, instructor_id)
    if before == after:
        return after
    await repository.delete_windows(session, actor.org_id, instructor_id)
    session.add_all(
        InstructorAvailability(
            org_id=actor.org_id,
            instructor_id=instructor_id,
            created_at=now,
            updated_at=now,
            **window._asdict(),
        )
        for window in after
    )
    record(
        session,
        actor,
        Action.AVAILABILITY_REPLACED,
        "Instructor",
        instructor_id,
        now=now,
        before={"windows": [plain(window._asdict()) for window in before]},
        after={"windows": [plain(window._asdict()) for window in after]},
    )
    await session.flush()
    return after


async def list_exceptions(
    session: AsyncSession,
    actor: Actor,
    instructor_id: UUID,
    paging: PageRequest,
    *,
    first_day: date | None = None,
    last_day: date | None = None,
) -> Page[AvailabilityException]:
    """Return an instructor's exceptions by date, of the days first_day..last_day."""
    require(actor, Permission.AVAILABILITY_READ)
    await get_or_404(session, Instructor, actor.org_id, instructor_id)
    query = repository.exceptions_of(actor.org_id, instructor_id, first_day=first_day, last_day=last_day)
    return await fetch_page(session, query, [AvailabilityException.date], paging)


async def set_exception(
    session: AsyncSession,
    actor: Actor,
    instructor_id: UUID,
    day: date,
    *,
    is_available: bool,
    start_minute: int | None,
    end_minute: int | None,
    note: str | None,
    now: datetime,
) -> AvailabilityException:
    """Make one day an exception, or change the exception it is; both minutes None mean the whole day.

    Raises InvalidInputError naming the wrong minute, ForbiddenError for an instructor's colleague.
    """
    await _lock(session, actor, instructor_id)
    _check_minutes(start_minute, end_minute)
    values = {
        "is_available": is_available,
        "start_minute": start_minute,
        "end_minute": end_minute,
        "note": note,
    }
    row = await repository.find_exception(session, actor.org_id, instructor_id, day)
    before: dict[str, Any] | None = None
    if row is None:
        row = AvailabilityException(
            org_id=actor.org_id, instructor_id=instructor_id, date=day, created_at=now, **values
        )
        session.add(row)
        after = values
    else:
        before, after = apply_changes(row, values)
        before["date"] = day
    if after:
        record(
            session,
            actor,
            Action.EXCEPTION_SET,
            "Instructor",
            instructor_id,
            now=now,
            before=before,
            after={"date": day, **after},
        )
        await session.flush()
    return row


async def remove_exception(
    session: AsyncSession, actor: Actor, instructor_id: UUID, day: date, *, now: datetime
) -> None:
    """Let the weekly hours hold on a day again. Raises NotFoundError when the day is no exception."""
    await _lock(session, actor, instructor_id)
    row = await repository.find_exception(session, actor.org_id, instructor_id, day)
    if row is None:
        raise NotFoundError
    record(
        session,
        actor,
        Action.EXCEPTION_REMOVED,
        "Instructor",
        instructor_id,
        now=now,
        before={
            "date": day,
            "is_available": row.is_available,
            "start_minute": row.start_minute,
            "end_minute": row.end_minute,
            "note": row.note,
        },
    )
    await session.delete(row)
    await session.flush()


async def _lock(session: AsyncSession, actor: Actor, instructor_id: UUID) -> None:
    scope = scope_of(actor, Permission.AVAILABILITY_MANAGE)
    await get_or_404(session, Instructor, actor.org_id, instructor_id, lock=True)
    if scope is Scope.OWN and not actor.is_instructor(instructor_id):
        raise ForbiddenError("You may change your own hours only.")


def _check_minutes(start_minute: int | None, end_minute: int | None) -> None:
    if start_minute is None and end_minute is None:
        return
    if start_minute is None:
        raise InvalidInputError.of("start_minute", "Give both minutes, or neither for the whole day.")
    if end_minute is None:
        raise InvalidInputError.of("end_minute", "Give both minutes, or neither for the whole day.")
    if start_minute >= end_minute:
        raise InvalidInputError.of("end_minute", "Must be after start_minute.")
