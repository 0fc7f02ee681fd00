"""Read a calendar feed by its token: which lessons, their mark for `If-None-Match`, and the file.

A feed is asked for again and again, mostly in vain. So its ETag is made of what the file would be made
of, and the file itself, which takes longer, only when it has changed. Equal lessons give equal bytes: a
lesson's stamp is the time of its last change, not of the request.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from icalendar import Event
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.calendar_view import CalendarLesson, lessons_between
from driveflow.calendars import tokens
from driveflow.calendars.entries import PAST, SHOWN, Entry, LessonFacts, Reader, SchoolFacts, entry_of
from driveflow.calendars.models import CalendarFeed
from driveflow.core.actor import Role
from driveflow.core.clock import day_bounds, local_date, zone
from driveflow.core.db import Database, driver_connection
from driveflow.core.errors import NotFoundError
from driveflow.core.ical import booking_event, calendar
from driveflow.orgs.members import memberships_of
from driveflow.orgs.models import Org
from driveflow.orgs.service import settings_of
from driveflow.people.service import guardian_link

MAX_LESSONS: Final = 2_000
"""Of more, a feed holds those nearest to today: some calendars refuse files of more than a megabyte."""
_FORMAT: Final = 1
"""To be raised when the same lessons are to be written in another way."""
_STAFF: Final = frozenset({Role.OWNER.value, Role.ADMIN.value})


@dataclass(frozen=True, slots=True)
class ShownLesson:
    """A lesson as its reader's feed has it."""

    id: UUID
    version: int
    start_at: datetime
    end_at: datetime
    time_zone: str
    updated_at: datetime
    entry: Entry


@dataclass(frozen=True, slots=True)
class FeedContent:
    """What a feed holds now; `etag` without quotes, `changed_at` the newest change of a lesson."""

    name: str
    etag: str
    changed_at: datetime
    lessons: tuple[ShownLesson, ...]

    def file(self) -> bytes:
        """Return the calendar file (RFC 5545); takes time for many lessons, so call it in a thread."""
        return calendar(map(_event, self.lessons), name=self.name)


async def read_feed(database: Database, token: str, *, now: datetime) -> FeedContent:
    """Return what the feed of a token holds.

    Raises NotFoundError for a token that no feed has, one that was revoked, and one whose reader has no
    standing any more: a guardian who was unlinked, a member who left.
    """
    org_id = tokens.org_of_token(token)
    if org_id is None:
        raise NotFoundError
    async with database.session(org_id) as session:
        feed = await _find(session, org_id, token)
        org = await settings_of(session, org_id)
        lessons = await _lessons(session, org, feed, now=now)
    reader, school = Reader(feed.reader), SchoolFacts(org.name, org.phone)
    shown = tuple(_shown(lesson, reader, school) for lesson in lessons)
    return FeedContent(
        name=org.name,
        etag=hashlib.sha256(repr((_FORMAT, org.name, shown)).encode()).hexdigest()[:32],
        changed_at=max([feed.created_at, *(lesson.updated_at for lesson in shown)]),
        lessons=shown,
    )


async def _find(session: AsyncSession, org_id: UUID, token: str) -> CalendarFeed:
    query = select(CalendarFeed).where(
        CalendarFeed.org_id == org_id,
        CalendarFeed.token_hash == tokens.hash_of(token),
        CalendarFeed.revoked_at.is_(None),
    )
    feed = (await session.scalars(query)).one_or_none()
    if feed is None or not await _has_standing(session, feed):
        raise NotFoundError
    return feed


async def _has_standing(session: AsyncSession, feed: CalendarFeed) -> bool:
    if feed.guardian_id is not None and feed.student_id is not None:
        return await guardian_link(session, feed.org_id, feed.guardian_id, feed.student_id) is not None
    if feed.user_id is not None:
        roles = await memberships_of(session, feed.user_id)
        return any(org.id == feed.org_id and role in _STAFF for org, role in roles)
    return True


async def _lessons(
    session: AsyncSession, org: Org, feed: CalendarFeed, *, now: datetime
) -> list[CalendarLesson]:
    """Return the lessons in the feed's span, which moves at the school's midnight only."""
    today = local_date(now, org.time_zone)
    since, _ = day_bounds(org.time_zone, today - PAST)
    midnight, _ = day_bounds(org.time_zone, today)
    _, until = day_bounds(org.time_zone, today + timedelta(days=org.horizon_days))
    return await lessons_between(
        await driver_connection(session),
        org.id,
        since=since,
        until=until,
        statuses=SHOWN,
        instructor_id=feed.instructor_id,
        student_id=feed.student_id,
        around=midnight,
        limit=MAX_LESSONS,
    )


def _shown(lesson: CalendarLesson, reader: Reader, school: SchoolFacts) -> ShownLesson:
    facts = LessonFacts(
        status=lesson.status,
        student_name=lesson.student_name,
        student_phone=lesson.student_phone,
        instructor_name=lesson.instructor_name,
        service_name=lesson.service_name,
        pickup_address=lesson.pickup_address,
        dropoff_address=lesson.dropoff_address,
        notes=lesson.notes,
    )
    return ShownLesson(
        id=lesson.id,
        version=lesson.version,
        start_at=lesson.start_at,
        end_at=lesson.end_at,
        time_zone=lesson.time_zone,
        updated_at=lesson.updated_at,
        entry=entry_of(facts, reader, school),
    )


def _event(lesson: ShownLesson) -> Event:
    event = booking_event(
        booking_id=lesson.id,
        sequence=lesson.version - 1,
        start_at=lesson.start_at,
        end_at=lesson.end_at,
        time_zone=_written_zone(lesson),
        summary=lesson.entry.summary,
        description=lesson.entry.description,
        location=lesson.entry.location,
        # An organizer would make the lesson an invitation, to be answered.
        organizer_name="",
        organizer_email="",
        cancelled=False,
        now=lesson.updated_at,
    )
    event.add("last-modified", lesson.updated_at)
    if lesson.entry.tentative:
        event["status"] = "TENTATIVE"
    return event


def _written_zone(lesson: ShownLesson) -> str:
    """Return the zone to write a lesson's times in: UTC where its own clock shows one of them a second time.

    A local time that happens twice means the first (RFC 5545, section 3.3.5).
    """
    place = zone(lesson.time_zone)
    second_time = lesson.start_at.astimezone(place).fold or lesson.end_at.astimezone(place).fold
    return "UTC" if second_time else lesson.time_zone
