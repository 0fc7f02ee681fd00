"""What operators do about Stripe: look whether it answers, replay and backfill its events."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from driveflow.core.clock import utc_now
from support.stripe_sandbox import StripeSandbox, stripe_sandbox


@pytest.fixture
def real_time_sandbox() -> Iterator[StripeSandbox]:
    with stripe_sandbox(seed=None) as running:
        yield running


class CommandLine:
    """`driveflow` on one database and one Stripe."""

    def __init__(self, url: str, folder: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")}
        self.environment = {**kept, "DRIVEFLOW_DATABASE_URL": url, "COLUMNS": "200", **settings}
        self.folder = folder

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "driveflow.entrypoints", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


def test_the_doctor_says_whether_stripe_answers_and_what_is_missing(
    fresh_database_url: str, tmp_path: Path, real_time_sandbox: StripeSandbox
) -> None:
    assert "no secret key" in CommandLine(fresh_database_url, tmp_path)("doctor")
    key = {
        "DRIVEFLOW_STRIPE_SECRET_KEY": real_time_sandbox.secret_key,
        "DRIVEFLOW_STRIPE_API_BASE": real_time_sandbox.base_url,
    }
    half = CommandLine(fresh_database_url, tmp_path, **key)("doctor", fails=True)
    assert "answers, in test mode" in half
    assert "Set DRIVEFLOW_STRIPE_WEBHOOK_SECRETS and DRIVEFLOW_STRIPE_CONNECT_WEBHOOK_SECRETS" in half
    secrets = {
        "DRIVEFLOW_STRIPE_WEBHOOK_SECRETS": "whsec_a, whsec_b",
        "DRIVEFLOW_STRIPE_CONNECT_WEBHOOK_SECRETS": "whsec_c",
    }
    whole = CommandLine(fresh_database_url, tmp_path, **key, **secrets)("doctor")
    assert "both webhook endpoints are set" in whole
    assert "whsec" not in whole
    wrong = {**key, "DRIVEFLOW_STRIPE_SECRET_KEY": "sk_test_wrong"}
    assert "does not answer" in CommandLine(fresh_database_url, tmp_path, **wrong)("doctor", fails=True)


def test_events_are_backfilled_and_replayed_by_command(
    fresh_database_url: str, tmp_path: Path, real_time_sandbox: StripeSandbox
) -> None:
    driveflow = CommandLine(
        fresh_database_url,
        tmp_path,
        DRIVEFLOW_STRIPE_SECRET_KEY=real_time_sandbox.secret_key,
        DRIVEFLOW_STRIPE_API_BASE=real_time_sandbox.base_url,
    )
    org_id = json.loads(driveflow("seed", "--json"))["org"]["id"]
    for metadata in ({"metadata[org_id]": org_id}, {}):
        paid = httpx.post(
            f"{real_time_sandbox.base_url}/v1/payment_intents",
            data={
                "amount": "9500",
                "currency": "aud",
                "confirm": "true",
                "payment_method": "pm_card_visa",
                "automatic_payment_methods[enabled]": "true",
                "automatic_payment_methods[allow_redirects]": "never",
                **metadata,
            },
            headers={"Authorization": f"Bearer {real_time_sandbox.secret_key}"},
            trust_env=False,
        )
        assert paid.is_success, paid.text
    today = utc_now().strftime("%Y-%m-%d")
    told = driveflow("webhooks", "backfill", "--since", today)
    assert "Stripe told" in told
    assert ", 0 of them new" not in told
    assert ", 0 of them new" in driveflow("webhooks", "backfill")
    # One payment is a school's, though none of our making; the other is nobody's.
    everything = driveflow("webhooks", "replay", "--since", today)
    assert "0 events" not in everything
    assert ", 0 left alone" not in everything
    assert "worker" not in driveflow("worker", "--once")
    assert "0 events will be looked at again" in driveflow("webhooks", "replay", "--failed")
    assert "Say what to replay" in driveflow("webhooks", "replay", fails=True)
    missing = driveflow("webhooks", "replay", "01a20e48-f539-74fe-9136-b7a710aebf9f", fails=True)
    assert "There is no stored event" in missing


def test_a_backfill_needs_a_key_of_stripe(fresh_database_url: str, tmp_path: Path) -> None:
    said = CommandLine(fresh_database_url, tmp_path)("webhooks", "backfill", fails=True)
    assert "DRIVEFLOW_STRIPE_SECRET_KEY is not set" in said
