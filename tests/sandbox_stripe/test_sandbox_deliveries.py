"""Webhooks: signed as by Stripe, retried, and not lost when the sandbox is killed."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from starlette.applications import Starlette
from starlette.routing import Mount

from driveflow.sandbox.stripe import StripeSandboxSettings, create_stripe_sandbox
from support.stripe_money import open_account, pay
from support.stripe_sandbox import (
    CONNECT_WEBHOOK_SECRET,
    SECRET_KEY,
    WEBHOOK_SECRET,
    loopback_client,
    stripe_sandbox,
)
from support.webhook_receiver import Receiver, webhook_receiver

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def types_of(receiver: Receiver, secret: str = WEBHOOK_SECRET) -> list[str]:
    return [delivery.event(secret).type for delivery in receiver.received]


def test_events_arrive_signed() -> None:
    with webhook_receiver() as receiver, stripe_sandbox(f"{receiver.url}/webhooks/stripe") as sandbox:
        intent = pay(sandbox.client(), metadata={"booking_id": "b1"})
        deliveries = receiver.wait_for(3)
        assert sorted(types_of(receiver)) == sorted(PAID)
        assert {delivery.path for delivery in deliveries} == {"/webhooks/stripe"}
        event = next(
            found
            for found in (delivery.event(WEBHOOK_SECRET) for delivery in deliveries)
            if found.type == "payment_intent.succeeded"
        )
        assert event.data.object["id"] == intent.id
        with pytest.raises(stripe.SignatureVerificationError):
            deliveries[0].event("whsec_of_somebody_else")
        sandbox.control.wait_for_deliveries()
        kept = sandbox.client().v1.events.retrieve(event.id)
        assert kept.pending_webhooks == 0


def test_events_of_connected_accounts_go_to_their_own_endpoint() -> None:
    with (
        webhook_receiver() as platform,
        webhook_receiver() as connect,
        stripe_sandbox(platform.url, connect.url) as sandbox,
    ):
        account = open_account(sandbox, sandbox.client())
        event = connect.wait_for(1)[0].event(CONNECT_WEBHOOK_SECRET)
        assert (event.type, event.account) == ("account.updated", account)
        assert event.data.object["capabilities"]["transfers"] == "active"
        sandbox.control.wait_for_deliveries()
        assert platform.received == []


def test_a_refused_delivery_is_tried_again_until_it_is_given_up() -> None:
    with (
        webhook_receiver() as receiver,
        stripe_sandbox(receiver.url, retry_delays_s=(0.02, 0.02)) as sandbox,
    ):
        receiver.answers[:] = [500, 503]
        sandbox.client().v1.customers.create({})
        receiver.wait_for(3)
        sandbox.control.wait_for_deliveries()
        assert types_of(receiver) == ["customer.created"] * 3
        assert [delivery["outcome"] for delivery in sandbox.control.deliveries()] == ["delivered"]
        receiver.answers[:] = [500, 404, 302]
        sandbox.client().v1.customers.create({})
        receiver.wait_for(6)
        sandbox.control.wait_for_deliveries()
        assert sandbox.control.deliveries()[-1]["outcome"] == "failed"


def test_deliveries_may_be_dropped_doubled_and_delayed() -> None:
    with webhook_receiver() as receiver, stripe_sandbox(receiver.url) as sandbox:
        sandbox.control.delivery_fault("drop", "payment_intent.created")
        sandbox.control.delivery_fault("duplicate", "charge.", copies=2)
        sandbox.control.delivery_fault("delay", "payment_intent.succeeded", ms=700)
        began = time.monotonic()
        pay(sandbox.client())
        receiver.wait_for(3)
        assert types_of(receiver) == ["charge.succeeded"] * 3
        receiver.wait_for(4)
        assert time.monotonic() - began >= 0.7
        assert types_of(receiver)[-1] == "payment_intent.succeeded"
        assert len({delivery.event(WEBHOOK_SECRET).id for delivery in receiver.received}) == 2
        sandbox.control.redeliver()
        receiver.wait_for(9)
        assert "payment_intent.created" in types_of(receiver)


def test_deliveries_may_come_in_reverse() -> None:
    with webhook_receiver() as receiver, stripe_sandbox(receiver.url) as sandbox:
        sandbox.control.delivery_fault("reorder", times=3)
        pay(sandbox.client())
        receiver.wait_for(3)
        assert types_of(receiver) == PAID[::-1]


SERVE = """
import sys
from pathlib import Path
from driveflow.sandbox.stripe import Endpoint, StripeSandboxSettings
from driveflow.sandbox.stripe.running import run_in_thread
settings = StripeSandboxSettings(
    Path(sys.argv[1]),
    platform=Endpoint(sys.argv[2], sys.argv[3]),
    poll_s=0.01,
    retry_delays_s=(0.2,) * 50,
)
with run_in_thread(settings) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def serve(database: Path, receiver: Receiver) -> tuple[subprocess.Popen[str], str]:
    """Start a sandbox in a process of its own; return it and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, database, receiver.url, WEBHOOK_SECRET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.crash
def test_a_sandbox_killed_under_load_forgets_nothing_that_it_answered(tmp_path: Path) -> None:
    database = tmp_path / "stripe.sqlite3"
    keys = [f"pay:{at}:1" for at in range(60)]
    with webhook_receiver() as receiver, loopback_client() as http, ThreadPoolExecutor(8) as pool:
        receiver.answers[:] = [500] * 10_000
        process, address = serve(database, receiver)
        answers = [pool.submit(_pay, http, address, key) for key in keys]
        wait(answers[:10])
        kill(process)
        answered = {
            key: answer.result()
            for key, answer in zip(keys, answers, strict=True)
            if answer.exception() is None
        }
        assert len(answered) >= 10
        receiver.answers.clear()
        process, address = serve(database, receiver)
        for key in keys:
            document = _pay(http, address, key)
            assert document == answered.get(key, document)
        counts = http.get(f"{address}/_control/totals").json()["counts"]
        assert counts["charge"] == len(keys)
        deadline = time.monotonic() + 30
        while http.get(f"{address}/_control/totals").json()["deliveries_waiting"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        kill(process)
        arrived = {delivery.event(WEBHOOK_SECRET).id for delivery in receiver.received}
        assert len(arrived) == counts["event"] == 3 * len(keys)


def _pay(http: httpx.Client, address: str, key: str) -> dict[str, Any]:
    answer = http.post(
        f"{address}/v1/payment_intents",
        content="amount=500&currency=aud&confirm=true&payment_method=pm_card_visa",
        headers={"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": key},
    )
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_restarted_sandbox_goes_on_where_it_was(tmp_path: Path) -> None:
    database = tmp_path / "stripe.sqlite3"
    with stripe_sandbox(database=database) as sandbox:
        first = pay(sandbox.client())
    with stripe_sandbox(database=database) as sandbox:
        client = sandbox.client()
        assert client.v1.payment_intents.retrieve(first.id).status == "succeeded"
        assert pay(client).id != first.id


async def test_a_sandbox_can_be_mounted_in_another_application(tmp_path: Path) -> None:
    sandbox = create_stripe_sandbox(StripeSandboxSettings(tmp_path / "stripe.sqlite3"))
    app = Starlette(routes=[Mount("/stripe", app=sandbox)])
    form = {
        "mode": "payment",
        "success_url": "https://school.example",
        "line_items[0][price_data][currency]": "aud",
        "line_items[0][price_data][unit_amount]": "500",
        "line_items[0][price_data][product_data][name]": "Lesson",
    }
    transport = httpx.ASGITransport(app)
    async with (
        sandbox.state.sandbox.running(),
        httpx.AsyncClient(transport=transport, base_url="http://demo.example", auth=(SECRET_KEY, "")) as http,
    ):
        session = (await http.post("/stripe/v1/checkout/sessions", data=form)).json()
        assert session["url"] == f"http://demo.example/stripe/pay/{session['id']}"
        page = await http.get(session["url"])
        assert f'action="/stripe/pay/{session["id"]}"' in page.text
        card = {"number": "4000002500003155", "expiry": "12/40", "cvc": "123"}
        asked = (await http.post(session["url"], data=card)).headers["location"]
        assert asked.startswith("http://demo.example/stripe/3d-secure/pi_")
        intent = asked.rpartition("/")[2]
        passed = await http.post(f"/stripe/_control/payment_intents/{intent}/authenticate")
        assert passed.json()["status"] == "succeeded"


def test_ids_repeat_for_the_same_seed() -> None:
    ids = []
    for seed in (1, 1, 2, None, None):
        with stripe_sandbox(seed=seed) as sandbox:
            ids.append(pay(sandbox.client()).id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
