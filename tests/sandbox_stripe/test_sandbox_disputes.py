"""Disputes: the money leaves at once, and comes back if the school wins."""

import pytest
import stripe

from support.stripe_money import charge_of, event_types, pay
from support.stripe_sandbox import StripeSandbox


def balance(sandbox: StripeSandbox) -> int:
    """Return the platform's balance, available and pending."""
    held: int = sandbox.control.totals()["accounts"]["platform"]["aud"]["balance"]
    return held


def disputed(client: stripe.StripeClient, method: str = "pm_card_createDispute") -> stripe.Dispute:
    intent = pay(client, method)
    return client.v1.disputes.list({"payment_intent": intent.id}).data[0]


def test_a_dispute_takes_the_payment_and_a_fee(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    dispute = disputed(client)
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 10_000)
    assert [(movement.amount, movement.fee) for movement in dispute.balance_transactions] == [(-10_000, 2500)]
    # The payment less its fee of 200, less the payment and the dispute's fee.
    assert balance(own_sandbox) == -2700
    assert event_types(client)[1:4] == [
        "charge.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": str(dispute.charge)})
    assert refused.value.code == "charge_disputed"


def test_a_won_dispute_brings_the_payment_back_but_not_the_fee(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    dispute = disputed(client)
    own_sandbox.control.act("disputes", dispute.id, "close", outcome="won")
    assert client.v1.disputes.retrieve(dispute.id).status == "won"
    assert balance(own_sandbox) == 7300
    assert event_types(client)[-2:] == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert client.v1.refunds.create({"charge": str(dispute.charge)}).amount == 10_000


def test_a_lost_dispute_brings_nothing_back(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    dispute = disputed(client, "pm_card_createDisputeProductNotReceived")
    assert dispute.reason == "product_not_received"
    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert balance(own_sandbox) == -2700
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(dispute.id)


def test_an_inquiry_takes_no_money(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    dispute = disputed(client, "pm_card_createDisputeInquiry")
    assert dispute.status == "warning_needs_response"
    assert balance(own_sandbox) == 9800
    own_sandbox.control.act("disputes", dispute.id, "close", outcome="won")
    assert client.v1.disputes.retrieve(dispute.id).status == "warning_closed"


def test_any_charge_can_be_disputed_once(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    charge = charge_of(client, pay(client))
    assert sandbox.control.act("charges", charge.id, "dispute", reason="duplicate")["disputed"] is True
    with pytest.raises(AssertionError, match="cannot be disputed"):
        sandbox.control.act("charges", charge.id, "dispute")
