"""What the death of the web process or of the database costs: no booking that was acknowledged.

Students book one lesson after the other, each with an `Idempotency-Key`, while something is killed with -9.
What was answered with 201 must be there afterwards, whole; what was not answered is asked again with the
same key, and must be there once.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from driveflow.entrypoints.migrate import migrate
from driveflow.integrations.embedded_postgres import start
from support.contest import SOAK, Contest, open_contest
from support.databases import Cluster
from support.embedded_server import kill_server, open_folder
from support.figures import note_figure
from support.live_server import live_server
from support.schools import Client

pytestmark = pytest.mark.crash

ROUNDS = 100 if SOAK else 5
DATABASE_ROUNDS = 20 if SOAK else 2
STUDENTS = 8
# A test machine is busy with other tests; the figure says how long it took.
RECOVERY_LIMIT_S = 30

WHOLE_BOOKINGS = """
SELECT b.id::text AS id,
    (SELECT count(*) FROM audit_logs a WHERE a.org_id = b.org_id AND a.entity_type = 'Booking'
        AND a.entity_id = b.id::text AND a.action = 'BOOKING_CREATED') AS audited,
    (SELECT count(*) FROM outbox o WHERE o.org_id = b.org_id AND o.topic = 'booking.created'
        AND o.payload ->> 'booking_id' = b.id::text) AS announced
FROM bookings b WHERE b.org_id = $1
"""


@dataclass
class Unanswered:
    """A request whose outcome the student never learned."""

    student: int
    body: dict[str, Any]
    key: str


@dataclass
class Load:
    """Students who book without pause, and what they were told."""

    contest: Contest
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Book until the end of the block, or until the server is gone."""
        async with self.contest.clients() as (_, students):
            going = [asyncio.create_task(self._book(index, client)) for index, client in enumerate(students)]
            heard = len(self.acknowledged)
            try:
                while len(self.acknowledged) < heard + STUDENTS and not all(task.done() for task in going):  # noqa: ASYNC110 - the load tells through its list
                    await asyncio.sleep(0.01)
                yield
                await asyncio.sleep(0.05)
            finally:
                for task in going:
                    task.cancel()
                ended = await asyncio.gather(*going, return_exceptions=True)
            assert [error for error in ended if isinstance(error, Exception)] == []

    async def _book(self, index: int, client: Client) -> None:
        while True:
            body = self.contest.ready(self.contest.racers[index]).booking(self.contest.next_start())
            wanted = Unanswered(index, body, str(uuid4()))
            self.unanswered.append(wanted)
            try:
                response = await _ask(client, wanted)
            except httpx.TransportError:
                return
            if response.status_code == 503:
                await asyncio.sleep(0.1)
                continue
            assert response.status_code == 201, response.text
            self.acknowledged.append(response.json()["id"])
            self.unanswered.remove(wanted)

    async def ask_again(self) -> None:
        """Send what was never answered once more with its key."""
        async with self.contest.clients() as (_, students):
            for wanted in self.unanswered:
                response = await _ask(students[wanted.student], wanted)
                assert response.status_code == 201, response.text
                self.acknowledged.append(response.json()["id"])
        self.unanswered.clear()

    async def check(self) -> None:
        """Check that nothing acknowledged is missing, and that what is there is whole."""
        connection = await asyncpg.connect(self.contest.database_url)
        try:
            rows = await connection.fetch(WHOLE_BOOKINGS, self.contest.org_id)
        finally:
            await connection.close()
        assert {(row["audited"], row["announced"]) for row in rows} == {(1, 1)}
        there = {row["id"] for row in rows}
        assert set(self.acknowledged) - there == set()
        assert len(there) <= len(self.acknowledged) + len(self.unanswered)


async def _ask(client: Client, wanted: Unanswered) -> httpx.Response:
    return await client.request(
        "POST", "/bookings", json=wanted.body, headers={"Idempotency-Key": wanted.key}
    )


async def test_a_web_process_killed_under_load_loses_nothing_that_it_acknowledged(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(7)
    load: Load | None = None
    unanswered = 0
    with cluster.clone() as url:
        for _round in range(ROUNDS):
            with live_server(url) as server:
                if load is None:
                    load = Load(await open_contest(url, server.base_url, STUDENTS))
                load.contest.base_url = server.base_url
                await load.ask_again()
                async with load.running():
                    await asyncio.sleep(chance.uniform(0, 0.5))
                    server.kill()
                await load.check()
                unanswered += len(load.unanswered)
        assert load is not None
        with live_server(url) as server:
            load.contest.base_url = server.base_url
            await load.ask_again()
        await load.check()
        note_figure(
            request,
            f"web process killed {ROUNDS} times: {len(load.acknowledged)} bookings acknowledged, 0 lost; "
            f"{unanswered} unanswered, each there once after asking again",
        )


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for a database server of this test's own."""
    with open_folder() as folder:
        yield folder / "data"


async def test_a_database_killed_under_load_loses_nothing_and_the_web_process_goes_on_by_itself(
    data_dir: Path, request: pytest.FixtureRequest
) -> None:
    with start(data_dir) as database:
        url = database.url()
        await migrate(url)
        with live_server(url) as server:
            load = Load(await open_contest(url, server.base_url, STUDENTS))
            recovered_s = []
            for _round in range(DATABASE_ROUNDS):
                async with load.running():
                    kill_server(data_dir)
                    await asyncio.sleep(0.3)
                    with await asyncio.to_thread(start, data_dir) as again:
                        assert again.url() == url
                    began = perf_counter()
                    heard = len(load.acknowledged)
                    async with asyncio.timeout(RECOVERY_LIMIT_S):
                        while len(load.acknowledged) == heard:  # noqa: ASYNC110 - the load tells through its list
                            await asyncio.sleep(0.01)
                    recovered_s.append(perf_counter() - began)
                assert server.process.poll() is None
                await load.check()
                await load.ask_again()
            await load.check()
        note_figure(
            request,
            f"database killed {DATABASE_ROUNDS} times: {len(load.acknowledged)} bookings acknowledged, "
            f"0 lost; booking again {max(recovered_s):.1f} s after it was back",
        )
