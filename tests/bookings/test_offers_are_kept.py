"""What GET /slots offers is what a booking accepts: nothing offered is refused, nothing hidden is accepted.

For random hours, exceptions, lessons, buffer, notice, horizon, grid, duration and zone every candidate start
of a short range, on the grid and off it, is booked by the student inside a savepoint that is rolled back;
those that are accepted must be the starts that the student's own search lists. Both through the real
database.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from driveflow.bookings.creation import NewBooking, create_booking, locks_for
from driveflow.core.actor import Actor, Role
from driveflow.core.db import Database
from driveflow.core.errors import ConflictError
from driveflow.core.ids import new_id
from support.schools import Client, School

EXAMPLES = 5_000 if settings.get_current_profile_name() == "soak" else 100

DAYS = [
    ("Australia/Sydney", "2026-10-04"),
    ("Australia/Sydney", "2027-04-04"),
    ("Australia/Sydney", "2028-02-29"),
    ("Australia/Brisbane", "2026-12-31"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Australia/Lord_Howe", "2027-04-04"),
    ("Pacific/Chatham", "2026-09-27"),
    ("America/New_York", "2026-11-01"),
    ("Africa/Casablanca", "2027-02-07"),
]
HOLDING = ("requested", "confirmed", "in_progress", "completed")
STATUSES = (*HOLDING, "cancelled", "no_show")


class Window(NamedTuple):
    """A row of weekly hours."""

    day_of_week: int
    start_minute: int
    end_minute: int
    effective_from: date | None
    effective_to: date | None


class Exceptional(NamedTuple):
    """A row of exceptions."""

    day: date
    is_available: bool
    start_minute: int | None
    end_minute: int | None


class Lesson(NamedTuple):
    """A booking that exists already."""

    start_at: datetime
    end_at: datetime
    status: str


@dataclass(frozen=True)
class World:
    """All that decides which starts are offered."""

    zone: str
    now: datetime
    first: datetime
    last: datetime
    step: int
    duration: int
    buffer: int
    notice: int
    horizon: int
    windows: list[Window]
    exceptions: list[Exceptional]
    instructors: list[Lesson]
    students: list[Lesson]


def minutes(low: int, high: int) -> st.SearchStrategy[int]:
    """Mostly quarters of an hour, and others."""
    return st.integers(low // 15, high // 15).map(lambda quarter: quarter * 15) | st.integers(low, high)


@st.composite
def lessons(draw: st.DrawFn, around: datetime) -> list[Lesson]:
    """Draw lessons one after the other, so that they overlap nowhere."""
    made = []
    at = around - timedelta(hours=14)
    for _ in range(draw(st.integers(0, 5))):
        at += timedelta(minutes=draw(minutes(0, 400)))
        lasts = timedelta(minutes=draw(st.sampled_from([20, 45, 60, 60, 90, 180, 720])))
        made.append(Lesson(at, at + lasts, draw(st.sampled_from(STATUSES))))
        at += lasts
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world around a day on which the zone's clocks, or the calendar, do something."""
    zone, text = draw(st.sampled_from(DAYS))
    day = date.fromisoformat(text)
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    first = midnight + timedelta(minutes=draw(minutes(-480, 1200)))
    notice = draw(minutes(0, 600))
    horizon = draw(st.sampled_from([1, 2, 90]))
    # Mostly the notice or the horizon ends inside the range.
    edge = draw(st.sampled_from([timedelta(minutes=notice), timedelta(days=horizon), timedelta(hours=20)]))
    near = st.integers(-1, 1).map(lambda days: day + timedelta(days=days))
    span = st.tuples(minutes(0, 900), minutes(60, 540)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    # Two weekdays in three have hours always, so that something is offered more often than nothing.
    usual = [
        Window((day.weekday() + shift) % 7, *draw(st.just((0, 1440)) | span), None, None) for shift in (-1, 0)
    ]
    window = st.builds(
        lambda weekday, span, dates: Window(weekday, *span, *dates),
        near.map(date.weekday),
        span,
        st.just((None, None))
        | st.tuples(st.none() | st.just(day), st.none() | near.filter(lambda to: to >= day)),
    )
    exception = st.builds(
        lambda day, available, span: Exceptional(day, available, *span),
        near,
        st.booleans(),
        st.just((None, None)) | st.tuples(minutes(0, 700), minutes(701, 1440)),
    )
    return World(
        zone=zone,
        now=first
        - edge
        + timedelta(minutes=draw(minutes(0, 300)), seconds=draw(st.sampled_from([0, 0, 1, 59]))),
        first=first,
        last=first + timedelta(hours=draw(st.integers(3, 7))),
        step=draw(st.sampled_from([5, 7, 15, 15, 20, 30, 50, 60, 240])),
        duration=draw(st.sampled_from([15, 45, 60, 60, 90, 7])),
        buffer=draw(st.sampled_from([0, 0, 10, 15, 120])),
        notice=notice,
        horizon=horizon,
        windows=usual + draw(st.lists(window, max_size=3)),
        exceptions=draw(st.lists(exception, max_size=2, unique_by=lambda row: row.day)),
        instructors=draw(lessons(first)),
        students=draw(lessons(first)),
    )


@dataclass
class Stage:
    """A school of two instructors and two students that each example furnishes anew."""

    school: School
    student: Client
    actor: Actor
    wanted: NewBooking
    other_instructor: UUID
    other_student: UUID
    owner: asyncpg.Connection
    database: Database

    async def furnish(self, world: World) -> None:
        """Replace settings, hours, exceptions and lessons."""
        org_id, instructor_id = self.school.org_id, self.wanted.instructor_id
        await self.owner.execute(
            "UPDATE orgs SET time_zone = $2, slot_step_minutes = $3, buffer_minutes = $4, "
            "min_notice_minutes = $5, horizon_days = $6 WHERE id = $1",
            org_id,
            world.zone,
            world.step,
            world.buffer,
            world.notice,
            world.horizon,
        )
        await self.owner.execute(
            "UPDATE services SET duration_min = $2 WHERE org_id = $1", org_id, world.duration
        )
        for table in ("instructor_availabilities", "availability_exceptions", "bookings"):
            await self.owner.execute(f"DELETE FROM {table} WHERE org_id = $1", org_id)
        await self.owner.executemany(
            "INSERT INTO instructor_availabilities "
            "(org_id, id, instructor_id, day_of_week, start_minute, end_minute, "
            "effective_from, effective_to) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            [(org_id, new_id(), instructor_id, *row) for row in world.windows],
        )
        await self.owner.executemany(
            "INSERT INTO availability_exceptions "
            "(org_id, id, instructor_id, date, is_available, start_minute, end_minute) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [(org_id, new_id(), instructor_id, *row) for row in world.exceptions],
        )
        taken = [(instructor_id, self.other_student, *lesson) for lesson in world.instructors]
        taken += [(self.other_instructor, self.wanted.student_id, *lesson) for lesson in world.students]
        await self.owner.executemany(
            "INSERT INTO bookings "
            "(org_id, id, service_id, instructor_id, student_id, start_at, end_at, status, price_cents, "
            "platform_fee_cents, instructor_share_cents, time_zone, cancellation_tiers) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 'UTC', '[]')",
            [(org_id, new_id(), self.wanted.service_id, *row) for row in taken],
        )

    async def offered(self, world: World) -> set[datetime]:
        """Return the starts that the student's search lists."""
        query = {
            "service_id": str(self.wanted.service_id),
            "instructor_id": str(self.wanted.instructor_id),
            "from": world.first.isoformat(),
            "to": world.last.isoformat(),
        }
        found = (await self.student.get("/slots", params=query))["slots"]
        return {datetime.fromisoformat(slot["start_at"]) for slot in found}

    async def accepted(self, world: World, candidates: list[datetime]) -> set[datetime]:
        """Return the candidates that the student could book; nothing of it stays."""
        taken = set()
        org_id = self.school.org_id
        async with self.database.connection(org_id, *locks_for(org_id, self.wanted)) as connection:
            await connection.execute("SAVEPOINT before")
            for start_at in candidates:
                wanted = NewBooking(
                    self.wanted.student_id, self.wanted.instructor_id, self.wanted.service_id, start_at
                )
                try:
                    await create_booking(connection, self.actor, wanted, now=world.now)
                except ConflictError:
                    continue
                taken.add(start_at)
                await connection.execute("ROLLBACK TO SAVEPOINT before")
        return taken


@pytest.fixture
async def stage(school: School, owner_connection: asyncpg.Connection, database: Database) -> Stage:
    ready = await school.ready()
    other = await school.add_instructor("Other")
    student_id = UUID(ready.student["id"])
    return Stage(
        school=school,
        student=await school.as_role("student", student_id=ready.student["id"]),
        actor=Actor(school.org_id, Role.STUDENT, student_ids=frozenset({student_id})),
        wanted=NewBooking(
            student_id, UUID(ready.instructor["id"]), UUID(ready.service["id"]), school.clock.now
        ),
        other_instructor=UUID(other["id"]),
        other_student=UUID((await school.add_student("Other"))["id"]),
        owner=owner_connection,
        database=database,
    )


def candidates_of(world: World, offered: set[datetime]) -> list[datetime]:
    """Return every fifth minute of the range, what is offered, and the minutes beside it."""
    length = (world.last - world.first) // timedelta(minutes=1)
    first = world.first.replace(minute=world.first.minute // 5 * 5)
    chosen = {first + timedelta(minutes=number) for number in range(0, length + 5, 5)}
    chosen |= {start + timedelta(minutes=shift) for start in offered for shift in (-1, 0, 1)}
    return sorted(start for start in chosen if world.first <= start < world.last)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(world=worlds())
async def test_what_is_offered_is_what_a_booking_accepts(stage: Stage, world: World) -> None:
    await stage.furnish(world)
    stage.school.clock.now = world.now
    offered = await stage.offered(world)
    assert await stage.accepted(world, candidates_of(world, offered)) == offered
    event("something is offered" if offered else "nothing is offered")
