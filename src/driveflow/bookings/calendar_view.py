"""Lessons as a calendar feed reads them: those of a span of time, with the names of today.

One statement for the rows and one for the names, as in `listing.py`; no permission is asked, a feed has
its own.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from driveflow.bookings import sql
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.people import booking_sql as people

_IDS: Final = ("student_id", "instructor_id", "service_id")


@dataclass(frozen=True, slots=True)
class CalendarLesson:
    """A booking with all that any feed may show; what a feed does show is for `calendars/entries.py`."""

    id: UUID
    version: int
    status: BookingStatus
    start_at: datetime
    end_at: datetime
    time_zone: str
    updated_at: datetime
    student_name: str
    student_phone: str | None
    instructor_name: str
    service_name: str
    pickup_address: str | None
    dropoff_address: str | None
    notes: str | None


async def lessons_between(
    connection: asyncpg.Connection,
    org_id: UUID,
    *,
    since: datetime,
    until: datetime,
    statuses: Collection[BookingStatus],
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    around: datetime,
    limit: int,
) -> list[CalendarLesson]:
    """Return lessons that start within [since, until) by start: the `limit` nearest to `around`."""
    rows = await connection.fetch(
        sql.CALENDAR.format(limit=int(limit)),
        org_id,
        since,
        until,
        [status.value for status in statuses],
        instructor_id,
        student_id,
        around,
    )
    rows.sort(key=lambda row: (row["start_at"], row["id"]))
    ids = [list({row[column] for row in rows}) for column in _IDS]
    [found] = await connection.fetch(sql.NAMES, org_id, *ids)
    names = {key: name for group in found for key, name in msgspec.json.decode(group or "{}").items()}
    phones = {
        record["id"]: record["phone"] for record in await connection.fetch(people.PHONES, org_id, ids[0])
    }
    return [
        CalendarLesson(
            id=row["id"],
            version=row["version"],
            status=BookingStatus(row["status"]),
            start_at=row["start_at"],
            end_at=row["end_at"],
            time_zone=row["time_zone"],
            updated_at=row["updated_at"],
            student_name=names[str(row["student_id"])],
            student_phone=phones[str(row["student_id"])],
            instructor_name=names[str(row["instructor_id"])],
            service_name=names[str(row["service_id"])],
            pickup_address=row["pickup_address"],
            dropoff_address=row["dropoff_address"],
            notes=row["notes"],
        )
        for row in rows
    ]
