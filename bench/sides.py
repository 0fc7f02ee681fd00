"""The servers that race: DriveFlow and the two variants of the peer, each with its load and its broom."""

import os
import sys
import urllib.request
from pathlib import Path

from bench import ids
from bench.load_data import BENCH, LUA_IDS, ROOT, WORK
from bench.postgres import psql
from bench.race import WRITES, HttpSide, Job
from bench.serve import POOL_SIZE

DRIVEFLOW, TYPICAL, TUNED = "DriveFlow", "typical", "tuned"
# The days that are searched and booked lie after the first; the points, which cannot come from the future,
# lie in the month before the second.
NOW = {job: "2031-02-01T00:00:00+00:00" if job is Job.GPS else "2026-03-01T00:00:00+00:00" for job in Job}
CLEAN_SQL = BENCH / "sql" / "clean.sql"

_DRIVEFLOW_WRITTEN = {
    Job.BOOK: "SELECT count(*) FROM bookings WHERE start_at >= '2029-01-01'",
    Job.GPS: "SELECT count(*) FROM trip_points WHERE ts >= '2029-01-01'",
}
_PEER_WRITTEN = {
    Job.BOOK: """SELECT count(*) FROM "Booking" WHERE "startAt" >= '2029-01-01'""",
    Job.GPS: """SELECT count(*) FROM "TripPoint" WHERE ts >= '2029-01-01'""",
}
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid() AND state <> 'idle'
"""
_PEER_CLEAN = (
    """DELETE FROM "Booking" WHERE "startAt" >= '2029-01-01'""",
    """DELETE FROM "TripPoint" WHERE ts >= '2029-01-01'""",
    'TRUNCATE "AuditLog", "Outbox"',
    'VACUUM ANALYZE "Booking"',
    'VACUUM ANALYZE "TripPoint"',
    "CHECKPOINT",
)


def driveflow(url: str) -> HttpSide:
    """Return DriveFlow with all it has on: authentication, tenancy, row-level security, rate limits."""
    org = ids.org(0)
    week = f"from={ids.midnight(0, 7)}&to={ids.midnight(0, 14)}"
    path = f"/api/v1/orgs/{org}/slots?service_id={ids.service(0, 1)}&{week}"
    headers = {"Authorization": f"Bearer {ids.api_key(org)}"}
    return HttpSide(
        name=DRIVEFLOW,
        command=lambda job, port: [sys.executable, "-m", "bench.serve", str(port), url, NOW[job]],
        folder=ROOT,
        log=WORK / "driveflow.log",
        environment=_with_bytecode(),
        first_slots=lambda port: urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers),
        load=lambda job, base: [str(BENCH / "load.lua"), str(LUA_IDS), job.value, _base(job, base)],
        clean=lambda: clean_driveflow(url),
        rows_written=lambda job: int(psql(url, "-c", _DRIVEFLOW_WRITTEN[job])),
        busy_backends=lambda: int(psql(url, "-c", _BUSY)),
    )


def _with_bytecode() -> dict[str, str]:
    # An installed package has its bytecode; a checkout that may keep none would compile at each start.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(WORK / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def clean_driveflow(url: str) -> None:
    """Remove what a round wrote into DriveFlow's database."""
    psql(url, "-f", str(CLEAN_SQL))


def peer(folder: Path, url: str, *, tuned: bool) -> HttpSide:
    """Return a variant of the peer, started as its README says."""
    prefix = "/tuned" if tuned else ""
    path = f"{prefix}/orgs/{ids.org(0)}/slots?serviceId={ids.service(0, 1)}&from=2026-03-09&days=7"
    environment = {**os.environ, "NODE_ENV": "production", "DATABASE_URL": url, "POOL": str(POOL_SIZE)}
    environment.pop("PREP", None)
    if tuned:
        environment["PREP"] = "1"
    return HttpSide(
        name=TUNED if tuned else TYPICAL,
        command=lambda _job, port: ["env", f"PORT={port}", "node", "server.mjs"],
        folder=folder,
        log=WORK / "peer.log",
        environment=environment,
        first_slots=lambda port: urllib.request.Request(f"http://127.0.0.1:{port}{path}"),
        load=lambda job, base: [str(folder / "load.lua"), job.value, _base(job, base), prefix],
        clean=lambda: _clean_peer(url),
        rows_written=lambda job: int(psql(url, "-c", _PEER_WRITTEN[job])),
        busy_backends=lambda: int(psql(url, "-c", _BUSY)),
    )


def _base(job: Job, base: int) -> str:
    # What is written lies in the year 2030 + base, and is removed after each round: one year is enough.
    return "1" if job in WRITES else str(base)


def _clean_peer(url: str) -> None:
    # The same statements as `peer clean`, without its subshells.
    psql(url, *(part for statement in _PEER_CLEAN for part in ("-c", statement)))
