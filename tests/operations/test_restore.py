"""A backup is worth what its restoration is worth (quality.md 19)."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx

from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.worker.loop import Worker
from driveflow.integrations.embedded_postgres_binaries import find_binaries
from support.databases import Cluster
from support.drives import northwards
from support.schools import Clock, School, open_school


async def test_a_restored_backup_has_every_row_and_satisfies_doctor_and_reconcile(
    cluster: Cluster, tmp_path: Path
) -> None:
    dump = tmp_path / "driveflow.dump"
    with cluster.clone() as url, cluster.empty() as restored:
        await _live_a_day(url)
        before = await _rows(url)
        for table in ("bookings", "trip_points", "payments", "refunds", "payouts", "ledger_entries"):
            assert before[table], table
        await _run(_tool("pg_dump"), "--format=custom", f"--file={dump}", url)
        await _run(_tool("pg_restore"), "--exit-on-error", f"--dbname={restored}", str(dump))
        assert await _rows(restored) == before
        for command in ("doctor", "reconcile"):
            await _run(str(Path(sys.executable).parent / "driveflow"), command, database=restored)


async def _live_a_day(url: str) -> None:
    """Let a school drive a lesson, take cash, keep a fee and owe a refund, and its worker do the rest."""
    clock = Clock()
    web, workers = Database(url, role=APP_ROLE, pool_size=4), Database(url, role=WORKER_ROLE, pool_size=4)
    settings = Settings(_env_file=None)
    try:
        app = create_app(settings, web, clock=clock, access_log=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test") as http,
        ):
            school = await open_school(http, web, clock)
            worker = Worker(workers, settings, clock=clock)
            await _business_of(school)
            await worker.run_until_idle()
            await _hand_over_cash(school)
            await worker.run_until_idle()
    finally:
        await web.dispose()
        await workers.dispose()


async def _business_of(school: School) -> None:
    ready = await school.ready()
    driven = await school.book(ready, school.clock.now, override_hours=True)
    lesson_id = (await school.post(f"/bookings/{driven['id']}/start", expect=200))["lesson_id"]
    trip = await school.post(f"/lessons/{lesson_id}/trips")
    await school.post(f"/trips/{trip['id']}/points", northwards(school.clock.now, 30), expect=200)
    school.clock.advance(hours=1)
    await school.post(f"/trips/{trip['id']}/stop", expect=200)
    await school.post(f"/bookings/{driven['id']}/complete", {}, expect=200)
    missed = await school.book(ready, school.clock.now + timedelta(hours=3))
    for booking in (driven, missed):
        await school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    cancelled = {"reason": "Ill", "for_student": True}
    await school.post(f"/bookings/{missed['id']}/cancel", cancelled, expect=200)


async def _hand_over_cash(school: School) -> None:
    """Give back what the late cancellation left above its fee."""
    for payment in (await school.get("/payments"))["items"]:
        for refund in (await school.get(f"/payments/{payment['id']}/refunds"))["items"]:
            await school.post(f"/refunds/{refund['id']}/retry", expect=200)


async def _rows(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        return {
            row["relname"]: await connection.fetchval(f"SELECT count(*) FROM {row['relname']}")
            for row in tables
        }
    finally:
        await connection.close()


def _tool(name: str) -> str:
    return str(find_binaries().folder / name)


async def _run(*command: str, database: str | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")}
    if database:
        environment["DRIVEFLOW_DATABASE_URL"] = database
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
