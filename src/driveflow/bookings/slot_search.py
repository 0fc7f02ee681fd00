"""Free slots: one statement for any number of instructors, then the RULE of `availability/slots.py`."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import asyncpg

from driveflow.availability import slots
from driveflow.availability.booking_sql import parse_exceptions, parse_windows
from driveflow.availability.slots import SlotRules
from driveflow.bookings import sql
from driveflow.bookings.situation import intervals
from driveflow.core import clock
from driveflow.core.actor import Actor, Permission, Role, require
from driveflow.core.errors import ConflictError, InvalidInputError, NotFoundError

MAX_DAYS = 31
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """What is searched; a date means the whole local day, an instant itself, exclusive as `until`."""

    service_id: UUID
    since: date | datetime
    until: date | datetime
    instructor_id: UUID | None = None
    student_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class FreeSlots:
    """Free starts per instructor, in epoch minutes, instructors by name; each lesson lasts `duration_min`."""

    time_zone: str
    duration_min: int
    starts: list[tuple[str, list[int]]]


async def find_slots(
    connection: asyncpg.Connection, actor: Actor, query: SlotQuery, *, now: datetime
) -> FreeSlots:
    """Return the starts that a booking would accept.

    For a student the lessons the student already has are in the way too. Raises NotFoundError for an unknown
    service, instructor or another's student, ConflictError `service_inactive`, InvalidInputError (`to`).
    """
    require(actor, Permission.SLOTS_READ)
    since, until = _outer_bounds(query.since, query.until)
    rows = await connection.fetch(
        sql.SEARCH,
        actor.org_id,
        query.service_id,
        query.instructor_id,
        since,
        until,
        since.date(),
        until.date(),
        _student_of(actor, query.student_id),
    )
    first = rows[0] if rows else None
    if first is None or first["duration_min"] is None:
        raise NotFoundError
    if not first["service_active"]:
        raise ConflictError("This service is not offered any more.", code="service_inactive")
    if query.instructor_id is not None and first["instructor_id"] is None:
        raise NotFoundError
    zone_name = first["time_zone"]
    start_min, end_min = _bounds(query.since, query.until, zone_name)
    duration_min = first["duration_min"]
    earliest_min, latest_min = slots.booking_range(now, first["min_notice_minutes"], first["horizon_days"])
    rules = SlotRules(
        zone=zone_name,
        duration_min=duration_min,
        step_min=first["slot_step_minutes"],
        buffer_min=first["buffer_minutes"],
        earliest_min=earliest_min,
        latest_min=latest_min,
    )
    student_busy = intervals(first["student_starts"], first["student_ends"])
    first_day, last_day = clock.days_touching(zone_name, start_min, end_min + duration_min)
    starts = []
    for row in rows:
        if row["instructor_id"] is None:
            continue
        hours = slots.open_intervals(
            zone_name, parse_windows(row["windows"]), parse_exceptions(row["exceptions"]), first_day, last_day
        )
        free = slots.free_starts(
            rules, hours, intervals(row["starts"], row["ends"]), start_min, end_min, student_busy=student_busy
        )
        starts.append((row["instructor_id"], free))
    return FreeSlots(zone_name, duration_min, starts)


def _student_of(actor: Actor, student_id: UUID | None) -> UUID | None:
    if actor.role in {Role.STUDENT, Role.GUARDIAN}:
        if student_id is None and len(actor.student_ids) == 1:
            return next(iter(actor.student_ids))
        if student_id is not None and not actor.stands_for(student_id):
            raise NotFoundError
    return student_id


def _outer_bounds(since: date | datetime, until: date | datetime) -> tuple[datetime, datetime]:
    """Return instants that surely enclose the range in any zone, a lesson and a buffer around it."""
    lower = since if isinstance(since, datetime) else datetime.combine(since, time(), UTC)
    upper = until if isinstance(until, datetime) else datetime.combine(until, time(), UTC) + _DAY
    # Where a local day begins is not known yet; beside an instant it may matter by less than a day.
    slack = timedelta() if isinstance(since, datetime) == isinstance(until, datetime) else _DAY
    if upper + slack <= lower:
        raise _wrong_order()
    if upper - lower > MAX_DAYS * _DAY + slack:
        raise InvalidInputError.of("to", f"At most {MAX_DAYS} days can be searched at once.")
    return lower - 2 * _DAY, upper + 2 * _DAY


def _bounds(since: date | datetime, until: date | datetime, zone_name: str) -> tuple[int, int]:
    """Return the range of starts in epoch minutes, now that the school's zone is known."""
    lower = since if isinstance(since, datetime) else clock.day_bounds(zone_name, since)[0]
    upper = until if isinstance(until, datetime) else clock.day_bounds(zone_name, until)[1]
    if upper < lower:
        raise _wrong_order()
    # A start in the minute that an instant cuts counts when it is not before the instant.
    return math.ceil(lower.timestamp() / 60), math.ceil(upper.timestamp() / 60)


def _wrong_order() -> InvalidInputError:
    return InvalidInputError.of("to", "Must lie after `from`.")
