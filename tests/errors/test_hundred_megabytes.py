"""A real server under bodies of up to 100 MB: refused, without the memory for them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from driveflow.core.db import APP_ROLE, Database
from support.live_server import live_server
from support.schools import Clock, open_school

MEGABYTE = 1_000_000
GROWTH_LIMIT_BYTES = 50 * MEGABYTE


async def _body(size: int) -> AsyncIterator[bytes]:
    chunk = b" " * 65_536
    for _ in range(size // len(chunk)):
        yield chunk
    yield chunk[: size % len(chunk)]


async def _send(http: httpx.AsyncClient, path: str, key: str, size: int, *, declared: bool) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    if declared:
        headers["Content-Length"] = str(size)
    return await http.post(path, headers=headers, content=_body(size))


@pytest.mark.crash
async def test_bodies_of_any_size_are_refused_within_50_mb_of_memory(fresh_database_url: str) -> None:
    database = Database(fresh_database_url, role=APP_ROLE, pool_size=1)
    with live_server(fresh_database_url) as server:
        process = psutil.Process(server.process.pid)
        async with httpx.AsyncClient(base_url=server.base_url, timeout=60) as http:
            school = await open_school(http, database, Clock(datetime.now(UTC)))
            root = f"/api/v1/orgs/{school.org_id}"
            paths = [
                f"{root}/students",
                f"{root}/bookings",
                f"{root}/trips/{school.org_id}/points",
                "/gps/osmand",
            ]
            for path in paths:
                await _send(http, path, school.key, 900_000, declared=True)
            before = process.memory_info().rss
            peak = before
            for size in (1, MEGABYTE, MEGABYTE + 1, 10 * MEGABYTE, 100 * MEGABYTE):
                for declared in (True, False):
                    # Every path at once: the limit is the process's, not the request's.
                    big = [path for path in paths if size < 100 * MEGABYTE or path == paths[0]]
                    sending = asyncio.gather(
                        *(_send(http, path, school.key, size, declared=declared) for path in big)
                    )
                    while not sending.done():
                        peak = max(peak, process.memory_info().rss)
                        await asyncio.sleep(0.01)
                    for answer in await sending:
                        assert (
                            answer.status_code == 413 if size > MEGABYTE else 400 <= answer.status_code < 500
                        )
                        assert answer.headers["content-type"] == "application/problem+json"
            assert peak - before < GROWTH_LIMIT_BYTES, f"grew by {(peak - before) / MEGABYTE:.0f} MB"
            assert (await school.request("GET", "/students")).status_code == 200
    await database.dispose()
