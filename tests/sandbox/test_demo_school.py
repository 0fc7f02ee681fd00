"""The lively demo school in the database; filled once for all tests that only look."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from driveflow.availability.slots import DayException, WeeklyWindow, open_intervals
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core import clock
from driveflow.core.db import APP_ROLE, Database
from driveflow.core.errors import ConflictError
from driveflow.orgs.models import Org
from driveflow.sandbox.demo_calendar import TIME_ZONE
from driveflow.sandbox.demo_school import ORG_ID, DemoSchool, fill_demo_school
from driveflow.sandbox.seed import seed
from driveflow.trips.track import Fix, judge_batch, measure
from support.databases import Cluster, wait_for
from support.schools import MONDAY_10_SYDNEY

NOW = MONDAY_10_SYDNEY


def _ignore(_done: int, _total: int, _what: str) -> None:
    pass


async def _fill(url: str, now: datetime) -> DemoSchool:
    database = Database(url, role=APP_ROLE, pool_size=4)
    try:
        return await fill_demo_school(database, now=now, progress=_ignore)
    finally:
        await database.dispose()


@pytest.fixture(scope="module")
def filled_url(cluster: Cluster) -> Iterator[str]:
    with cluster.clone() as url:
        wait_for(_fill(url, NOW))
        yield url


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(filled_url)
    yield connection
    await connection.close()


async def _row_counts(connection: asyncpg.Connection) -> dict[str, int]:
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = current_schema()::regnamespace"
    )
    return {
        table["relname"]: await connection.fetchval(f"SELECT count(*) FROM {table['relname']}")
        for table in tables
    }


async def _ids(connection: asyncpg.Connection) -> list[UUID]:
    query = " UNION ALL ".join(
        f"SELECT id FROM {table}"
        for table in (
            "instructors",
            "students",
            "guardians",
            "bookings",
            "lessons",
            "trips",
            "audit_logs",
            "outbox",
        )
    )
    return sorted(row["id"] for row in await connection.fetch(query))


async def test_the_school_has_its_people_and_its_catalog(filled: asyncpg.Connection) -> None:
    counts = await _row_counts(filled)
    assert {name: counts[name] for name in ("instructors", "students", "services", "rate_cards")} == {
        "instructors": 6,
        "students": 60,
        "services": 4,
        "rate_cards": 2,
    }
    assert counts["rate_card_items"] == 8
    assert counts["availability_exceptions"] >= 8
    without_guardian = await filled.fetchval(
        "SELECT count(*) FROM students s WHERE NOT EXISTS "
        "(SELECT FROM student_guardians g WHERE g.student_id = s.id AND g.is_primary)"
    )
    assert without_guardian == 0


async def test_every_status_is_there_over_eight_weeks(filled: asyncpg.Connection) -> None:
    rows = await filled.fetch("SELECT status, start_at FROM bookings")
    statuses = {row["status"] for row in rows}
    assert statuses == set(BookingStatus)
    starts = [row["start_at"] for row in rows]
    assert NOW - timedelta(days=29) < min(starts) < NOW - timedelta(days=25)
    assert NOW + timedelta(days=25) < max(starts) < NOW + timedelta(days=30)
    for row in rows:
        if row["status"] in {BookingStatus.COMPLETED, BookingStatus.NO_SHOW, BookingStatus.IN_PROGRESS}:
            assert row["start_at"] < NOW
        if row["status"] in {BookingStatus.REQUESTED, BookingStatus.CONFIRMED}:
            assert row["start_at"] > NOW - timedelta(minutes=5)


async def test_the_stored_bookings_lie_within_the_stored_hours(filled: asyncpg.Connection) -> None:
    windows: dict[UUID, list[WeeklyWindow]] = {}
    for row in await filled.fetch(
        "SELECT instructor_id, day_of_week, start_minute, end_minute, effective_from, effective_to "
        "FROM instructor_availabilities"
    ):
        windows.setdefault(row[0], []).append(WeeklyWindow(*row[1:]))
    exceptions: dict[UUID, list[DayException]] = {}
    for row in await filled.fetch(
        "SELECT instructor_id, date, is_available, start_minute, end_minute FROM availability_exceptions"
    ):
        exceptions.setdefault(row[0], []).append(DayException(*row[1:]))
    for row in await filled.fetch("SELECT instructor_id, start_at, end_at FROM bookings"):
        start_min, end_min = clock.to_epoch_min(row["start_at"]), clock.to_epoch_min(row["end_at"])
        days = clock.days_touching(TIME_ZONE, start_min, end_min)
        hours = open_intervals(
            TIME_ZONE, windows[row["instructor_id"]], exceptions.get(row["instructor_id"], ()), *days
        )
        assert any(lower <= start_min and end_min <= upper for lower, upper in hours), dict(row)


async def test_prices_are_those_of_the_card_of_the_day_and_split_without_a_rest(
    filled: asyncpg.Connection,
) -> None:
    wrong = await filled.fetch(
        """
        SELECT b.id FROM bookings b
        JOIN instructors i USING (org_id) JOIN orgs o ON o.id = b.org_id
        LEFT JOIN rate_cards c ON c.org_id = b.org_id AND c.is_default
            AND (b.start_at AT TIME ZONE b.time_zone)::date
                BETWEEN coalesce(c.valid_from, '-infinity') AND coalesce(c.valid_to, 'infinity')
        LEFT JOIN rate_card_items p ON p.rate_card_id = c.id AND p.service_id = b.service_id
        WHERE i.id = b.instructor_id AND (
            b.price_cents IS DISTINCT FROM p.price_cents
            OR b.platform_fee_cents + b.instructor_share_cents <> b.price_cents
            OR b.platform_fee_cents <> round(b.price_cents * coalesce(i.fee_bps, o.fee_bps) / 10000.0)
            OR (b.status = 'no_show' AND b.fee_cents IS DISTINCT FROM b.price_cents)
            OR (b.status = 'cancelled') <> (b.cancelled_at IS NOT NULL)
            OR b.cancelled_at > b.start_at
        )
        """
    )
    assert wrong == []
    fees = await filled.fetchrow(
        "SELECT count(*) FILTER (WHERE fee_cents > 0) AS some, count(*) FILTER (WHERE fee_cents = 0) AS none "
        "FROM bookings WHERE status = 'cancelled'"
    )
    assert fees is not None
    assert fees["some"] > 0
    assert fees["none"] > 0


async def test_all_recorded_routes_are_believed_and_measured(filled: asyncpg.Connection) -> None:
    trips = await filled.fetch("SELECT * FROM trips")
    routes: dict[UUID, list[Fix]] = {}
    for row in await filled.fetch(
        "SELECT trip_id, ts, lat::float8, lng::float8, speed_kph::float8, accuracy_m "
        "FROM trip_points ORDER BY ts"
    ):
        routes.setdefault(row[0], []).append(Fix(*row[1:]))
    assert 25_000 < sum(map(len, routes.values())) < 60_000
    assert len(routes) > 60
    for trip in trips:
        route = routes.get(trip["id"])
        if route is None:
            assert trip["started_at"] < NOW - timedelta(days=14)
            continue
        verdict = judge_batch(
            route, trip_started_at=trip["started_at"], trip_ended_at=trip["ended_at"], now=NOW, previous=None
        )
        assert verdict.accepted == tuple(route)
        if trip["ended_at"] is not None:
            assert trip["distance_meters"] == measure(route).distance_m > 5_000


async def test_lessons_belong_to_the_bookings_that_began(filled: asyncpg.Connection) -> None:
    wrong = await filled.fetch(
        """
        SELECT b.id, b.status FROM bookings b LEFT JOIN lessons l ON l.booking_id = b.id
        LEFT JOIN trips t ON t.lesson_id = l.id
        WHERE (b.status IN ('completed', 'in_progress')) <> (l.id IS NOT NULL)
            OR (b.status = 'completed') <> (l.ended_at IS NOT NULL)
            OR l.ended_at > $1 OR t.ended_at > l.ended_at OR t.started_at < l.started_at
            OR (b.status = 'in_progress') <> (t.id IS NOT NULL AND t.ended_at IS NULL)
            OR l.distance_meters IS DISTINCT FROM t.distance_meters
        """,
        NOW,
    )
    assert wrong == []


async def test_the_audit_trail_leads_to_each_bookings_status_and_version(filled: asyncpg.Connection) -> None:
    trails: dict[str, list[Any]] = {}
    for row in await filled.fetch(
        "SELECT entity_id, action, after->>'status' AS status, created_at FROM audit_logs "
        "WHERE entity_type = 'Booking' ORDER BY created_at, id"
    ):
        trails.setdefault(row["entity_id"], []).append(row)
    for booking in await filled.fetch("SELECT id, status, version, created_at, updated_at FROM bookings"):
        trail = trails[str(booking["id"])]
        assert trail[0]["action"] == "BOOKING_CREATED"
        assert [row["status"] for row in trail if row["status"]][-1] == booking["status"]
        assert len(trail) == booking["version"]
        assert (trail[0]["created_at"], trail[-1]["created_at"]) == (
            booking["created_at"],
            booking["updated_at"],
        )
        assert trail[-1]["created_at"] <= NOW
        assert all(before["created_at"] < after["created_at"] for before, after in pairwise(trail))


async def test_only_timers_wait_in_the_outbox(filled: asyncpg.Connection) -> None:
    timers = await filled.fetch(
        "SELECT o.topic, o.available_at, b.status, b.hold_expires_at, b.end_at, b.start_at FROM outbox o "
        "LEFT JOIN bookings b ON b.id = (o.payload->>'booking_id')::uuid"
    )
    for timer in timers:
        assert timer["available_at"] > NOW
        if timer["topic"] == "booking.hold_due":
            assert timer["status"] == "requested"
            assert timer["available_at"] == timer["hold_expires_at"] < timer["start_at"]
        else:
            assert (timer["topic"], timer["status"]) == ("lesson.auto_close_due", "in_progress")
            assert timer["available_at"] == timer["end_at"] + timedelta(hours=2)
    open_ones = "SELECT count(*) FROM bookings WHERE status IN ('requested', 'in_progress')"
    assert len(timers) == await filled.fetchval(open_ones)


async def test_filling_again_changes_nothing_even_days_later(
    filled: asyncpg.Connection, filled_url: str
) -> None:
    before = await _row_counts(filled)
    again = await _fill(filled_url, NOW + timedelta(days=3))
    assert not again.is_new
    assert again.org_id == ORG_ID
    assert await _row_counts(filled) == before


async def test_two_at_once_fill_one_school_next_to_the_seeds(
    filled: asyncpg.Connection, fresh_database_url: str
) -> None:
    database = Database(fresh_database_url, role=APP_ROLE, pool_size=4)
    rows = await seed(database, now=NOW)
    schools = await asyncio.gather(
        fill_demo_school(database, now=NOW, progress=_ignore),
        fill_demo_school(database, now=NOW, progress=_ignore),
    )
    await database.dispose()
    assert sorted(school.is_new for school in schools) == [False, True]
    assert {school.owner_user_id for school in schools} == {rows.owner.id}
    connection = await asyncpg.connect(fresh_database_url)
    try:
        seeded = await connection.fetchval("SELECT count(*) FROM orgs")
        await connection.execute("SET ROLE driveflow_app")
        await connection.execute(f"SET app.org_id = '{ORG_ID}'")
        assert await _ids(connection) == await _ids(filled)
    finally:
        await connection.close()
    assert seeded == 2


async def test_what_was_half_written_is_not_there_and_the_next_run_completes_it(
    fresh_database_url: str,
) -> None:
    def pull_the_plug(_done: int, _total: int, what: str) -> None:
        if what == "Writing routes":
            raise KeyboardInterrupt

    database = Database(fresh_database_url, role=APP_ROLE, pool_size=4)
    connection = await asyncpg.connect(fresh_database_url)
    try:
        with pytest.raises(KeyboardInterrupt):
            await fill_demo_school(database, now=NOW, progress=pull_the_plug)
        assert (await _row_counts(connection))["orgs"] == 0
        told: list[tuple[int, int, str]] = []
        school = await fill_demo_school(database, now=NOW, progress=lambda *step: told.append(step))
        assert school.is_new
        assert (await _row_counts(connection))["students"] == 60
    finally:
        await connection.close()
        await database.dispose()
    # Its progress never goes back and ends at its total.
    assert {total for _, total, _ in told} == {told[-1][0]}
    assert all(one[0] <= other[0] for one, other in pairwise(told))


async def test_a_stranger_with_its_slug_is_left_alone(fresh_database_url: str) -> None:
    database = Database(fresh_database_url, role=APP_ROLE, pool_size=4)
    async with database.session(None) as session:
        session.add(Org(name="Another Harbour", slug="harbour-driving-school"))
    with pytest.raises(ConflictError, match="slug"):
        await fill_demo_school(database, now=NOW, progress=_ignore)
    await database.dispose()
