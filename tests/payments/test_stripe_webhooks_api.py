"""Stripe's webhooks: believed only when signed, stored once, looked at in any order."""

import asyncio
import itertools
import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from driveflow.core.actor import system_actor
from driveflow.entrypoints import webhook_tools
from driveflow.integrations.stripe_calls import StripeKind
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments import ledger
from driveflow.payments.models import Payment
from driveflow.payments.settlers import APPLIERS
from support.figures import note_figure
from support.money_world import OLD_SECRET, MoneyWorld
from support.stripe_webhooks import deliver, event_about, signed

PATH = "/webhooks/stripe"


def told_event(money: MoneyWorld, event_type: str = "charge.updated", **told: Any) -> dict[str, Any]:
    about = {"id": f"ch_{secrets.token_hex(8)}", "object": "charge", **told}
    return event_about({"metadata": {"org_id": str(money.school.org_id)}, **about}, event_type)


async def stored(money: MoneyWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await money.school.get("/webhook-events", params={"limit": 200}))["items"]
    return found


async def test_only_what_stripe_signed_just_now_is_believed(money: MoneyWorld) -> None:
    now = money.clock()
    body = "{}"
    good = signed(body, money.sandbox.webhook_secret, now)
    for refused, why in (
        ({}, "No valid signature"),
        ({"Stripe-Signature": "nonsense"}, "No valid signature"),
        ({"Stripe-Signature": "t=x,v1=y"}, "No valid signature"),
        ({"Stripe-Signature": signed(body, "whsec_of_somebody", now)}, "No valid signature"),
        ({"Stripe-Signature": good[:-1] + "0"}, "No valid signature"),
        ({"Stripe-Signature": signed(body, OLD_SECRET, now - timedelta(seconds=301))}, "too old"),
        ({"Stripe-Signature": signed(body, OLD_SECRET, now + timedelta(seconds=301))}, "of the future"),
    ):
        answer = await money.http.post(PATH, content=body, headers=refused)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == "bad_signature"
        assert why in answer.json()["detail"]
    assert await stored(money) == []


@pytest.mark.parametrize("age_s", [-299, 0, 299])
async def test_both_secrets_are_valid_during_a_rotation(money: MoneyWorld, age_s: int) -> None:
    at = money.clock() - timedelta(seconds=age_s)
    for secret in (OLD_SECRET, money.sandbox.webhook_secret):
        answer = await deliver(money.http, told_event(money), at=at, secret=secret)
        assert answer.status_code == 200, answer.text
    assert len(await stored(money)) == 2


async def test_each_endpoint_has_secrets_of_its_own(money: MoneyWorld) -> None:
    event = told_event(money)
    secret = money.sandbox.connect_webhook_secret
    refused = await deliver(money.http, event, at=money.clock(), secret=secret)
    assert refused.status_code == 400
    taken = await deliver(money.http, event, at=money.clock(), secret=secret, path=f"{PATH}-connect")
    assert taken.json() == {"is_new": True, "outcome": None}


async def test_without_a_secret_the_endpoint_is_closed(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{PATH}-connect", content="{}")
    assert (answer.status_code, answer.json()["code"]) == (409, "stripe_not_configured")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"not json", b"[]", b"{}", b'{"id": 1}', b"1" * 100_000])
async def test_what_is_no_event_is_refused(money: MoneyWorld, body: bytes) -> None:
    header = signed(body.decode("latin-1"), money.sandbox.webhook_secret, money.clock())
    answer = await money.http.post(PATH, content=body, headers={"Stripe-Signature": header})
    assert answer.status_code == 400, answer.text


async def test_an_event_that_comes_ten_times_is_stored_and_applied_once(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    events = money.new_events()
    answers = await asyncio.gather(*(money.deliver(event) for event in events for _ in range(10)))
    assert sum(answer.json()["is_new"] for answer in answers) == len(events)
    await money.settle()
    assert (await money.payment(started))["status"] == "succeeded"
    assert (await money.balances())["customers"] == -9_500
    assert len((await money.school.get("/ledger"))["items"]) == 2


async def test_an_event_of_no_school_is_kept_and_can_be_routed_later(money: MoneyWorld) -> None:
    for metadata in (None, {}, {"org_id": "x"}, {"org_id": str(money.ready.student["id"])}):
        answer = await deliver(
            money.http,
            told_event(money, metadata=metadata),
            at=money.clock(),
            secret=money.sandbox.webhook_secret,
        )
        assert answer.json() == {"is_new": True, "outcome": "unroutable"}
    ignored = event_about({"id": "prod_1", "object": "product"}, "product.created")
    answer = await deliver(money.http, ignored, at=money.clock(), secret=money.sandbox.webhook_secret)
    assert answer.json() == {"is_new": True, "outcome": "ignored"}
    assert await stored(money) == []


async def test_an_event_about_something_that_stripe_does_not_have_ends_as_missing(money: MoneyWorld) -> None:
    event = told_event(money)
    await money.deliver(event)
    await money.worker.run_until_idle()
    [row] = await stored(money)
    assert (row["event_id"], row["outcome"]) == (event["id"], "missing")
    assert row["processed_at"]


async def test_a_stored_event_is_replayed_by_staff(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    await money.settle()
    row = (await stored(money))[0]
    replayed = await money.school.post(f"/webhook-events/{row['id']}/replay", expect=200)
    assert (replayed["outcome"], replayed["processed_at"]) == (None, None)
    await money.settle()
    [again] = [found for found in await stored(money) if found["id"] == row["id"]]
    assert again["outcome"]
    assert (await money.balances())["customers"] == -9_500


async def test_five_states_lead_to_the_same_end_in_every_order(money: MoneyWorld) -> None:
    """Events say only where to look; but workers may look early and apply late, in any order."""
    gateway = StripeGateway(money.sandbox.secret_key, api_base=money.sandbox.base_url)
    booking = await money.booked()
    started = await money.start(booking)
    [page] = money.stripe("/v1/checkout/sessions")["data"]
    states = [(StripeKind.CHECKOUT_SESSION, await gateway.fetch(StripeKind.CHECKOUT_SESSION, page["id"]))]
    money.pay(started["checkout_url"], "4000000000000002")
    [intent] = money.stripe("/v1/payment_intents")["data"]
    states.append((StripeKind.PAYMENT_INTENT, await gateway.fetch(StripeKind.PAYMENT_INTENT, intent["id"])))
    money.pay(started["checkout_url"])
    states.append((StripeKind.PAYMENT_INTENT, await gateway.fetch(StripeKind.PAYMENT_INTENT, intent["id"])))
    states.append((StripeKind.CHECKOUT_SESSION, await gateway.fetch(StripeKind.CHECKOUT_SESSION, page["id"])))
    charge_id = states[2][1]["latest_charge"]["id"]
    states.append((StripeKind.CHARGE, await gateway.fetch(StripeKind.CHARGE, charge_id)))
    await gateway.close()
    assert [state["status"] for _, state in states] == [
        "open",
        "requires_payment_method",
        "succeeded",
        "complete",
        "succeeded",
    ]

    actor = system_actor(money.school.org_id)
    ends = set()
    async with money.worker_database.session(money.school.org_id) as session:
        for order in itertools.permutations(states):
            attempt = await session.begin_nested()
            for kind, state in order:
                await APPLIERS[kind].apply(session, actor, state, None, now=money.clock())
            payment = (await session.scalars(select(Payment))).one()
            balances = await ledger.balances(session, money.school.org_id)
            where = str(sorted(balances.items()))
            ends.add((payment.status, payment.failure_code, payment.stripe_fee_cents, where))
            await attempt.rollback()
            session.expunge_all()
    assert len(ends) == 1
    [(status, failure, fee_cents, _)] = ends
    assert (status, failure, fee_cents > 0) == ("succeeded", None, True)


async def test_events_that_never_came_are_fetched(money: MoneyWorld) -> None:
    booking = await money.booked()
    started = await money.start(booking)
    money.pay(started["checkout_url"])
    lost = money.new_events()
    gateway = StripeGateway(money.sandbox.secret_key, api_base=money.sandbox.base_url)
    since = money.clock() - timedelta(minutes=1)
    done = await webhook_tools.backfill(money.worker_database, gateway, since=since, now=money.clock())
    assert 0 < done.new == done.told <= len(lost)
    await money.worker.run_until_idle()
    assert (await money.payment(started))["status"] == "succeeded"
    again = await webhook_tools.backfill(money.worker_database, gateway, since=None, now=money.clock())
    assert again.new == 0
    assert again.told >= done.told
    await gateway.close()


@pytest.mark.race
async def test_a_burst_of_webhooks_is_answered_fast_and_none_is_lost(
    money: MoneyWorld, request: pytest.FixtureRequest
) -> None:
    events = [told_event(money) for _ in range(1_000)]
    waits: list[float] = []
    lane = asyncio.Semaphore(4)

    async def send(event: dict[str, Any]) -> None:
        async with lane:
            began = asyncio.get_running_loop().time()
            answer = await money.deliver(event)
            waits.append(asyncio.get_running_loop().time() - began)
            assert answer.status_code == 200, answer.text

    await asyncio.gather(*(send(event) for event in events))
    async with money.database.session(money.school.org_id) as session:
        kept = await session.scalar(
            text("SELECT count(*) FROM webhook_events WHERE org_id = :org_id"),
            {"org_id": money.school.org_id},
        )
        waiting = await session.scalar(text("SELECT count(*) FROM outbox WHERE topic = 'stripe.event_due'"))
        await session.execute(text("DELETE FROM outbox WHERE topic = 'stripe.event_due'"))
    assert (kept, waiting) == (1_000, 1_000)
    p99_ms = sorted(waits)[-len(waits) // 100] * 1000
    note_figure(request, f"1,000 webhooks, four at a time: p99 {p99_ms:.0f} ms, 0 lost")
    assert p99_ms < 250
