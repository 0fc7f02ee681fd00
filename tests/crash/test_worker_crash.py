"""What a worker's death costs: nothing. What its end costs: nothing, and it takes no new batch."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from driveflow.core.db import APP_ROLE, Database
from support import worker_process
from support.outbox import add_schools, emit_events, outbox_rows

pytestmark = pytest.mark.crash

_DEADLINE_S = 30


@asynccontextmanager
async def worker(url: str, *, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process whose handler takes `seconds` an event; killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(worker_process.__file__)),
        url,
        str(seconds),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> int:
    """Return the number of the next event that the worker handled (not yet committed)."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _DEADLINE_S)
    return int(line)


@asynccontextmanager
async def school_with_events(url: str, number: int) -> AsyncIterator[tuple[asyncpg.Connection, UUID]]:
    owner = await asyncpg.connect(url)
    app = Database(url, role=APP_ROLE, pool_size=1)
    try:
        [org_id] = await add_schools(owner, 1)
        await emit_events(app, org_id, number)
        yield owner, org_id
    finally:
        await app.dispose()
        await owner.close()


async def effects(owner: asyncpg.Connection) -> Counter[int]:
    return Counter(int(row[0]) for row in await owner.fetch("SELECT template_key FROM messages"))


async def all_processed(owner: asyncpg.Connection, org_id: UUID) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not all(  # noqa: ASYNC110 - the database sets no Event
            row.processed for row in await outbox_rows(owner, [org_id])
        ):
            await asyncio.sleep(0.05)


async def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing_and_nothing_happens_twice(
    fresh_database_url: str,
) -> None:
    async with school_with_events(fresh_database_url, 30) as (owner, org_id):
        async with worker(fresh_database_url, seconds=0.02) as doomed:
            for _ in range(5):
                await said(doomed)
            doomed.kill()
            await doomed.wait()
        assert not any(row.processed for row in await outbox_rows(owner, [org_id]))
        assert await effects(owner) == {}
        async with worker(fresh_database_url, seconds=0), worker(fresh_database_url, seconds=0):
            await all_processed(owner, org_id)
        assert await effects(owner) == dict.fromkeys(range(30), 1)


async def test_workers_killed_at_any_moment_lose_nothing_and_nothing_happens_twice(
    fresh_database_url: str,
) -> None:
    async with school_with_events(fresh_database_url, 400) as (owner, org_id):
        for lines in (130, 70):
            async with worker(fresh_database_url, seconds=0.001) as doomed:
                for _ in range(lines):
                    await said(doomed)
        async with worker(fresh_database_url, seconds=0):
            await all_processed(owner, org_id)
        assert await effects(owner) == dict.fromkeys(range(400), 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_told_to_end_finishes_the_batch_in_hand_and_takes_no_other(
    fresh_database_url: str, number: signal.Signals
) -> None:
    async with school_with_events(fresh_database_url, 120) as (owner, org_id):
        async with worker(fresh_database_url, seconds=0.006) as process:
            await said(process)
            process.send_signal(number)
            _, errors = await asyncio.wait_for(process.communicate(), _DEADLINE_S)
            assert process.returncode == 0, errors
        processed = [row.number for row in await outbox_rows(owner, [org_id]) if row.processed]
        # A batch is 100 events, or what fits into its second on a slow machine.
        assert 1 < len(processed) <= 100
        assert await effects(owner) == dict.fromkeys(processed, 1)


async def test_an_idle_worker_told_to_end_does_so_at_once(fresh_database_url: str) -> None:
    async with (
        school_with_events(fresh_database_url, 1) as (owner, org_id),
        worker(fresh_database_url, seconds=0) as process,
    ):
        await all_processed(owner, org_id)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 3) == 0
