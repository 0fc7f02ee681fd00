"""The worker outlives its database: what was emitted meanwhile is handled when it returns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.clock import utc_now
from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database
from driveflow.core.outbox_queue import Event
from driveflow.entrypoints.worker.loop import Worker
from support.cable import Cable, cable_to
from support.outbox import HANDLED, add_schools, emit_events, worker_settings

RECOVERY_S = 5.0


class Counting:
    """A handler that counts the events of the transactions it ran in."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    async def __call__(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG002 - a handler's signature
        self.numbers.append(event.payload["number"])


@asynccontextmanager
async def worker_on(cable: Cable, handler: Counting) -> AsyncIterator[None]:
    pool = Database(
        cable.url,
        role=WORKER_ROLE,
        pool_size=2,
        command_timeout_s=1.5,
        connect_timeout_s=1.2,
        pool_timeout_s=2,
    )
    stop = asyncio.Event()
    worker = Worker(pool, worker_settings(outbox_poll_s=0.2), handlers={HANDLED: (handler,)})
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)
        await pool.dispose()


async def until_handled(owner: asyncpg.Connection, number: int) -> None:
    """Wait until so many events are marked as handled."""
    async with asyncio.timeout(RECOVERY_S):
        while number != await owner.fetchval(  # noqa: ASYNC110 - the database sets no Event
            "SELECT count(*) FROM outbox WHERE processed_at IS NOT NULL"
        ):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("trouble", ["cut", "black hole", "slow"])
async def test_a_worker_handles_what_was_emitted_while_its_database_was_away(
    fresh_database_url: str, trouble: str
) -> None:
    owner = await asyncpg.connect(fresh_database_url)
    app = Database(fresh_database_url, role=APP_ROLE, pool_size=1)
    handler = Counting()
    [org_id] = await add_schools(owner, 1)
    async with cable_to(fresh_database_url) as cable, worker_on(cable, handler):
        await emit_events(app, org_id, 1, now=utc_now())
        await until_handled(owner, 1)
        if trouble == "cut":
            await cable.cut()
        elif trouble == "black hole":
            cable.swallow()
        else:
            cable.delay_s = 3
        await emit_events(app, org_id, 5, now=utc_now())
        # Long enough for several vain tries.
        await asyncio.sleep(1.5)
        assert await owner.fetchval("SELECT count(*) FROM outbox WHERE processed_at IS NOT NULL") == 1
        cable.restore()
        if trouble == "cut":
            await cable.plug_in()
        await until_handled(owner, 6)
    await app.dispose()
    await owner.close()
    assert sorted(set(handler.numbers)) == [0, 1, 2, 3, 4]
