"""The worker's periodic jobs, against the real tables."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text

from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker import schedule
from driveflow.entrypoints.worker.schedule import JOBS, Job, keep_schedule, run_job
from support.outbox import NOW, add_schools, emit_events, outbox_rows, worker_settings

MAKE, DROP, DELETE_EVENTS, DELETE_KEYS, BACKFILL = JOBS


async def partitions(owner: asyncpg.Connection) -> set[str]:
    rows: Sequence[asyncpg.Record] = await owner.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'trip_points'::regclass"
    )
    return {row[0] for row in rows}


async def test_partitions_of_the_coming_months_are_made_ahead_once(
    owner: asyncpg.Connection, pool: Database
) -> None:
    far = datetime(2031, 11, 15, tzinfo=UTC)
    assert await run_job(MAKE, pool, worker_settings(), now=far) == 4
    assert {
        f"trip_points_{month}" for month in ("2031_11", "2031_12", "2032_01", "2032_02")
    } <= await partitions(owner)
    assert await run_job(MAKE, pool, worker_settings(), now=far) == 0


async def test_partitions_go_when_all_of_their_days_are_older_than_the_retention(
    owner: asyncpg.Connection, pool: Database
) -> None:
    await run_job(MAKE, pool, worker_settings(), now=datetime(2031, 1, 1, tzinfo=UTC))
    before = await partitions(owner)
    assert await run_job(DROP, pool, worker_settings(), now=datetime(2040, 1, 1, tzinfo=UTC)) == 0
    assert await partitions(owner) == before
    # 30 days before 2031-03-15 is 2031-02-13: January is over, February is not.
    await run_job(DROP, pool, worker_settings(trip_retention_days=30), now=datetime(2031, 3, 15, tzinfo=UTC))
    left = await partitions(owner)
    assert "trip_points_2031_01" not in left
    assert {"trip_points_2031_02", "trip_points_2031_03", "trip_points_default"} <= left


async def test_events_handled_long_ago_are_deleted_in_every_school_and_no_others(
    owner: asyncpg.Connection, app: Database, pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "DELETE_BATCH", 3)
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await emit_events(app, org_id, 10)
        await owner.execute(
            "UPDATE outbox SET processed_at = CASE WHEN (payload ->> 'number')::int < 7 THEN $2::timestamptz "
            "WHEN (payload ->> 'number')::int = 7 THEN $3::timestamptz END, "
            "dead_at = CASE WHEN (payload ->> 'number')::int = 8 THEN $2::timestamptz END WHERE org_id = $1",
            org_id,
            NOW - timedelta(days=31),
            NOW - timedelta(days=29),
        )
    assert await run_job(DELETE_EVENTS, pool, worker_settings(outbox_retention_days=30), now=NOW) == 14
    for org_id in schools:
        assert [row.number for row in await outbox_rows(owner, [org_id])] == [7, 8, 9]


async def test_idempotency_keys_are_deleted_after_two_days(owner: asyncpg.Connection, pool: Database) -> None:
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await owner.executemany(
            "INSERT INTO idempotency_keys (org_id, scope, key, request_hash, created_at) "
            "VALUES ($1, 's', $2, '', $3)",
            [(org_id, "old", NOW - timedelta(hours=49)), (org_id, "new", NOW - timedelta(hours=47))],
        )
    assert await run_job(DELETE_KEYS, pool, worker_settings(), now=NOW) == 2
    assert {row["key"] for row in await owner.fetch("SELECT key FROM idempotency_keys")} == {"new"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
async def test_a_job_gives_way_while_another_worker_does_it(
    owner: asyncpg.Connection, app: Database, pool: Database, job: Job
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, 1)
    await owner.execute("UPDATE outbox SET processed_at = $1", NOW - timedelta(days=99))
    later = datetime(2050, 1, 1, tzinfo=UTC)
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock($1, $2)", schedule._LOCK_SPACE, job.number)
        assert await run_job(job, pool, worker_settings(trip_retention_days=1), now=later) == 0
    assert len(await outbox_rows(owner, [org_id])) == 1


async def test_a_job_that_fails_is_tried_again_and_the_others_go_on(
    pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "FIRST_RUN_WITHIN_S", 0.0)
    monkeypatch.setattr(schedule, "RETRY_S", 0.05)
    ran: list[str] = []

    async def refused(job: Job, database: Database, _settings: Settings, _now: datetime) -> int:
        ran.append(job.name)
        async with database.session(None) as session:
            await session.execute(text("SELECT no_such_function()"))
        return 0

    async def fine(job: Job, _database: Database, _settings: Settings, _now: datetime) -> int:
        ran.append(job.name)
        return 1

    jobs = (Job(98, "refused", 3600, refused), Job(99, "fine", 0.05, fine))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keep_schedule(pool, worker_settings(), lambda: NOW, jobs), 0.5)
    assert ran.count("refused") > 1
    assert ran.count("fine") > 1


async def test_without_a_key_of_stripe_nothing_is_backfilled(pool: Database) -> None:
    assert await run_job(BACKFILL, pool, worker_settings(), now=NOW) == 0
