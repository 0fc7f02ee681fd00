"""When the worker acts: at once when the bell rings, in time for a timer, and again after a lost database."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from driveflow.core.actor import Actor
from driveflow.core.clock import utc_now
from driveflow.core.db import Database
from driveflow.core.ids import new_id
from driveflow.core.outbox_queue import Event
from driveflow.entrypoints.wakeup import Wakeup
from driveflow.entrypoints.worker import listener, loop
from driveflow.entrypoints.worker.loop import Worker
from support.databases import Cluster
from support.outbox import HANDLED, add_schools, emit_events, worker_settings


class Bell:
    """A handler that tells when it was called."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    async def __call__(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG002 - a handler's signature
        self.rung.set()

    async def wait_s(self, *, within_s: float) -> float:
        """Wait for the next call; return how long that took."""
        began = time.monotonic()
        await asyncio.wait_for(self.rung.wait(), within_s)
        self.rung.clear()
        return time.monotonic() - began


@asynccontextmanager
async def running(pool: Database, bell: Bell, *, poll_s: float) -> AsyncIterator[None]:
    """A worker at work, told to stop at the end of the block."""
    stop = asyncio.Event()
    worker = Worker(pool, worker_settings(outbox_poll_s=poll_s), handlers={HANDLED: (bell,)})
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def listening(owner: asyncpg.Connection) -> None:
    """Wait until the worker listens and has gone to sleep."""
    async with asyncio.timeout(10):
        while not await owner.fetchval(  # noqa: ASYNC110 - the database sets no Event
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'driveflow listener' "
            "AND datname = current_database() AND query LIKE 'LISTEN%'"
        ):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)


async def test_a_notice_wakes_the_worker_long_before_its_next_poll(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    bell, wakeup = Bell(), Wakeup(app)
    async with wakeup.running(), running(pool, bell, poll_s=30):
        await listening(owner)
        await emit_events(app, org_id, now=utc_now())
        wakeup.ring()
        assert await bell.wait_s(within_s=5) < 0.5


async def test_without_a_notice_the_poll_finds_the_event(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    bell = Bell()
    async with running(pool, bell, poll_s=0.2):
        await listening(owner)
        await emit_events(app, org_id, now=utc_now())
        await bell.wait_s(within_s=5)


async def test_a_timer_goes_off_in_time_though_the_next_poll_is_far_away(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    due = utc_now() + timedelta(seconds=1.5)
    await emit_events(app, org_id, now=utc_now(), available_at=due)
    bell = Bell()
    async with running(pool, bell, poll_s=30):
        await bell.wait_s(within_s=10)
        assert timedelta(0) <= utc_now() - due < timedelta(seconds=1)


async def test_a_worker_whose_connections_are_all_cut_goes_on_and_hears_the_bell_again(
    owner: asyncpg.Connection, app: Database, pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "RECONNECT_S", 0.1)
    [org_id] = await add_schools(owner, 1)
    bell = Bell()
    async with running(pool, bell, poll_s=30):
        await listening(owner)
        for _ in range(2):
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await listening(owner)
            await emit_events(app, org_id, now=utc_now())
            await owner.execute("NOTIFY driveflow_outbox")
            assert await bell.wait_s(within_s=5) < 0.5


async def test_a_database_that_refuses_connections_is_reported_once_and_work_goes_on_when_it_is_back(
    owner: asyncpg.Connection, pool: Database, cluster: Cluster
) -> None:
    [org_id] = await add_schools(owner, 1)
    name = await owner.fetchval("SELECT current_database()")
    bell = Bell()
    admin = await asyncpg.connect(cluster.admin_url)
    with capture_logs() as logs:
        async with running(pool, bell, poll_s=0.1):
            await listening(owner)
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            # The owner's connection is older than the refusal.
            await owner.execute(
                "INSERT INTO outbox (org_id, id, topic, payload) VALUES ($1, $2, $3, '{}')",
                org_id,
                new_id(),
                HANDLED,
            )
            await asyncio.sleep(1.5)
            assert not bell.rung.is_set()
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            await bell.wait_s(within_s=loop.LONGEST_RETRY_S + 2)
    await admin.close()
    told = [entry["event"] for entry in logs if entry["event"].startswith("worker")]
    assert told == ["worker cannot work, trying again", "worker is back"]


async def test_a_sleeping_worker_ends_at_once_when_told(pool: Database, owner: asyncpg.Connection) -> None:
    bell = Bell()
    async with running(pool, bell, poll_s=30):
        await listening(owner)
        began = time.monotonic()
    assert time.monotonic() - began < 1
