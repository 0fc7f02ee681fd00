"""The hot statements reach their rows through indexes on the school, however full the tables are."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from driveflow.bookings import sql
from driveflow.core.db import APP_ROLE

SCHOOLS = 30
BIG_TABLES = ("bookings", "students")

FILL = f"""
INSERT INTO orgs (id, name, slug, cancellation_tiers)
SELECT md5('o' || o)::uuid, 'School ' || o, 'school-' || o, '[{{"hours_before": 0, "fee_percent": 0}}]'
FROM generate_series(1, {SCHOOLS}) o;
INSERT INTO instructors (org_id, id, display_name)
SELECT md5('o' || o)::uuid, md5(o || 'i' || i)::uuid, 'I' || i
FROM generate_series(1, {SCHOOLS}) o, generate_series(1, 5) i;
INSERT INTO students (org_id, id, full_name, search_text)
SELECT md5('o' || o)::uuid, md5(o || 's' || s)::uuid, 'S' || s, 's' || s
FROM generate_series(1, {SCHOOLS}) o, generate_series(1, 60) s;
INSERT INTO services (org_id, id, name, duration_min)
SELECT md5('o' || o)::uuid, md5('v' || o)::uuid, 'Lesson', 60 FROM generate_series(1, {SCHOOLS}) o;
INSERT INTO bookings (org_id, id, student_id, instructor_id, service_id, start_at, end_at, status,
    price_cents, platform_fee_cents, instructor_share_cents, time_zone, cancellation_tiers)
SELECT md5('o' || o)::uuid, gen_random_uuid(), md5(o || 's' || (1 + (i * 7 + n) % 60))::uuid,
    md5(o || 'i' || i)::uuid, md5('v' || o)::uuid, at, at + interval '1 hour', 'cancelled',
    100, 5, 95, 'UTC', '[]'
FROM generate_series(1, {SCHOOLS}) o, generate_series(1, 5) i, generate_series(1, 250) n,
    LATERAL (SELECT timestamptz '2026-01-01 00:00Z' + n * interval '9 hours') t (at);
ANALYZE
"""

SINCE = datetime.fromisoformat("2026-02-02T00:00:00+00:00")
UNTIL = SINCE + timedelta(days=7)


@pytest.fixture
async def app(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the application's role in one of many schools."""
    owner = await asyncpg.connect(fresh_database_url)
    await owner.execute(FILL)
    school = await owner.fetchval("SELECT md5('o1')::uuid")
    await owner.close()
    connection = await asyncpg.connect(
        fresh_database_url,
        # What the prepared statements of a busy process run with.
        server_settings={"role": APP_ROLE, "plan_cache_mode": "force_generic_plan"},
    )
    await connection.execute(f"SET app.org_id = '{school}'")
    yield connection
    await connection.close()


def statements(org: UUID, instructor: UUID, student: UUID, service: UUID) -> dict[str, tuple[str, list[Any]]]:
    days: list[date] = [SINCE.date(), UNTIL.date()]
    listing = sql.LIST.format(conditions="AND b.start_at >= $3 AND b.start_at < $4")
    return {
        "slot search": (sql.SEARCH, [org, service, None, SINCE, UNTIL, *days, None]),
        "booking": (sql.SITUATION, [org, instructor, student, service, SINCE, UNTIL, *days, org]),
        "week list": (listing, [org, 1001, SINCE, UNTIL]),
    }


@pytest.mark.parametrize("name", ["slot search", "booking", "week list"])
async def test_a_hot_statement_finds_its_rows_by_the_school(app: asyncpg.Connection, name: str) -> None:
    ids = await app.fetchrow(
        "SELECT md5('o1')::uuid AS a, md5('1i1')::uuid AS b, md5('1s1')::uuid AS c, md5('v1')::uuid AS d"
    )
    assert ids is not None
    statement, values = statements(ids[0], ids[1], ids[2], ids[3])[name]
    prepared = await app.prepare(statement)
    await prepared.fetch(*values)
    plan = await prepared.explain(*values, analyze=False)
    nodes = list(walk(plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"]))
    for node in nodes:
        if node.get("Relation Name") in BIG_TABLES:
            assert node["Node Type"] != "Seq Scan", node
            if node["Node Type"] in {"Index Scan", "Index Only Scan"}:
                assert "org_id = " in node["Index Cond"], node
        if node["Node Type"] == "Bitmap Index Scan":
            assert "org_id = " in node["Index Cond"], node
    assert any(node.get("Relation Name") in BIG_TABLES for node in nodes)


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)
