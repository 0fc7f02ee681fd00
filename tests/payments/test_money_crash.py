"""kill -9 in the middle of a call to Stripe: the same end, one charge, one refund.

Real processes against a sandbox that answers late: what dies has made its call, and knows nothing of it.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from driveflow.core.clock import utc_now
from driveflow.core.db import APP_ROLE, Database
from support.live_server import live_server
from support.schools import School, open_school
from support.stripe_sandbox import StripeSandbox, stripe_sandbox
from support.stripe_webhooks import deliver

pytestmark = pytest.mark.crash

LATE_MS = 4_000
DEADLINE_S = 60


@pytest.fixture
def late_sandbox() -> Iterator[StripeSandbox]:
    """A sandbox in real time."""
    with stripe_sandbox() as running:
        yield running


def settings(sandbox: StripeSandbox) -> dict[str, str]:
    return {
        "DRIVEFLOW_STRIPE_SECRET_KEY": sandbox.secret_key,
        "DRIVEFLOW_STRIPE_API_BASE": sandbox.base_url,
        "DRIVEFLOW_STRIPE_WEBHOOK_SECRETS": sandbox.webhook_secret,
    }


@contextmanager
def worker(database_url: str, sandbox: StripeSandbox) -> Iterator[subprocess.Popen[bytes]]:
    """`driveflow worker` as a process of its own; killed at the end of the block."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")},
        "DRIVEFLOW_DATABASE_URL": database_url,
        "DRIVEFLOW_OUTBOX_POLL_S": "0.2",
        **settings(sandbox),
    }
    with tempfile.TemporaryDirectory(prefix="driveflow-worker-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "driveflow.entrypoints", "worker"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@asynccontextmanager
async def school_behind(base_url: str, database_url: str) -> AsyncIterator[School]:
    """A school that is reached over the net."""
    database = Database(database_url, role=APP_ROLE, pool_size=1)
    async with httpx.AsyncClient(base_url=base_url, timeout=DEADLINE_S, trust_env=False) as http:
        yield await open_school(http, database, utc_now)  # type: ignore[arg-type]  # the machine's own clock
    await database.dispose()


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await happened():  # noqa: ASYNC110 - other processes set no Event
            await asyncio.sleep(0.1)


def made(sandbox: StripeSandbox, path: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        sandbox.base_url + path,
        headers={"Authorization": f"Bearer {sandbox.secret_key}"},
        timeout=DEADLINE_S,
        trust_env=False,
    )
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def tell(school: School, sandbox: StripeSandbox) -> None:
    """Deliver every event of the sandbox, oldest first."""
    for event in reversed(made(sandbox, "/v1/events?limit=100")):
        answer = await deliver(school.http, event, at=utc_now(), secret=sandbox.webhook_secret)
        assert answer.status_code == 200, answer.text


async def test_web_and_worker_are_killed_in_the_middle_of_their_calls(
    fresh_database_url: str, late_sandbox: StripeSandbox
) -> None:
    owner = await asyncpg.connect(fresh_database_url)
    given = settings(late_sandbox)
    with live_server(fresh_database_url, environment=given) as first:
        async with school_behind(first.base_url, fresh_database_url) as school:
            ready = await school.ready()
            start_at = (utc_now() + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
            booking = await school.book(ready, start_at, override_hours=True)
            path, key = f"/bookings/{booking['id']}/payment", {"Idempotency-Key": "once"}
            late_sandbox.control.fault("slow_after", path="/v1/checkout/sessions", ms=LATE_MS)
            asked = asyncio.create_task(school.request("POST", path, json={}, headers=key))

            async def page_is_made() -> bool:
                return bool(made(late_sandbox, "/v1/checkout/sessions"))

            await until(page_is_made)
            first.kill()
            with pytest.raises(httpx.TransportError):
                await asked

    with live_server(fresh_database_url, environment=given) as second:
        async with httpx.AsyncClient(base_url=second.base_url, timeout=DEADLINE_S, trust_env=False) as http:
            school.http = http
            started = await school.post(path, {}, headers=key, expect=200)
            [page] = made(late_sandbox, "/v1/checkout/sessions")
            assert started["checkout_url"] == page["url"]
            assert late_sandbox.pay(page["url"]).is_redirect
            await tell(school, late_sandbox)
            payment_path = f"/payments/{started['payment']['id']}"

            async def is_paid() -> bool:
                status: str = (await school.get(payment_path))["status"]
                return status == "succeeded"

            with worker(fresh_database_url, late_sandbox) as doomed:
                await until(is_paid)
                late_sandbox.control.fault("slow_after", path="/v1/refunds", ms=LATE_MS)
                await school.post(f"{payment_path}/refunds", {"amount_cents": 2_000, "reason": "Late"})

                async def refund_is_made() -> bool:
                    return bool(made(late_sandbox, "/v1/refunds"))

                await until(refund_is_made)
                doomed.kill()
            [refund] = (await school.get(f"{payment_path}/refunds"))["items"]
            assert refund["status"] == "pending"
            # As after two minutes: the lease of the dead is over.
            await owner.execute("UPDATE outbox SET available_at = now() WHERE processed_at IS NULL")

            async def is_refunded() -> bool:
                status: str = (await school.get(payment_path))["status"]
                return status == "partially_refunded"

            with worker(fresh_database_url, late_sandbox):
                await until(is_refunded)
            balances = (await school.get("/ledger/balances"))["balances"]
    await owner.close()
    assert len(made(late_sandbox, "/v1/charges")) == len(made(late_sandbox, "/v1/refunds")) == 1
    by_account = {row["account"]: row["balance_cents"] for row in balances}
    assert (by_account["customers"], by_account["refunds"]) == (-7_500, 0)
    assert sum(by_account.values()) == 0
