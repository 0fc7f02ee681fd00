"""A school on a live server with many students, and the ways they race each other."""

import asyncio
import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from driveflow.core.db import APP_ROLE, Database
from support.schools import Client, Clock, Ready, open_school

SOAK = os.environ.get("DRIVEFLOW_TEST_PROFILE") == "soak"
CROWD = 200 if SOAK else 50
ROUNDS = 50 if SOAK else 5


@dataclass
class Answer:
    """What one racer got, and after how long."""

    status: int
    body: Any
    seconds: float


@dataclass
class Racer:
    """A student with a key."""

    student_id: str
    key: str


@dataclass
class Contest:
    """A school whose instructor works around the clock; plain data, so that any event loop may use it."""

    database_url: str
    base_url: str
    org_id: UUID
    owner_key: str
    instructor: dict[str, Any]
    service: dict[str, Any]
    racers: list[Racer]
    latencies_s: list[float] = field(default_factory=list)
    _starts: "count[int]" = field(default_factory=count)

    def next_start(self) -> datetime:
        """Return a full hour of the days to come that no race has used, three hours from the next."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=3, hours=3 * next(self._starts))

    def ready(self, racer: Racer) -> Ready:
        """Return what a booking of one student needs."""
        return Ready(self.instructor, {"id": racer.student_id}, self.service)

    def of(self, number: int) -> "Contest":
        """Return the contest of the first `number` students, with latencies of its own."""
        return replace(self, racers=self.racers[:number], latencies_s=[])

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[tuple[Client, list[Client]]]:
        """Yield the owner's client and one for each racer, each with a connection that is open already."""
        async with AsyncExitStack() as stack:
            owner, *racers = [
                Client(await stack.enter_async_context(one_connection(self.base_url)), self.org_id, key)
                for key in (self.owner_key, *(racer.key for racer in self.racers))
            ]
            await asyncio.gather(*(client.request("GET", "/healthz") for client in (owner, *racers)))
            yield owner, racers

    async def race(self, requests: Sequence[Awaitable[httpx.Response]]) -> list[Answer]:
        """Send all requests at once and return the answers in the same order, timed from their sending."""
        responses = await asyncio.gather(*requests)
        answers = [
            Answer(response.status_code, response.json(), response.elapsed.total_seconds())
            for response in responses
        ]
        self.latencies_s += [answer.seconds for answer in answers]
        return answers

    def p99_s(self) -> float:
        """Return the 99th percentile of all races so far, in seconds."""
        ordered = sorted(self.latencies_s)
        return ordered[math.ceil(0.99 * len(ordered)) - 1]


def one_connection(base_url: str) -> httpx.AsyncClient:
    """Return a client of its own for one racer: a pool that all share costs more than the requests."""
    return httpx.AsyncClient(base_url=base_url, timeout=60, transport=httpx.AsyncHTTPTransport(verify=False))


async def open_contest(database_url: str, base_url: str, number: int) -> Contest:
    """Make a school with `number` students on a live server."""
    database = Database(database_url, role=APP_ROLE, pool_size=2)
    limits = httpx.Limits(max_connections=10)
    try:
        async with httpx.AsyncClient(base_url=base_url, timeout=60, limits=limits) as http:
            school = await open_school(http, database, Clock(datetime.now(UTC)), horizon_days=3650)

            async def add_racer(index: int) -> Racer:
                student = await school.add_student(f"Student {index}")
                client = await school.as_role("student", student_id=student["id"])
                return Racer(student["id"], client.key)

            return Contest(
                database_url=database_url,
                base_url=base_url,
                org_id=school.org_id,
                owner_key=school.key,
                instructor=await school.add_instructor(hours=(0, 1440)),
                service=await school.add_service(),
                racers=list(await asyncio.gather(*map(add_racer, range(number)))),
            )
    finally:
        await database.dispose()


async def warm_up(contest: Contest) -> None:
    """Let all race once for nothing: the server opens its connections and prepares its statements."""
    async with contest.of(len(contest.racers)).clients() as (_, racers):
        start_at = contest.next_start()
        await asyncio.gather(
            *(
                client.request("POST", "/bookings", json=contest.ready(racer).booking(start_at))
                for client, racer in zip(racers, contest.racers, strict=True)
            )
        )


def statuses(answers: Sequence[Answer]) -> Counter[int]:
    """Count the answers by status."""
    return Counter(answer.status for answer in answers)


async def deadlocks(database_url: str) -> int:
    """Return how many deadlocks a database has broken; waits until all its clients have gone and told."""
    connection = await asyncpg.connect(database_url)
    try:
        while await connection.fetchval(  # noqa: ASYNC110 - the database sets no Event
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0.05)
        number: int = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
    finally:
        await connection.close()
    return number
