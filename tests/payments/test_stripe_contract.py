"""Every request that the client sends is one that Stripe's own description allows."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe

from driveflow.integrations.stripe_calls import CLOSING, StripeKind, StripeOperation
from driveflow.integrations.stripe_client import API_VERSION, StripeGateway
from driveflow.payments.webhook_intake import CONNECT_EVENTS, PLATFORM_EVENTS
from support.money_world import MoneyWorld
from support.stripe_contract import assert_request_valid, needs_contract
from support.stripe_sandbox import StripeSandbox

pytestmark = needs_contract


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Every request of the official library, as it goes out: method, path and form."""
    seen: list[tuple[str, str, str]] = []
    send = stripe.HTTPXClient.request_async

    async def note(
        client: stripe.HTTPXClient, method: str, url: str, headers: Any, post_data: Any = None
    ) -> Any:
        parts = urlsplit(url)
        seen.append((method.upper(), parts.path, post_data or parts.query))
        assert headers["Stripe-Version"] == API_VERSION
        return await send(client, method, url, headers, post_data)

    monkeypatch.setattr(stripe.HTTPXClient, "request_async", note)
    return seen


def assert_all_valid(sent: list[tuple[str, str, str]]) -> None:
    assert sent
    for method, path, form in sent:
        assert_request_valid(method, path, form)


async def test_what_paying_and_refunding_send_is_valid(
    money: MoneyWorld, sent: list[tuple[str, str, str]]
) -> None:
    booking = await money.booked()
    await money.start(booking)
    await money.start(booking, mode="intent")
    payment = await money.paid(booking)
    body = {"amount_cents": 500, "reason": "Goodwill"}
    await money.school.post(f"/payments/{payment['id']}/refunds", body)
    await money.settle()
    assert_all_valid(sent)
    assert {path.split("/")[2] for _, path, _ in sent} == {
        "checkout",
        "payment_intents",
        "charges",
        "refunds",
    }


async def test_what_the_other_methods_of_the_client_send_is_valid(
    sandbox: StripeSandbox, money: MoneyWorld, sent: list[tuple[str, str, str]]
) -> None:
    await money.paid(await money.booked())
    sent.clear()
    gateway = StripeGateway(sandbox.secret_key, api_base=sandbox.base_url)
    since = money.clock() - timedelta(days=1)
    [intent] = money.stripe("/v1/payment_intents")["data"]
    parameters = {"payment_intent": intent["id"], "transfer_group": intent["transfer_group"]}
    for operation in set(StripeOperation) - CLOSING - {StripeOperation.REVERSE_TRANSFER}:
        found = await gateway.find(operation, parameters, target_id=None, request_id="none", since=since)
        assert found is None
    assert [event["type"] async for event in gateway.events_since(since, PLATFORM_EVENTS)]
    account = await gateway.send(
        StripeOperation.CREATE_ACCOUNT,
        {"type": "express", "capabilities": {"transfers": {"requested": True}}},
        idempotency_key="account",
    )
    account_id = account.accepted["id"]
    assert [event async for event in gateway.events_since(since, CONNECT_EVENTS, account=account_id)] == []
    assert (await gateway.fetch(StripeKind.ACCOUNT, account_id))["id"] == account_id
    link = await gateway.account_link(
        account_id, refresh_url="https://school.example/again", return_url="https://school.example/done"
    )
    assert link["url"]
    assert (await gateway.balance())["livemode"] is False
    assert [move["type"] async for move in gateway.balance_transactions(since)] == ["charge"]
    await gateway.close()
    assert_all_valid(sent)
