"""Refunds: how much can go back, and what becomes of it."""

import pytest
import stripe

from support.stripe_money import charge_of, event_types, pay
from support.stripe_sandbox import StripeSandbox


def balance(sandbox: StripeSandbox) -> int:
    """Return the platform's balance, available and pending."""
    held: int = sandbox.control.totals()["accounts"]["platform"]["aud"]["balance"]
    return held


def test_parts_go_back_until_all_is_back(client: stripe.StripeClient) -> None:
    intent = pay(client)
    first = client.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 4000, "metadata": {"refund_id": "r1"}}
    )
    assert (first.status, first.amount) == ("succeeded", 4000)
    charge = charge_of(client, intent)
    assert (charge.amount_refunded, charge.refunded) == (4000, False)
    rest = client.v1.refunds.create({"charge": charge.id, "reason": "requested_by_customer"})
    assert rest.amount == 6000
    charge = client.v1.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (10_000, True)
    assert charge.refunds is not None
    assert [refund.id for refund in charge.refunds.data] == [rest.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})
    assert refused.value.code == "charge_already_refunded"


def test_more_than_is_left_is_refused(client: stripe.StripeClient) -> None:
    intent = pay(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 9000})
    with pytest.raises(stripe.InvalidRequestError, match=r"\$10\.01.*\$10\.00") as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1001})
    assert (refused.value.http_status, refused.value.param) == (400, "amount")
    assert charge_of(client, intent).amount_refunded == 9000


def test_an_unpaid_intent_cannot_be_refunded(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "aud"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_stripe_keeps_its_fee(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    intent = pay(client)
    assert balance(own_sandbox) == 9800
    client.v1.refunds.create({"payment_intent": intent.id})
    assert balance(own_sandbox) == -200


def test_a_refund_that_fails_later_brings_its_money_back(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    intent = pay(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 3000})
    assert refund.status == "succeeded"
    assert balance(own_sandbox) == 6800
    own_sandbox.control.advance_clock(10)
    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert isinstance(failed.failure_balance_transaction, stripe.BalanceTransaction)
    assert (failed.failure_balance_transaction.amount, failed.failure_balance_transaction.type) == (
        3000,
        "refund_failure",
    )
    assert balance(own_sandbox) == 9800
    assert charge_of(client, intent).amount_refunded == 0
    assert event_types(client)[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": 10_000}).amount == 10_000


def test_a_pending_refund_succeeds_later(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    intent = pay(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"
    assert charge_of(client, intent).refunded
    own_sandbox.control.advance_clock(10)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert event_types(client)[-2:] == ["refund.updated", "charge.refund.updated"]


def test_any_refund_can_be_made_to_fail(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    assert sandbox.control.act("refunds", refund.id, "fail")["failure_reason"] == "lost_or_stolen_card"


def test_refunds_are_found_by_their_payment(client: stripe.StripeClient) -> None:
    intent = pay(client)
    made = [client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}).id for _ in range(3)]
    found = client.v1.refunds.list({"payment_intent": intent.id})
    assert [refund.id for refund in found.data] == made[::-1]
