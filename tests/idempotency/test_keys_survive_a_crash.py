"""A key outlives its process: what was committed before kill -9 is answered again, and happens once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from driveflow.core.db import APP_ROLE, Database
from support.live_server import live_server
from support.schools import Clock, School, open_school

pytestmark = pytest.mark.crash


async def _school_at(url: str, http: httpx.AsyncClient) -> School:
    database = Database(url, role=APP_ROLE, pool_size=1)
    try:
        return await open_school(http, database, Clock(datetime.now(UTC)))
    finally:
        await database.dispose()


def _on_a_day(days: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


async def _committed(owner: asyncpg.Connection, org_id: UUID, key: str) -> None:
    """Wait until the write with this key is committed."""
    async with asyncio.timeout(20):
        while not await owner.fetchval(  # noqa: ASYNC110 - the database sets no Event
            "SELECT status_code FROM idempotency_keys WHERE org_id = $1 AND key = $2", org_id, key
        ):
            await asyncio.sleep(0.001)


async def test_a_write_whose_process_was_killed_after_the_commit_is_answered_again_by_the_next(
    fresh_database_url: str,
) -> None:
    owner = await asyncpg.connect(fresh_database_url)
    first: dict[str, bytes] = {}
    with live_server(fresh_database_url) as server:
        async with httpx.AsyncClient(base_url=server.base_url) as http:
            school = await _school_at(fresh_database_url, http)
            ready = await school.ready()
            writes: dict[str, tuple[str, Any]] = {
                "answered": ("/bookings", ready.booking(_on_a_day(5))),
                "cold, answered": ("/students", {"full_name": "Alex"}),
                "lost": ("/bookings", ready.booking(_on_a_day(6))),
            }
            for key in ("answered", "cold, answered"):
                path, body = writes[key]
                answer = await school.request(
                    "POST", path, json=body, headers={"Idempotency-Key": key}, expect=201
                )
                first[key] = answer.content
            path, body = writes["lost"]
            lost = asyncio.ensure_future(
                school.request("POST", path, json=body, headers={"Idempotency-Key": "lost"})
            )
            await _committed(owner, school.org_id, "lost")
            server.kill()
            # Its answer may have left in that millisecond; then the next must be the same.
            [outcome] = await asyncio.gather(lost, return_exceptions=True)
            if isinstance(outcome, httpx.Response):
                first["lost"] = outcome.content

    with live_server(fresh_database_url) as server:
        async with httpx.AsyncClient(base_url=server.base_url) as http:
            school.http = http
            for key, (path, body) in writes.items():
                again = await school.request(
                    "POST", path, json=body, headers={"Idempotency-Key": key}, expect=201
                )
                assert again.headers["idempotency-replayed"] == "true"
                assert again.content == first.get(key, again.content)
            other = await school.request(
                "POST",
                "/bookings",
                json=writes["lost"][1] | {"notes": "x"},
                headers={"Idempotency-Key": "lost"},
            )
            assert other.json()["code"] == "idempotency_key_reused"
    assert await owner.fetchval("SELECT count(*) FROM bookings WHERE org_id = $1", school.org_id) == 2
    await owner.close()
