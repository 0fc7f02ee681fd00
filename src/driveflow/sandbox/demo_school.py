"""The demo school: Harbour Driving School, filled in one transaction.

`fill_demo_school` makes up people, catalog and eight weeks of bookings around the present day, and writes
them in bulk, past the services: what took the school half a year must take seconds here. So each row is
written as the services would have left it, with its audit trail, and the database's constraints judge it. As
everything is one transaction, the school is there completely or not at all; once there it is left alone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from driveflow.core import clock
from driveflow.core.db import Database, driver_connection, set_tenant
from driveflow.core.errors import ConflictError
from driveflow.orgs.models import Org, User
from driveflow.sandbox import demo_rows
from driveflow.sandbox.demo_bookings import DemoSchoolRules, tell_booking
from driveflow.sandbox.demo_calendar import TIME_ZONE, plan_calendar
from driveflow.sandbox.demo_catalog import DEMO_SERVICES, demo_cards, demo_prices
from driveflow.sandbox.demo_diary_rows import diary_tables
from driveflow.sandbox.demo_lessons import DemoLesson, has_lesson, tell_lesson
from driveflow.sandbox.demo_people import demo_id, demo_instructors, demo_students
from driveflow.sandbox.demo_rows import ORG_NAME, ORG_SLUG, DemoData
from driveflow.sandbox.seed import ensure_owner
from driveflow.trips.repository import insert_points

ORG_ID: Final = demo_id("org", ORG_SLUG)
_SEED: Final = 1_788
_LOCK_KEY: Final = 7_305_122  # any fixed number: two demos that start at once take turns
_RETRY_S: Final = 0.2

Progress = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and what comes next."""


@dataclass(frozen=True, slots=True)
class DemoSchool:
    """The demo school and somebody of each kind to look at it as; `is_new` if it was made just now."""

    org_id: UUID
    name: str
    owner_user_id: UUID
    instructor_user_id: UUID
    student_user_id: UUID
    guardian_user_id: UUID
    is_new: bool


async def fill_demo_school(database: Database, *, now: datetime, progress: Progress) -> DemoSchool:
    """Make the demo school around `now`, unless it is there already; return it.

    Raises ConflictError `slug_taken` when another school has its slug.
    """
    async with database.session(None) as session:
        owner = await ensure_owner(session, now=now)
        is_there = await session.get(Org, ORG_ID) is not None
        if not is_there and await session.scalar(select(Org.id).where(Org.slug == ORG_SLUG)):
            raise ConflictError(f"Another school has the slug {ORG_SLUG}.", code="slug_taken")
    if not is_there:
        data = _make_up(owner.id, now, progress)
        is_there = not await _write(database, data, progress)
    instructor, student = demo_instructors()[0], demo_students(now.date(), demo_instructors())[0]
    return DemoSchool(
        org_id=ORG_ID,
        name=ORG_NAME,
        owner_user_id=owner.id,
        instructor_user_id=instructor.user_id,
        student_user_id=student.user_id,
        guardian_user_id=student.guardians[0].user_id,
        is_new=not is_there,
    )


def _make_up(owner_user_id: UUID, now: datetime, progress: Progress) -> DemoData:
    """Return all that the school holds; touches no database."""
    rng = Random(_SEED)  # noqa: S311 - demo data, no secret
    today = clock.local_date(now, TIME_ZONE)
    cards = demo_cards(today)
    rules = DemoSchoolRules(ORG_ID, owner_user_id, cards, demo_prices(cards))
    instructors = demo_instructors()
    students = demo_students(today, instructors)
    calendar = plan_calendar(now, instructors, students, DEMO_SERVICES)
    bookings = tuple(tell_booking(rng, plan, rules, now) for plan in calendar.bookings)
    begun = [booking for booking in bookings if has_lesson(booking)]
    lessons: list[DemoLesson] = []
    for booking in begun:
        progress(len(lessons), 2 * len(begun), "Driving lessons")
        lessons.append(tell_lesson(rng, booking, rules, now))
    return DemoData(
        now=now,
        rules=rules,
        instructors=instructors,
        students=students,
        services=DEMO_SERVICES,
        exceptions=calendar.exceptions,
        bookings=bookings,
        lessons=tuple(lessons),
    )


async def _write(database: Database, data: DemoData, progress: Progress) -> bool:
    """Write everything and return True; False when another process was faster."""
    steps = count(len(data.lessons))
    total = 2 * len(data.lessons)
    async with database.session(None) as session:
        # Asking again and again outlasts the lock timeout, which a slow machine's first run may exceed.
        while not await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK_KEY))):  # noqa: ASYNC110 - the other is a process
            await asyncio.sleep(_RETRY_S)
        new_org = (
            postgresql_insert(Org).values(demo_rows.org(data)).on_conflict_do_nothing(index_elements=["id"])
        )
        made = await session.scalar(new_org.returning(Org.id))
        if made is None:
            return False
        await set_tenant(session, ORG_ID)
        # A person of an earlier demo school may still be there.
        await session.execute(postgresql_insert(User).on_conflict_do_nothing(), demo_rows.users(data))
        for model, rows in (*demo_rows.tables(data), *diary_tables(data)):
            progress(len(data.lessons), total, f"Writing {model.__tablename__.replace('_', ' ')}")
            await session.execute(insert(model), rows)
        connection = await driver_connection(session)
        for lesson in data.lessons:
            progress(next(steps), total, "Writing routes")
            if lesson.trip is not None and lesson.trip.fixes:
                fixes = lesson.trip.fixes
                await insert_points(connection, ORG_ID, lesson.trip.id, fixes, may_be_known=False)
    progress(total, total, "Ready")
    return True
