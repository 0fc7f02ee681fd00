"""The official Stripe CLI drives the sandbox: what its triggers expect of Stripe, they find here."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stripe_money import pay
from support.stripe_sandbox import SECRET_KEY, StripeSandbox, stripe_sandbox

CLI = Path(__file__).resolve().parents[2] / "node_modules" / ".bin" / "stripe"
TIMEOUT_S = 60

# The CLI asks for newer versions of itself; a proxy that is not there keeps it from the internet. Go never
# uses one for the loopback.
OFFLINE = {"STRIPE_CLI_TELEMETRY_OPTOUT": "1", "HTTPS_PROXY": "http://127.0.0.1:9"}

pytestmark = pytest.mark.skipif(
    not CLI.is_file() or shutil.which("node") is None,
    reason="the Stripe CLI is not installed; `npm ci` brings it",
)

TRIGGERS = (
    "account.updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "product.created",
    "transfer.created",
    "transfer.reversed",
    "transfer.updated",
)


@pytest.fixture(scope="module")
def funded() -> Iterator[StripeSandbox]:
    """A sandbox with dollars to transfer, as a used test account of Stripe has."""
    with stripe_sandbox() as sandbox:
        pay(sandbox.client(), "pm_card_bypassPending", amount=100_000, currency="usd")
        yield sandbox


def trigger(sandbox: StripeSandbox, event: str, home: Path) -> None:
    """Let the CLI make an event happen."""
    done = subprocess.run(
        [CLI, "trigger", event, "--api-base", sandbox.base_url, "--api-key", SECRET_KEY],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **OFFLINE},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trigger succeeded" in done.stdout + done.stderr


def happened(sandbox: StripeSandbox, event: str) -> int:
    """Return how many events of a type there are, of the platform and of all connected accounts."""
    client = sandbox.client()
    found = len(client.v1.events.list({"type": event, "limit": 100}).data)
    for account in client.v1.accounts.list({"limit": 100}).data:
        options = {"stripe_account": account.id}
        found += len(client.v1.events.list({"type": event, "limit": 100}, options).data)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("event", TRIGGERS)
def test_a_trigger_makes_its_event_happen(funded: StripeSandbox, event: str, tmp_path: Path) -> None:
    before = happened(funded, event)
    trigger(funded, event, tmp_path)
    assert happened(funded, event) > before
