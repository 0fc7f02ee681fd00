"""Connections that the schools share carry nothing of one to the other, whatever ended their last use."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import text

from driveflow.core.db import APP_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.full_school import FullSchool, full_schools
from support.schools import Clock, open_school
from support.stripe_webhooks import WEBHOOK_SECRET

REQUESTS = int(os.environ.get("DRIVEFLOW_TEST_POOL_REQUESTS", "200"))
AT_ONCE = 12


@asynccontextmanager
async def application(
    database_url: str, clock: Clock, *, pool_size: int, pool_timeout_s: float = 10
) -> AsyncIterator[tuple[httpx.AsyncClient, Database]]:
    """An application on a pool that is far too small, so that schools take turns with each connection."""
    database = Database(database_url, role=APP_ROLE, pool_size=pool_size, pool_timeout_s=pool_timeout_s)
    settings = Settings(
        _env_file=None, rate_limit_key_per_min=1_000_000, stripe_webhook_secrets=WEBHOOK_SECRET
    )
    app = create_app(settings, database, clock=clock, access_log=False)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://driveflow.test") as http:
        yield http, database
    await database.dispose()


async def test_interleaved_requests_of_two_schools_never_show_a_row_of_the_other(
    database_url: str, clock: Clock
) -> None:
    async with application(database_url, clock, pool_size=2) as (http, database):
        made = [await open_school(http, database, clock) for _ in range(2)]
        schools = await full_schools(*made)
        seen = await _interleave(schools)
        # Each kind took part, else the test shows nothing.
        assert min(seen.values()) > REQUESTS / 20, seen
        await _nothing_is_left(database)


async def _interleave(schools: list[FullSchool]) -> dict[str, int]:
    """Send the requests; return how many showed rows, were refused, were cancelled."""
    marks = [_marks(full) for full in schools]
    limit = asyncio.Semaphore(AT_ONCE)
    chance = random.Random(6)
    seen = {"rows": 0, "errors": 0, "cancelled": 0}

    async def one(number: int) -> None:
        mine = number % 2
        method, path, body = _request(schools[mine], chance)
        async with limit:
            request = asyncio.ensure_future(schools[mine].school.request(method, path, json=body))
            if chance.random() < 0.2:
                await asyncio.sleep(chance.random() * 0.02)
                seen["cancelled"] += request.cancel()
            with suppress(asyncio.CancelledError):
                answer = await request
                assert answer.status_code < 500, f"{method} {path}: {answer.text}"
                assert not [mark for mark in marks[1 - mine] if mark in answer.text], answer.text
                seen["rows"] += any(mark in answer.text for mark in marks[mine])
                seen["errors"] += answer.status_code >= 400

    await asyncio.gather(*(one(number) for number in range(REQUESTS)))
    return seen


def _marks(full: FullSchool) -> list[str]:
    """Return what would betray a row of the school: its ids."""
    return [value for name, value in full.ids.items() if name.endswith("_id")]


def _request(full: FullSchool, chance: random.Random) -> tuple[str, str, Any]:
    """Return a request by the hot or the cold way, one that reads, writes or fails."""
    ids = full.ids
    start_at = full.school.clock.now + timedelta(days=2, minutes=15 * chance.randrange(200))
    booking = {
        "student_id": ids["student_id"],
        "instructor_id": ids["instructor_id"],
        "service_id": ids["service_id"],
        "start_at": start_at.isoformat(),
    }
    point = {"ts": full.school.clock.now.isoformat(), "lat": -33.9, "lng": 151.2}
    choices: list[tuple[str, str, Any]] = [
        ("GET", "/students", None),
        ("GET", "/bookings", None),
        ("GET", f"/slots?service_id={ids['service_id']}&from=2026-08-10&to=2026-08-12", None),
        ("GET", "/audit-log", None),
        ("GET", f"/bookings/{ids['booking_id']}/events", None),
        ("POST", "/students", {"full_name": "Another Student"}),
        ("POST", "/bookings", booking),
        ("POST", "/bookings", {**booking, "student_id": ids["instructor_id"]}),
        ("POST", f"/trips/{ids['trip_id']}/points", [point]),
        ("GET", f"/students/{ids['instructor_id']}", None),
        ("PATCH", f"/students/{ids['student_id']}", {"version": 99}),
        ("POST", "/services", {"name": "x", "duration_min": 0}),
    ]
    return chance.choice(choices)


async def _nothing_is_left(database: Database) -> None:
    """Look at every connection of the pool: no school, no open transaction, and all of them given back."""
    async with asyncio.timeout(5):
        first, second = await asyncio.gather(database.engine.connect(), database.engine.connect())
    for connection in (first, second):
        assert not await connection.scalar(text("SELECT current_setting('app.org_id', true)"))
        assert await connection.scalar(text("SELECT count(*) FROM students")) == 0
        await connection.close()


async def test_a_pool_that_is_used_up_answers_503_and_serves_again_when_it_is_not(
    database_url: str, clock: Clock
) -> None:
    async with application(database_url, clock, pool_size=1, pool_timeout_s=0.3) as (http, database):
        school = await open_school(http, database, clock)
        await school.get("/students")
        held = await database.engine.connect()
        busy = await school.request("GET", "/students")
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
        assert busy.json()["code"] == "unavailable"
        await held.close()
        await school.get("/students")
