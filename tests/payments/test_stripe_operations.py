"""What operators do about Stripe: look whether it answers, replay and backfill its events."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from driveflow.core.clock import utc_now
from driveflow.core.db import Database
from driveflow.core.errors import NotFoundError, OperatorError
from driveflow.core.ids import new_id
from driveflow.core.settings import Settings
from driveflow.entrypoints.doctor import examine
from driveflow.entrypoints.runtime import Addresses
from driveflow.entrypoints.webhook_tools import Replayed, backfill_by_command, replay
from driveflow.entrypoints.worker.schedule import JOBS, run_job
from support.schools import School
from support.stripe_sandbox import StripeSandbox, stripe_sandbox


@pytest.fixture
def real_time_sandbox() -> Iterator[StripeSandbox]:
    with stripe_sandbox() as running:
        yield running


@pytest.fixture
def addresses(database_url: str) -> Addresses:
    return Addresses(owner=database_url, app=database_url, worker=database_url, embedded_in=None)


def settings(sandbox: StripeSandbox | None, **more: Any) -> Settings:
    if sandbox is None:
        return Settings(_env_file=None, **more)
    given = {"stripe_secret_key": sandbox.secret_key, "stripe_api_base": sandbox.base_url, **more}
    return Settings(_env_file=None, **given)


async def pay_somehow(sandbox: StripeSandbox, **metadata: str) -> None:
    """Take a payment behind DriveFlow's back."""
    form = {
        "amount": "9500",
        "currency": "aud",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        **{f"metadata[{name}]": value for name, value in metadata.items()},
    }
    headers = {"Authorization": f"Bearer {sandbox.secret_key}"}
    async with httpx.AsyncClient(trust_env=False) as http:
        paid = await http.post(f"{sandbox.base_url}/v1/payment_intents", data=form, headers=headers)
    assert paid.is_success, paid.text


async def test_the_doctor_says_whether_stripe_answers_and_what_is_missing(
    addresses: Addresses, real_time_sandbox: StripeSandbox
) -> None:
    async def finding(sandbox: StripeSandbox | None, **more: Any) -> tuple[str, str]:
        findings = await examine(settings(sandbox, **more), addresses)
        [found] = [found for found in findings if found.subject == "Stripe"]
        return found.fact, found.advice

    assert await finding(None) == ("no secret key: no payments through Stripe", "")
    fact, advice = await finding(real_time_sandbox, stripe_webhook_secrets="whsec_a, whsec_b")
    assert fact == "answers, in test mode"
    assert advice == "Set DRIVEFLOW_STRIPE_CONNECT_WEBHOOK_SECRETS: no event is believed."
    fact, advice = await finding(
        real_time_sandbox, stripe_webhook_secrets="whsec_a", stripe_connect_webhook_secrets="whsec_c"
    )
    assert (fact, advice) == ("answers, in test mode; the secrets of both webhook endpoints are set", "")
    fact, advice = await finding(real_time_sandbox, stripe_secret_key="sk_test_wrong")
    assert "does not answer" in fact
    assert "sk_test_wrong" not in fact + advice


async def test_events_are_backfilled_by_the_schedule_and_by_command_and_replayed(
    school: School, worker_database: Database, addresses: Addresses, real_time_sandbox: StripeSandbox
) -> None:
    backfill_job = JOBS[-1]
    began = utc_now() - timedelta(minutes=1)
    configured = settings(real_time_sandbox)
    await pay_somehow(real_time_sandbox, org_id=str(school.org_id))
    assert await run_job(backfill_job, worker_database, configured, now=utc_now())
    assert await run_job(backfill_job, worker_database, configured, now=utc_now()) == 0

    await pay_somehow(real_time_sandbox)  # nobody's
    done = await backfill_by_command(configured, addresses, since=began)
    assert 0 < done.new < done.told
    stored = (await school.get("/webhook-events"))["items"]
    assert stored
    one = await replay(addresses, event_id=stored[0]["id"], failed_only=False, since=None)
    assert one == Replayed(looked_at=1, left_alone=0)
    failed = await replay(addresses, event_id=None, failed_only=True, since=began)
    assert failed.looked_at == len(stored)
    assert failed.left_alone > 0
    everything = await replay(addresses, event_id=None, failed_only=False, since=began)
    assert everything.looked_at == len(stored)
    with pytest.raises(NotFoundError):
        await replay(addresses, event_id=new_id(), failed_only=False, since=None)
    with pytest.raises(OperatorError, match="DRIVEFLOW_STRIPE_SECRET_KEY"):
        await backfill_by_command(settings(None), addresses, since=None)


def test_the_commands_say_what_they_did(
    fresh_database_url: str, tmp_path: Path, real_time_sandbox: StripeSandbox
) -> None:
    def driveflow(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "driveflow.entrypoints", "webhooks", *arguments],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")},
                "COLUMNS": "200",
                "DRIVEFLOW_DATABASE_URL": fresh_database_url,
                "DRIVEFLOW_STRIPE_SECRET_KEY": real_time_sandbox.secret_key,
                "DRIVEFLOW_STRIPE_API_BASE": real_time_sandbox.base_url,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    assert "Stripe told 0 events, 0 of them new." in driveflow("backfill", "--since", "2026-01-01")
    assert "0 events will be looked at again, 0 left alone." in driveflow("replay", "--failed")
    assert "Say what to replay" in driveflow("replay")
