"""How many outbox events a second one worker drains with a handler that does nothing, against bare SQL."""

import time
from datetime import datetime

import uvloop
from bench.load_data import BENCH
from bench.postgres import psql
from bench.race import pgbench
from bench.report import SQL
from bench.sides import DRIVEFLOW
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.db import WORKER_ROLE, Database
from driveflow.core.outbox import Topic
from driveflow.core.outbox_queue import Event
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.loop import POOL_SIZE, Worker

BATCH = 100
_FILL = """
INSERT INTO outbox (org_id, id, topic, payload, available_at)
SELECT orgs.id, gen_random_uuid(), 'booking.created', jsonb_build_object('booking_id', gen_random_uuid()),
    now() - interval '1 hour' + n * interval '1 ms'
FROM orgs, generate_series(1, {events} / 100) n
"""


def measure_outbox(url: str, *, events: int, seconds: float) -> dict[str, float]:
    """Return events a second by side; `events` are spread over the 100 schools."""
    _fill(url, events)
    began = time.perf_counter()
    handled = uvloop.run(_drain(url))
    worker_rate = handled / (time.perf_counter() - began)
    if handled != events:
        raise AssertionError(f"the worker handled {handled} of {events} events")
    # Near the end bare SQL also visits schools without events: what it claimed is counted, not assumed.
    _fill(url, events * 4)
    sample = pgbench(
        url, BENCH / "sql" / "outbox.sql", clients=1, seconds=seconds, database_pid=None, variables={}
    )
    claimed = int(psql(url, "-c", "SELECT count(*) FROM outbox WHERE processed_at IS NOT NULL"))
    psql(url, "-c", "TRUNCATE outbox", "-c", "VACUUM ANALYZE outbox")
    return {DRIVEFLOW: worker_rate, SQL: sample.rps * claimed / sample.requests}


def _fill(url: str, events: int) -> None:
    statements = ("TRUNCATE outbox", _FILL.format(events=events), "VACUUM ANALYZE outbox", "CHECKPOINT")
    psql(url, *(part for statement in statements for part in ("-c", statement)))


async def _drain(url: str) -> int:
    database = Database(url, role=WORKER_ROLE, pool_size=POOL_SIZE)
    try:
        worker = Worker(
            database,
            Settings(_env_file=None),
            handlers={Topic.BOOKING_CREATED: (_nothing,)},
            batch_size=BATCH,
        )
        return await worker.run_until_idle()
    finally:
        await database.dispose()


async def _nothing(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Handle an event by doing nothing."""
