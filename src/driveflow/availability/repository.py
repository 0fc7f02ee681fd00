"""The queries of weekly hours and exceptions."""

from datetime import date
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.availability.models import AvailabilityException, InstructorAvailability
from driveflow.availability.slots import WeeklyWindow


async def windows_of(session: AsyncSession, org_id: UUID, instructor_id: UUID) -> list[WeeklyWindow]:
    """Return an instructor's weekly windows in order of weekday and time."""
    table = InstructorAvailability
    rows = await session.execute(
        select(
            table.day_of_week, table.start_minute, table.end_minute, table.effective_from, table.effective_to
        )
        .where(table.org_id == org_id, table.instructor_id == instructor_id)
        .order_by(table.day_of_week, table.start_minute, table.end_minute, table.effective_from.nulls_first())
    )
    return [WeeklyWindow(*row) for row in rows]


async def delete_windows(session: AsyncSession, org_id: UUID, instructor_id: UUID) -> None:
    """Delete all weekly windows of an instructor."""
    await session.execute(
        delete(InstructorAvailability).where(
            InstructorAvailability.org_id == org_id, InstructorAvailability.instructor_id == instructor_id
        )
    )


def exceptions_of(
    org_id: UUID, instructor_id: UUID, *, first_day: date | None = None, last_day: date | None = None
) -> Select[AvailabilityException]:
    """Return the query for an instructor's exceptions on the days first_day..last_day."""
    query = select(AvailabilityException).where(
        AvailabilityException.org_id == org_id, AvailabilityException.instructor_id == instructor_id
    )
    if first_day is not None:
        query = query.where(AvailabilityException.date >= first_day)
    if last_day is not None:
        query = query.where(AvailabilityException.date <= last_day)
    return query


async def find_exception(
    session: AsyncSession, org_id: UUID, instructor_id: UUID, day: date
) -> AvailabilityException | None:
    """Return an instructor's exception of one day, or None."""
    query = exceptions_of(org_id, instructor_id, first_day=day, last_day=day)
    return (await session.scalars(query)).one_or_none()
