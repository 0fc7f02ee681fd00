"""A database that is cut off, slow or silent: a clear 503, and everything works again by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from driveflow.core.db import APP_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.cable import Cable, cable_to
from support.schools import Clock, Ready, School, open_school

RECOVERY_S = 5.0
# Short where production is patient, so that the tests are quick; the order of the times is the same.
COMMAND_TIMEOUT_S = 1.5
CONNECT_TIMEOUT_S = 1.2
POOL_TIMEOUT_S = 2.0
POOL_SIZE = 4


@pytest.fixture
async def cable(database_url: str) -> AsyncIterator[Cable]:
    async with cable_to(database_url) as cable:
        yield cable


@pytest.fixture
async def school(cable: Cable, clock: Clock) -> AsyncIterator[School]:
    """A school whose application reaches its database through the cable."""
    async with application(cable, clock) as school:
        yield school


@asynccontextmanager
async def application(cable: Cable, clock: Clock) -> AsyncIterator[School]:
    database = Database(
        cable.url,
        role=APP_ROLE,
        pool_size=POOL_SIZE,
        command_timeout_s=COMMAND_TIMEOUT_S,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        pool_timeout_s=POOL_TIMEOUT_S,
    )
    app = create_app(
        Settings(_env_file=None, rate_limit_key_per_min=1_000_000), database, clock=clock, access_log=False
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test") as http,
    ):
        school = await open_school(http, database, clock)
        await fill_pool(school)
        yield school
    await database.dispose()


async def fill_pool(school: School) -> None:
    """Use every connection of the pool once, so that all of them can break."""
    answers = await asyncio.gather(*(school.request("GET", "/students") for _ in range(3 * POOL_SIZE)))
    assert {answer.status_code for answer in answers} == {200}


def assert_says_unavailable(answer: httpx.Response) -> None:
    """Check the problem that a client gets while the database is away."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert problem["code"] == "unavailable"
    assert problem["request_id"] == answer.headers["x-request-id"]
    for secret in ("postgres", "asyncpg", "127.0.0.1", "Traceback", "SELECT"):
        assert secret not in answer.text


async def recovered(school: School) -> float:
    """Ask until the first success; return how many seconds that took, then expect no failure at all."""
    began = time.monotonic()
    while (await school.request("GET", "/students")).status_code != 200:
        assert time.monotonic() - began < RECOVERY_S, "not back in time"
        await asyncio.sleep(0.05)
    took_s = time.monotonic() - began
    answers = await asyncio.gather(*(school.request("GET", "/students") for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    return took_s


async def asked(school: School, ready: Ready | None = None) -> list[httpx.Response]:
    """Ask by the cold and the hot way, reading and writing, and whether the process is ready."""
    requests = [
        school.request("GET", "/students"),
        school.request("POST", "/students", json={"full_name": "Alex"}),
        school.request("POST", "/students", json={"full_name": "Alex"}, headers={"Idempotency-Key": "k"}),
        school.request("GET", "/bookings"),
        school.http.get("/readyz"),
    ]
    if ready is not None:
        body = ready.booking(school.clock.now + timedelta(hours=24))
        requests.append(school.request("POST", "/bookings", json=body))
    return list(await asyncio.gather(*requests))


async def test_a_cut_cable_is_503_at_once_and_service_returns_with_the_database(
    school: School, cable: Cable
) -> None:
    ready = await school.ready()
    students = (await school.get("/students"))["items"]
    await cable.cut()
    for _ in range(3):
        began = time.monotonic()
        for answer in await asked(school, ready):
            assert_says_unavailable(answer)
        assert time.monotonic() - began < 1
    assert (await school.http.get("/healthz")).status_code == 200
    await cable.plug_in()
    assert await recovered(school) < RECOVERY_S
    # What was answered with 503 was not saved, and can now be done.
    assert (await school.get("/students"))["items"] == students
    await school.book(ready, school.clock.now + timedelta(hours=24))


async def test_connections_that_the_server_ended_meanwhile_cost_no_request(
    school: School, cable: Cable
) -> None:
    for _ in range(3):
        await fill_pool(school)
        cable.reset()
        # The event loop learns of the end before the next request arrives.
        await asyncio.sleep(0.05)
        answers = await asked(school)
        assert [answer.status_code for answer in answers[:1] + answers[3:]] == [200, 200, 200]


async def test_a_cable_cut_under_running_requests_gives_each_an_answer(school: School, cable: Cable) -> None:
    cable.delay_s = 0.05
    running = [asyncio.ensure_future(school.request("GET", "/students")) for _ in range(12)]
    await asyncio.sleep(0.1)
    await cable.cut()
    for answer in await asyncio.wait_for(asyncio.gather(*running), 10):
        assert_says_unavailable(answer)
    cable.restore()
    await cable.plug_in()
    assert await recovered(school) < RECOVERY_S


async def test_a_slow_database_is_only_slow(school: School, cable: Cable) -> None:
    ready = await school.ready()
    cable.delay_s = 0.03
    assert [answer.status_code for answer in await asked(school, ready)] == [200, 201, 201, 200, 200, 201]
    cable.restore()
    assert await recovered(school) < 1


async def test_a_database_slower_than_the_timeout_is_503_and_then_serves_again(
    school: School, cable: Cable
) -> None:
    cable.delay_s = 2 * COMMAND_TIMEOUT_S
    for answer in await asyncio.wait_for(asked(school), 15):
        assert_says_unavailable(answer)
    cable.restore()
    assert await recovered(school) < RECOVERY_S


async def test_a_black_hole_ends_every_request_in_bounded_time_and_leaves_no_connection_stuck(
    school: School, cable: Cable
) -> None:
    ready = await school.ready()
    await fill_pool(school)
    cable.swallow()
    began = time.monotonic()
    # More requests than connections: the ones that wait for a connection must end too.
    waves = await asyncio.gather(*(asked(school, ready) for _ in range(3)))
    # One that had a connection: its command, its rollback, its end. One that waited: the pool's time before.
    bound_s = POOL_TIMEOUT_S + 2 * COMMAND_TIMEOUT_S + CONNECT_TIMEOUT_S + 4
    assert time.monotonic() - began < bound_s
    for answer in [answer for wave in waves for answer in wave]:
        assert_says_unavailable(answer)
    cable.restore()
    assert await recovered(school) < RECOVERY_S


async def test_requests_that_clients_gave_up_in_a_black_hole_give_their_connections_back(
    school: School, cable: Cable
) -> None:
    cable.swallow()
    running = [asyncio.ensure_future(school.request("GET", "/bookings")) for _ in range(POOL_SIZE)]
    await asyncio.sleep(0.1)
    for request in running:
        request.cancel()
    await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 10)
    cable.restore()
    assert await recovered(school) < RECOVERY_S


@pytest.mark.parametrize("path", ["/students", "/bookings"])
async def test_connections_that_died_without_a_word_cost_one_request_not_one_each(
    school: School, cable: Cable, path: str
) -> None:
    await fill_pool(school)
    cable.forget()
    began = time.monotonic()
    assert_says_unavailable(await school.request("GET", path))
    assert time.monotonic() - began < 2 * COMMAND_TIMEOUT_S + 0.5
    assert await recovered(school) < 0.5
