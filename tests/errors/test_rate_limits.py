"""How fast one key, and one address without a key, may ask: 429 with Retry-After beyond."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from driveflow.core.db import Database
from driveflow.core.errors import TooManyRequestsError
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.rate_limits import RateLimits
from support.schools import Client, Clock, School

HERE, ELSEWHERE = ("192.0.2.1", 1), ("192.0.2.2", 1)


@asynccontextmanager
async def limited(
    database: Database, clock: Clock, *, key_per_min: int = 1000, address_per_min: int = 1000
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two clients at different addresses of an application with low limits."""
    settings = Settings(
        _env_file=None, rate_limit_key_per_min=key_per_min, rate_limit_address_per_min=address_per_min
    )
    app = create_app(settings, database, clock=clock, access_log=False)
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app, client=HERE), base_url="http://a.test") as here,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=ELSEWHERE), base_url="http://a.test"
        ) as there,
    ):
        yield here, there


def assert_too_many(answer: httpx.Response) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_requests"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_a_key_beyond_its_rate_is_429_and_other_keys_are_not(
    school: School, other_school: School, database: Database, clock: Clock
) -> None:
    async with limited(database, clock, key_per_min=5) as (here, there):
        mine = Client(here, school.org_id, school.key)
        same_elsewhere = Client(there, school.org_id, school.key)
        neighbour = Client(here, other_school.org_id, other_school.key)
        # The request that proves a key is counted with its address.
        statuses = [(await mine.request("GET", "/students")).status_code for _ in range(6)]
        assert statuses == [200] * 6
        assert_too_many(await mine.request("GET", "/students"))
        assert_too_many(await mine.request("GET", "/bookings"))
        assert_too_many(await same_elsewhere.request("POST", "/students", json={"full_name": "Alex"}))
        assert (await neighbour.request("GET", "/students")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/me", "/api/v1/orgs/{org_id}/bookings", "/api/v1/orgs/{org_id}/slots"]
)
async def test_guessing_keys_is_counted_by_address_whatever_key_is_tried(
    school: School, database: Database, clock: Clock, path: str
) -> None:
    async with limited(database, clock, address_per_min=6) as (here, there):
        url = path.format(org_id=school.org_id)
        tried: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer dfk_x"},
            {"Authorization": f"Bearer {school.key[:-1]}"},
            {"Authorization": f"Bearer {school.key[:-4]}AAAA"},
            {"Authorization": "Basic Og=="},
            {"Authorization": "Bearer "},
        ]
        assert [(await here.get(url, headers=headers)).status_code for headers in tried] == [401] * 6
        for headers in tried:
            assert_too_many(await here.get(url, headers=headers))
        assert (await there.get(url)).status_code == 401


async def test_a_key_that_is_known_is_not_held_up_by_guesses_from_its_address(
    school: School, database: Database, clock: Clock
) -> None:
    async with limited(database, clock, address_per_min=3) as (here, _):
        known = Client(here, school.org_id, school.key)
        assert (await known.request("GET", "/students")).status_code == 200
        for _ in range(3):
            await here.get("/api/v1/me")
        assert_too_many(await here.get("/api/v1/me"))
        assert (await known.request("GET", "/students")).status_code == 200


async def test_device_tokens_cannot_be_guessed_at_leisure(database: Database, clock: Clock) -> None:
    async with limited(database, clock, address_per_min=3) as (here, _):
        report = {"id": "guess", "lat": "1", "lon": "1", "timestamp": "1"}
        assert [(await here.get("/gps/osmand", params=report)).status_code for _ in range(3)] == [404] * 3
        assert_too_many(await here.get("/gps/osmand", params=report))


class Seconds:
    """A clock of seconds that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_after_the_seconds_that_retry_after_names_the_next_request_is_allowed() -> None:
    seconds = Seconds()
    limits = RateLimits(key_per_min=10, address_per_min=10, clock=seconds)
    for _ in range(10):
        limits.check(None, "192.0.2.1")
    with pytest.raises(TooManyRequestsError) as refused:
        limits.check(None, "192.0.2.1")
    assert refused.value.retry_after_s == 6
    seconds.now += refused.value.retry_after_s - 0.5
    with pytest.raises(TooManyRequestsError):
        limits.check(None, "192.0.2.1")
    seconds.now += 0.5
    limits.check(None, "192.0.2.1")
    with pytest.raises(TooManyRequestsError):
        limits.check(None, "192.0.2.1")


def test_a_refused_request_costs_nothing() -> None:
    seconds = Seconds()
    limits = RateLimits(key_per_min=2, address_per_min=2, clock=seconds)
    limits.check(None, "a")
    limits.check(None, "a")
    for _ in range(100):
        with pytest.raises(TooManyRequestsError):
            limits.check(None, "a")
    seconds.now += 30
    limits.check(None, "a")
