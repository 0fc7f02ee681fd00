"""Stripe loses answers, is busy, fails, is slow; processes die between the steps: one charge, one end."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from driveflow.core.actor import system_actor
from driveflow.core.outbox_leases import LEASE_S
from driveflow.entrypoints import paying as paying_entry
from driveflow.entrypoints.payment_pages import pages_of
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments import starting
from driveflow.payments.paying import PaymentMode
from driveflow.payments.starting import Call
from driveflow.payments.stripe_requests import call_of
from support.money_world import MoneyWorld


def sessions(money: MoneyWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = money.stripe("/v1/checkout/sessions", limit=100)["data"]
    return found


async def settle_later(money: MoneyWorld) -> None:
    """Let time pass as after a crash: leases end, backoffs run out; the page's time does not."""
    for _ in range(4):
        money.clock.advance(seconds=LEASE_S)
        await money.settle()


@pytest.mark.race
async def test_fifty_starts_at_once_give_one_page_and_one_charge(money: MoneyWorld) -> None:
    booking = await money.booked()
    answers = await asyncio.gather(
        *(
            money.school.post(
                f"/bookings/{booking['id']}/payment", {}, expect=200, headers={"Idempotency-Key": "once"}
            )
            for _ in range(25)
        ),
        *(money.school.post(f"/bookings/{booking['id']}/payment", {}, expect=200) for _ in range(25)),
    )
    assert len({answer["checkout_url"] for answer in answers}) == 1
    assert {answer["payment"]["attempt"] for answer in answers} == {1}
    assert len(sessions(money)) == 1
    money.pay(answers[0]["checkout_url"])
    await money.settle()
    assert len(money.stripe("/v1/charges")["data"]) == 1
    assert (await money.balances())["customers"] == -9_500


async def test_a_repeated_key_gets_the_first_answer_and_another_body_is_refused(money: MoneyWorld) -> None:
    booking = await money.booked()
    path, key = f"/bookings/{booking['id']}/payment", {"Idempotency-Key": "mine"}
    first = await money.school.request("POST", path, json={}, headers=key, expect=200)
    second = await money.school.request("POST", path, json={}, headers=key, expect=200)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    other = await money.school.post(path, {"mode": "intent"}, headers=key, expect=422)
    assert other["code"] == "idempotency_key_reused"


async def test_a_refused_request_gives_its_key_back(money: MoneyWorld) -> None:
    booking = await money.booked()
    await money.paid(booking)
    path, key = f"/bookings/{booking['id']}/payment", {"Idempotency-Key": "mine"}
    for _ in range(2):
        assert (await money.school.post(path, {}, headers=key, expect=409))["code"] == "already_paid"
    free = await money.booked()
    await money.school.post(f"/bookings/{free['id']}/payment", {}, headers=key, expect=200)


@pytest.mark.parametrize("fault", ["lost", "conflict", "rate_limit", "error", "error_after"])
async def test_a_start_survives_a_fault_of_stripe_with_one_page(money: MoneyWorld, fault: str) -> None:
    booking = await money.booked()
    path, key = f"/bookings/{booking['id']}/payment", {"Idempotency-Key": "mine"}
    money.sandbox.control.fault(fault, path="/v1/checkout/sessions", times=1)
    answer = await money.school.request("POST", path, json={}, headers=key)
    if answer.status_code != 200:
        assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable")
        assert answer.headers["retry-after"]
        await settle_later(money)
        answer = await money.school.request("POST", path, json={}, headers=key, expect=200)
    assert len(sessions(money)) == 1
    assert answer.json()["checkout_url"] == sessions(money)[0]["url"]


@pytest.mark.parametrize("fault", ["lost", "conflict", "rate_limit", "error", "error_after"])
async def test_a_refund_survives_a_fault_of_stripe_and_leaves_once(money: MoneyWorld, fault: str) -> None:
    payment = await money.paid(await money.booked())
    money.sandbox.control.fault(fault, path="/v1/refunds", times=1)
    body = {"amount_cents": 2_000, "reason": "Goodwill"}
    await money.school.post(f"/payments/{payment['id']}/refunds", body)
    await settle_later(money)
    [refund] = await money.refunds(payment)
    assert refund["status"] == "succeeded"
    assert len(money.stripe("/v1/refunds")["data"]) == 1
    assert (await money.balances())["stripe_clearing"] == money.stripe_balance()


async def begun(money: MoneyWorld, booking: dict[str, Any]) -> Call:
    """Do the first transaction of starting a payment, as a process that dies right after it."""
    actor = system_actor(money.school.org_id)
    async with money.database.session(money.school.org_id) as session:
        reached = await starting.start(
            session,
            actor,
            UUID(booking["id"]),
            PaymentMode.CHECKOUT,
            pages_of("https://school.example"),
            is_configured=True,
            now=money.clock(),
        )
    assert isinstance(reached, Call)
    return reached


async def test_a_start_whose_process_died_before_the_call_is_completed_by_the_worker(
    money: MoneyWorld,
) -> None:
    booking = await money.booked()
    await begun(money, booking)
    assert sessions(money) == []
    money.clock.advance(seconds=LEASE_S)
    await money.worker.run_until_idle()
    [page] = sessions(money)
    assert (await money.start(booking))["checkout_url"] == page["url"]


async def test_a_start_whose_process_died_is_completed_by_the_next_request(
    money: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paying_entry, "PATIENCE_S", 0.1)
    booking = await money.booked()
    await begun(money, booking)
    answers = await asyncio.gather(money.start(booking), money.start(booking))
    [page] = sessions(money)
    assert {answer["checkout_url"] for answer in answers} == {page["url"]}
    await settle_later(money)
    assert len(sessions(money)) == 1


async def test_an_answer_that_nobody_settled_is_asked_for_again_with_the_same_key(money: MoneyWorld) -> None:
    booking = await money.booked()
    reached = await begun(money, booking)
    call = call_of(reached.request, attempt=1, now=money.clock())
    gateway = StripeGateway(money.sandbox.secret_key, api_base=money.sandbox.base_url)
    await gateway.send(call.operation, call.parameters, idempotency_key=call.idempotency_key)
    await gateway.close()
    money.clock.advance(seconds=LEASE_S)
    await money.worker.run_until_idle()
    [page] = sessions(money)
    assert (await money.start(booking))["checkout_url"] == page["url"]


async def test_after_stripe_forgot_the_key_the_refund_is_looked_for_before_it_is_sent_again(
    money: MoneyWorld,
) -> None:
    payment = await money.paid(await money.booked())
    body = {"amount_cents": 2_000, "reason": "Goodwill"}
    # Sent, and no answer ever came: the process died, and nothing ran for two days.
    money.sandbox.control.fault("lost", path="/v1/refunds", times=3)
    await money.school.post(f"/payments/{payment['id']}/refunds", body)
    await money.worker.run_until_idle()
    assert len(money.stripe("/v1/refunds")["data"]) == 1
    money.sandbox.control.clear_faults()
    money.clock.advance(days=2)
    await money.settle()
    [refund] = await money.refunds(payment)
    assert refund["status"] == "succeeded"
    assert len(money.stripe("/v1/refunds")["data"]) == 1


async def test_what_was_never_done_is_sent_with_a_new_key_after_stripe_forgot_the_old_one(
    money: MoneyWorld,
) -> None:
    payment = await money.paid(await money.booked())
    money.sandbox.control.fault("error", path="/v1/refunds", times=3)
    body = {"amount_cents": 2_000, "reason": "Goodwill"}
    await money.school.post(f"/payments/{payment['id']}/refunds", body)
    await money.worker.run_until_idle()
    assert money.stripe("/v1/refunds")["data"] == []
    money.sandbox.control.clear_faults()
    money.clock.advance(days=2)
    await money.settle()
    assert len(money.stripe("/v1/refunds")["data"]) == 1
    assert [row["status"] for row in await money.refunds(payment)] == ["succeeded"]


async def test_a_page_that_stripe_has_not_answered_for_is_closed_later(money: MoneyWorld) -> None:
    booking = await money.booked()
    money.sandbox.control.fault("lost", path="/v1/checkout/sessions", times=3)
    answer = await money.school.request("POST", f"/bookings/{booking['id']}/payment", json={})
    assert answer.status_code == 503
    money.clock.advance(minutes=31)
    async with money.database.session(money.school.org_id) as session:
        # The worker was away as well: only now everything is due at once.
        await session.execute(
            text("UPDATE outbox SET available_at = :now WHERE processed_at IS NULL"), {"now": money.clock()}
        )
    await money.settle()
    money.clock.advance(minutes=10)
    await money.settle()
    found = (await money.school.get("/payments"))["items"]
    assert [row["status"] for row in found] == ["canceled"]
    assert [page["status"] for page in sessions(money)] == ["expired"]
