"""Makes the two databases of a race: DriveFlow's and the peer's, with the same rows; keeps them between runs.

A database is made anew when what it was made from has changed; its comment holds a hash of that.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from bench import ids
from bench.postgres import MissingError, Server, psql

BENCH = Path(__file__).parent
ROOT = BENCH.parent
WORK = BENCH / ".work"
LUA_IDS = WORK / "ids.lua"
DRIVEFLOW_DATABASE = "bench_driveflow"
PEER_DATABASE = "bench_peer"
_NODE_MAJOR = 20

# Both sides' rows in the same words; each line of the answer must be the same.
_DRIVEFLOW_ROWS = """
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', id, org_id, instructor_id, student_id, service_id,
        extract(epoch FROM start_at)::bigint, extract(epoch FROM end_at)::bigint, status, price_cents) AS row
    FROM bookings WHERE start_at < '2029-01-01') rows
UNION ALL
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', instructor_id, day_of_week + 1, start_minute, end_minute) AS row
    FROM instructor_availabilities WHERE effective_from IS NULL) rows
UNION ALL
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', trip_id, count(*), max(extract(epoch FROM ts)::bigint)) AS row
    FROM trip_points WHERE ts < '2029-01-01' GROUP BY trip_id) rows
"""
_PEER_ROWS = """
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', id, "orgId", "instructorId", "studentId", "serviceId",
        extract(epoch FROM "startAt")::bigint, extract(epoch FROM "endAt")::bigint, status,
        "priceCents") AS row
    FROM "Booking" WHERE "startAt" < '2029-01-01') rows
UNION ALL
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', "instructorId", "dayOfWeek", "startMinute", "endMinute") AS row
    FROM "InstructorAvailability") rows
UNION ALL
SELECT count(*), md5(string_agg(row, '' ORDER BY row)) FROM (
    SELECT concat_ws('|', "tripId", count(*), max(extract(epoch FROM ts)::bigint)) AS row
    FROM "TripPoint" WHERE ts < '2029-01-01' GROUP BY "tripId") rows
"""


def prepare_driveflow(server: Server) -> str:
    """Return the address of DriveFlow's database, migrated and filled, with its schools' keys."""
    migrations = (ROOT / "src" / "driveflow" / "migrations" / "versions").glob("*.py")
    keys = keys_sql(ids.ORGS)
    url = server.url(DRIVEFLOW_DATABASE)
    made_from = _hash_of([BENCH / "sql" / "data.sql", *sorted(migrations)], keys)
    if _comment(server, DRIVEFLOW_DATABASE) != made_from:
        from driveflow.entrypoints.migrate import migrate  # noqa: PLC0415 - only where it is used

        _create(server, DRIVEFLOW_DATABASE)
        asyncio.run(migrate(url))
        psql(url, "-f", str(BENCH / "sql" / "data.sql"))
        psql(url, "-c", keys)
        psql(url, "-c", "VACUUM (ANALYZE)")
        psql(url, "-c", f"COMMENT ON DATABASE {DRIVEFLOW_DATABASE} IS '{made_from}'")
    ids.write_lua(LUA_IDS)
    return url


def keys_sql(orgs: int, stride: int = 1) -> str:
    """Return the statement that gives schools the bench's owner key: `orgs` of them, every `stride`-th."""
    from driveflow.orgs.api_keys import hash_of  # noqa: PLC0415 - only where it is used

    rows = ", ".join(
        f"('{org_id}', '{org_id}', 'bench', '\\x{hash_of(ids.api_key(org_id)).hex()}', 'owner', '....')"
        for org_id in (ids.org(number * stride) for number in range(orgs))
    )
    return f"INSERT INTO api_keys (org_id, id, name, key_hash, role, hint) VALUES {rows}"


def find_peer() -> Path | None:
    """Return the folder of the peer, if there is one."""
    folder = Path(os.environ.get("BENCH_PEER") or ROOT.parent / "shared" / "peer")
    return folder if (folder / "server.mjs").exists() else None


def prepare_peer(server: Server, source: Path) -> tuple[Path, str]:
    """Copy the peer to bench/.work, set it up, and return its copy and its database's address.

    Raises MissingError without Node.js, and CalledProcessError when its set-up fails.
    """
    _require_node()
    copy, url = WORK / "peer", server.url(PEER_DATABASE)
    made_from = _hash_of(
        [source / name for name in ("server.mjs", "data.sql", "ddl.sql", "package-lock.json")]
    )
    if (copy / "node_modules").exists() and _comment(server, PEER_DATABASE) == made_from:
        return copy, url
    shutil.copytree(
        source,
        copy,
        dirs_exist_ok=True,
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns("node_modules"),
    )
    for path in (copy, copy / "prisma", copy / "peer"):  # the source may be read-only, its copied modes too
        path.chmod(0o755)
    _create(server, PEER_DATABASE)
    subprocess.run([str(copy / "peer"), "setup", url], check=True)
    psql(url, "-c", f"COMMENT ON DATABASE {PEER_DATABASE} IS '{made_from}'")
    return copy, url


def assert_same_rows(driveflow_url: str, peer_url: str) -> None:
    """Raise AssertionError unless both databases hold the same bookings, hours and trip points."""
    ours, theirs = psql(driveflow_url, "-c", _DRIVEFLOW_ROWS), psql(peer_url, "-c", _PEER_ROWS)
    if ours != theirs:
        raise AssertionError(f"The databases differ.\nDriveFlow:\n{ours}\npeer:\n{theirs}")


def _require_node() -> None:
    node = shutil.which("node")
    version = (
        subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
        if node
        else "v0"
    )
    if int(version.removeprefix("v").partition(".")[0]) < _NODE_MAJOR or not shutil.which("npm"):
        raise MissingError(f"the peer needs Node.js {_NODE_MAJOR} or later with npm")


def _create(server: Server, database: str) -> None:
    psql(server.admin_url, "-c", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    psql(server.admin_url, "-c", f"CREATE DATABASE {database}")


def _comment(server: Server, database: str) -> str:
    query = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{database}'"
    return psql(server.admin_url, "-c", query)


def _hash_of(paths: list[Path], more: str = "") -> str:
    digest = hashlib.sha256(more.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
