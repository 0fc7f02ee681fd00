"""The seed's demo rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from driveflow.core.db import APP_ROLE, Database
from driveflow.sandbox.seed import seed, seed_json
from support.schools import MONDAY_10_SYDNEY

TABLES = (
    "orgs",
    "users",
    "user_orgs",
    "instructors",
    "students",
    "services",
    "rate_cards",
    "rate_card_items",
)


@pytest.fixture
async def fresh(fresh_database_url: str) -> AsyncIterator[Database]:
    pool = Database(fresh_database_url, role=APP_ROLE, pool_size=4)
    yield pool
    await pool.dispose()


async def _counts(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        tables = (*TABLES, "audit_logs")
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    finally:
        await connection.close()


async def test_seeding_makes_one_row_of_each_and_seeding_again_none(
    fresh: Database, fresh_database_url: str
) -> None:
    first = seed_json(await seed(fresh, now=MONDAY_10_SYDNEY))
    counts = await _counts(fresh_database_url)
    second = seed_json(await seed(fresh, now=MONDAY_10_SYDNEY + timedelta(days=1)))
    assert json.dumps(second) == json.dumps(first)
    assert await _counts(fresh_database_url) == counts
    assert [counts[table] for table in TABLES] == [1] * len(TABLES)


async def test_the_rows_are_those_of_the_schema_document(fresh: Database) -> None:
    rows = seed_json(await seed(fresh, now=MONDAY_10_SYDNEY))
    assert list(rows) == ["org", "owner", "instructor", "student", "service", "rate"]
    assert all(row["id"] for row in rows.values())
    expected: dict[str, dict[str, Any]] = {
        "org": {"name": "Demo Driving School", "slug": "demo-driving-school"},
        "owner": {"email": "owner@demo.com", "full_name": "Demo Owner"},
        "instructor": {"display_name": "Casey Instructor", "active": True},
        "student": {"full_name": "Alex Student"},
        "service": {"name": "60-min Lesson", "duration_min": 60},
        "rate": {
            "name": "Default 2025",
            "is_default": True,
            "currency": "AUD",
            "valid_from": None,
            "valid_to": None,
            "items": [{"service_id": rows["service"]["id"], "price_cents": 9500}],
        },
    }
    for name, fields in expected.items():
        assert {field: rows[name][field] for field in fields} == fields
    assert {rows[name]["org_id"] for name in ("instructor", "student", "service", "rate")} == {
        rows["org"]["id"]
    }


async def test_a_row_that_went_missing_is_made_again_and_the_others_are_kept(
    fresh: Database, fresh_database_url: str
) -> None:
    before = seed_json(await seed(fresh, now=MONDAY_10_SYDNEY))
    connection = await asyncpg.connect(fresh_database_url)
    await connection.execute("DELETE FROM students")
    await connection.close()
    after = seed_json(await seed(fresh, now=MONDAY_10_SYDNEY))
    assert after["student"]["id"] != before["student"]["id"]
    assert {**after, "student": None} == {**before, "student": None}


async def test_seeding_twice_at_once_makes_one_set_of_rows(fresh: Database, fresh_database_url: str) -> None:
    one, other = await asyncio.gather(seed(fresh, now=MONDAY_10_SYDNEY), seed(fresh, now=MONDAY_10_SYDNEY))
    assert seed_json(one) == seed_json(other)
    assert [(await _counts(fresh_database_url))[table] for table in TABLES] == [1] * len(TABLES)


async def test_every_row_but_people_of_the_control_plane_leaves_an_audit_row(
    fresh: Database, fresh_database_url: str
) -> None:
    await seed(fresh, now=MONDAY_10_SYDNEY)
    connection = await asyncpg.connect(fresh_database_url)
    actions = {row["action"] for row in await connection.fetch("SELECT action FROM audit_logs")}
    await connection.close()
    assert actions == {
        "ORG_CREATED",
        "INSTRUCTOR_CREATED",
        "STUDENT_CREATED",
        "SERVICE_CREATED",
        "RATE_CARD_CREATED",
        "RATE_CARD_ITEM_SET",
    }
