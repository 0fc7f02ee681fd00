"""Periodic work of the worker: partitions made ahead, old rows removed.

Each job is idempotent, so when it last ran is kept in memory only. Every transaction of a job takes the job's
advisory lock first and gives way when another worker has it: one worker at a time does each job, without a
lock that outlives a transaction (a pooler in front of PostgreSQL would leak it).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.clock import months_from
from driveflow.core.db import Database
from driveflow.core.idempotency import RETENTION_HOURS
from driveflow.core.outbox_queue import describe
from driveflow.core.settings import Settings
from driveflow.entrypoints import webhook_tools
from driveflow.integrations.stripe_client import gateway_of
from driveflow.trips.models import PARTITIONS_AHEAD

DELETE_BATCH = 1000
# A worker that just started has better things to do; several of them spread out.
FIRST_RUN_WITHIN_S = 30.0
RETRY_S = 60.0
_LOCK_SPACE = 7_305_120  # any fixed number; the job's number is the second half of the key

log = structlog.get_logger()

_DELETE_PROCESSED_EVENTS = text(
    "DELETE FROM outbox WHERE org_id = :org_id AND id IN (SELECT id FROM outbox "
    "WHERE org_id = :org_id AND processed_at < :before ORDER BY id LIMIT :limit) RETURNING id"
)
_DELETE_IDEMPOTENCY_KEYS = text(
    "DELETE FROM idempotency_keys WHERE org_id = :org_id AND (scope, key) IN "
    "(SELECT scope, key FROM idempotency_keys WHERE org_id = :org_id AND created_at < :before LIMIT :limit) "
    "RETURNING key"
)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `every_s` seconds; `work` returns how many things it did."""

    number: int
    name: str
    every_s: float
    work: Callable[["Job", Database, Settings, datetime], Awaitable[int]]


async def make_partitions(job: Job, database: Database, _settings: Settings, now: datetime) -> int:
    """Make the monthly partitions of trip points for this month and PARTITIONS_AHEAD more."""
    async with database.session(None) as session:
        if not await _mine(session, job):
            return 0
        made: int = (
            await session.execute(
                text("SELECT make_trip_point_partitions(CAST(:first AS date), CAST(:months AS integer))"),
                {"first": months_from(now.date(), 0), "months": PARTITIONS_AHEAD + 1},
            )
        ).scalar_one()
    return made


async def drop_partitions(job: Job, database: Database, settings: Settings, now: datetime) -> int:
    """Drop the partitions whose last day is older than the retention of trip points, if there is one."""
    if settings.trip_retention_days == 0:
        return 0
    async with database.session(None) as session:
        if not await _mine(session, job):
            return 0
        dropped: int = (
            await session.execute(
                text("SELECT drop_trip_point_partitions(CAST(:before AS date))"),
                {"before": now.date() - timedelta(days=settings.trip_retention_days)},
            )
        ).scalar_one()
    return dropped


async def delete_processed_events(job: Job, database: Database, settings: Settings, now: datetime) -> int:
    """Delete events that were handled longer ago than the outbox's retention; dead ones stay."""
    before = now - timedelta(days=settings.outbox_retention_days)
    return await _delete_everywhere(job, database, _DELETE_PROCESSED_EVENTS, before)


async def delete_idempotency_keys(job: Job, database: Database, _settings: Settings, now: datetime) -> int:
    """Delete idempotency keys older than RETENTION_HOURS."""
    before = now - timedelta(hours=RETENTION_HOURS)
    return await _delete_everywhere(job, database, _DELETE_IDEMPOTENCY_KEYS, before)


async def backfill_stripe_events(job: Job, database: Database, settings: Settings, now: datetime) -> int:
    """Take in Stripe's events that its webhooks did not bring; two workers at once do no harm."""
    gateway = gateway_of(settings)
    if gateway is None:
        return 0
    try:
        async with database.session(None) as session:
            if not await _mine(session, job):
                return 0
        return (await webhook_tools.backfill(database, gateway, since=None, now=now)).new
    finally:
        await gateway.close()


JOBS = (
    Job(1, "make_trip_point_partitions", 6 * 3600, make_partitions),
    Job(2, "drop_trip_point_partitions", 6 * 3600, drop_partitions),
    Job(3, "delete_processed_events", 3600, delete_processed_events),
    Job(4, "delete_idempotency_keys", 3600, delete_idempotency_keys),
    Job(5, "backfill_stripe_events", 3600, backfill_stripe_events),
)


async def keep_schedule(
    database: Database, settings: Settings, clock: Callable[[], datetime], jobs: tuple[Job, ...] = JOBS
) -> None:
    """Run each job at its interval until cancelled; one that fails comes again after RETRY_S."""
    loop = asyncio.get_running_loop()
    # S311: spreading load needs no cryptography.
    due = {job: loop.time() + random.uniform(0, FIRST_RUN_WITHIN_S) for job in jobs}  # noqa: S311
    while True:
        job = min(due, key=due.__getitem__)
        await asyncio.sleep(max(0.0, due[job] - loop.time()))
        done = await run_job(job, database, settings, now=clock())
        due[job] = loop.time() + (RETRY_S if done is None else job.every_s * random.uniform(0.9, 1.1))  # noqa: S311 - as above


async def run_job(job: Job, database: Database, settings: Settings, *, now: datetime) -> int | None:
    """Run one job; return how many things it did, or None when it failed (which is logged)."""
    try:
        done = await job.work(job, database, settings, now)
    except Exception as error:  # noqa: BLE001 - whatever fails in one job, the worker and the other jobs go on
        log.warning("scheduled job failed", job=job.name, error=describe(error))
        return None
    if done:
        log.info("scheduled job", job=job.name, done=done)
    return done


async def _delete_everywhere(job: Job, database: Database, statement: TextClause, before: datetime) -> int:
    """Delete old rows school by school, DELETE_BATCH a transaction; stop when another worker does it."""
    async with database.session(None) as session:
        schools = list(await session.scalars(text("SELECT id FROM orgs")))
    deleted = 0
    for org_id in schools:
        batch = DELETE_BATCH
        while batch == DELETE_BATCH:
            async with database.session(org_id) as session:
                if not await _mine(session, job):
                    return deleted
                result = await session.execute(
                    statement, {"org_id": org_id, "before": before, "limit": DELETE_BATCH}
                )
                batch = len(result.all())
            deleted += batch
    return deleted


async def _mine(session: AsyncSession, job: Job) -> bool:
    """Take the job's lock until the end of the transaction; return whether it was free."""
    taken: bool = (
        await session.execute(
            text("SELECT pg_try_advisory_xact_lock(:space, :number)"),
            {"space": _LOCK_SPACE, "number": job.number},
        )
    ).scalar_one()
    return taken
