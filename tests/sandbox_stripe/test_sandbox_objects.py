"""What can be said about an object later, how it is found again, and what its making refuses."""

from typing import Any

import pytest
import stripe

from support.stripe_money import charge_of, event_types, open_account, open_session, page_of, pay
from support.stripe_sandbox import StripeSandbox


def test_charges_can_be_described_later(client: stripe.StripeClient) -> None:
    charge = charge_of(client, pay(client, transfer_group="g1"))
    changed = client.v1.charges.update(
        charge.id, {"description": "A lesson", "metadata": {"a": "b"}, "transfer_group": "g2"}
    )
    assert (changed.description, changed.metadata.to_dict(), changed.transfer_group) == (
        "A lesson",
        {"a": "b"},
        "g2",
    )
    event = client.v1.events.list({"type": "charge.updated"}).data[0]
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes["transfer_group"] == "g1"
    assert [found.id for found in client.v1.charges.list({"transfer_group": "g2"}).data] == [charge.id]


def test_disputes_can_be_described_later(client: stripe.StripeClient) -> None:
    intent = pay(client, "pm_card_createDispute")
    dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert client.v1.disputes.update(dispute.id, {"metadata": {"a": "b"}}).metadata.to_dict() == {"a": "b"}
    assert event_types(client)[-1] == "charge.dispute.updated"


def test_refunds_can_be_described_later(client: stripe.StripeClient) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay(client).id})
    changed = client.v1.refunds.update(refund.id, {"metadata": {"a": "b"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "b"}
    assert event_types(client)[-2:] == ["refund.updated", "charge.refund.updated"]


def test_accounts_can_be_described_later(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client)
    changed = client.v1.accounts.update(
        account,
        {
            "email": "i@example.com",
            "business_type": "individual",
            "business_profile": {"url": "https://school.example", "mcc": "8299"},
            "capabilities": {"card_payments": {"requested": True}},
            "metadata": {"instructor_id": "i"},
        },
    )
    assert (changed.email, changed.business_type) == ("i@example.com", "individual")
    assert changed.business_profile is not None
    assert changed.business_profile.mcc == "8299"
    assert changed.capabilities is not None
    assert (changed.capabilities.card_payments, changed.capabilities.transfers) == ("active", "active")
    assert event_types(client, account) == ["account.updated", "account.updated"]


def test_an_account_may_name_its_controller_instead_of_its_type(client: stripe.StripeClient) -> None:
    controller: Any = {"stripe_dashboard": {"type": "express"}, "losses": {"payments": "application"}}
    account = client.v1.accounts.create(
        {"controller": controller, "settings": {"payouts": {"schedule": {"interval": "manual"}}}}
    )
    assert account.type == "express"
    assert account.settings is not None
    assert account.settings.payouts is not None
    assert account.settings.payouts.schedule.interval == "manual"
    with pytest.raises(stripe.InvalidRequestError, match="simultaneously"):
        client.v1.accounts.create({"type": "express", "controller": controller})


def test_transfers_and_reversals_are_found_again(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client)
    charge = charge_of(client, pay(client))
    transfer = client.v1.transfers.create(
        {"currency": "aud", "destination": account, "source_transaction": charge.id}
    )
    assert transfer.amount == charge.amount
    changed = client.v1.transfers.update(
        transfer.id, {"description": "Lesson", "metadata": {"payout_id": "p"}}
    )
    assert (changed.description, changed.metadata.to_dict()) == ("Lesson", {"payout_id": "p"})
    assert [found.id for found in client.v1.transfers.list({"destination": account}).data] == [transfer.id]
    reversal = client.v1.transfers.reversals.create(transfer.id, {"amount": 10})
    assert client.v1.transfers.reversals.retrieve(transfer.id, reversal.id).amount == 10
    assert [found.id for found in client.v1.transfers.reversals.list(transfer.id).data] == [reversal.id]
    other = client.v1.transfers.create(
        {
            "amount": 100,
            "currency": "aud",
            "destination": account,
            "source_transaction": charge_of(client, pay(client)).id,
        }
    )
    with pytest.raises(stripe.InvalidRequestError, match="No such transfer reversal"):
        client.v1.transfers.reversals.retrieve(other.id, reversal.id)


def test_a_transfer_must_fit_its_charge(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    account = open_account(sandbox, client)
    paid = charge_of(client, pay(client))
    with pytest.raises(stripe.CardError) as declined:
        pay(client, "pm_card_chargeDeclined")
    assert declined.value.error is not None
    failed = declined.value.error.charge
    for more, param in (
        ({"source_transaction": paid.id, "currency": "usd"}, "currency"),
        ({"source_transaction": failed}, "source_transaction"),
        ({"source_transaction": "ch_nobody"}, "source_transaction"),
    ):
        wanted: Any = {"amount": 100, "currency": "aud", "destination": account, **more}
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.transfers.create(wanted)
        assert refused.value.param == param
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.transfers.create({"currency": "aud", "destination": account})
    assert (missing.value.param, missing.value.code) == ("amount", "parameter_missing")


def test_what_is_pending_can_be_brought_forward(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    refund = client.v1.refunds.create({"payment_intent": pay(client, "pm_card_pendingRefund").id})
    assert sandbox.control.act("refunds", refund.id, "advance")["status"] == "succeeded"
    with pytest.raises(AssertionError, match="Nothing waits"):
        sandbox.control.act("refunds", refund.id, "advance")
    with pytest.raises(AssertionError, match="does not wait for an authentication"):
        sandbox.control.act("payment_intents", pay(client).id, "authenticate")


def test_a_line_may_name_a_price(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Lesson of 60 minutes"})
    price = client.v1.prices.create({"product": product.id, "currency": "aud", "unit_amount": 8800})
    session = open_session(client, line_items=[{"price": price.id, "quantity": 2}])
    assert session.amount_total == 17_600
    assert "Lesson of 60 minutes &times; 2" in sandbox.browser.get(page_of(session)).text
    assert client.v1.products.retrieve(product.id).name == "Lesson of 60 minutes"
    assert client.v1.prices.retrieve(price.id).unit_amount == 8800
    assert product.id in {found.id for found in client.v1.products.list().data}
    assert [found.id for found in client.v1.prices.list({"product": product.id}).data] == [price.id]


AUD = {"currency": "aud", "unit_amount": 500}
NAMED = {"product_data": {"name": "x"}}


@pytest.mark.parametrize(
    "more",
    [
        {"line_items": [{"quantity": 1}]},
        {"line_items": [{"price": "price_nobody"}]},
        {"line_items": [{"price_data": AUD}]},
        {"line_items": [{"price_data": AUD | NAMED | {"product": "prod_nobody"}}]},
        {"line_items": [{"price_data": AUD | {"product": "prod_nobody"}}]},
        {"line_items": [{"price_data": AUD | NAMED}, {"price_data": AUD | NAMED | {"currency": "usd"}}]},
        {"line_items": [{"price_data": AUD | NAMED | {"unit_amount": 49}}]},
        {"success_url": "school.example"},
        {"cancel_url": "javascript:alert(1)"},
        {"customer": "cus_nobody"},
    ],
)
def test_a_session_that_makes_no_sense_is_refused(client: stripe.StripeClient, more: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        open_session(client, **more)


@pytest.mark.parametrize(
    "more",
    [
        {"payment_method": "pm_nobody"},
        {"customer": "cus_nobody"},
        {"currency": "a1"},
        {"confirm": False, "payment_method": None, "return_url": "https://school.example"},
        {"payment_method_types": ["card"], "automatic_payment_methods": {"enabled": True}},
        {"payment_method_types": ["sepa_debit"]},
        {"payment_method": "pm_card_authenticationRequired", "error_on_requires_action": True},
    ],
)
def test_a_payment_that_makes_no_sense_is_refused(client: stripe.StripeClient, more: dict[str, Any]) -> None:
    wanted: Any = {
        "amount": 500,
        "currency": "aud",
        "confirm": True,
        "payment_method": "pm_card_visa",
        **more,
    }
    given: Any = {name: value for name, value in wanted.items() if value is not None}
    with pytest.raises((stripe.InvalidRequestError, stripe.CardError)):
        client.v1.payment_intents.create(given)


def test_payment_methods_are_made_of_tokens(client: stripe.StripeClient) -> None:
    method = client.v1.payment_methods.create(
        {"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "Eve"}}
    )
    assert client.v1.payment_methods.retrieve(method.id).billing_details.name == "Eve"
    assert pay(client, method.id).status == "succeeded"
    for wrong in ({"type": "card"}, {"type": "card", "card": {"token": "tok_nobody"}}):
        params: Any = wrong
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_methods.create(params)


def test_movements_are_found_again(client: stripe.StripeClient) -> None:
    charge = charge_of(client, pay(client))
    found = client.v1.balance_transactions.list({"source": charge.id}).data
    assert [(movement.type, movement.amount) for movement in found] == [("charge", 10_000)]
    assert client.v1.balance_transactions.retrieve(found[0].id).net == 9800
    assert client.v1.customers.retrieve(client.v1.customers.create({"name": "Eve"}).id).name == "Eve"
    with pytest.raises(stripe.InvalidRequestError, match="either `type` or `types`"):
        client.v1.events.list({"type": "charge.updated", "types": ["charge.updated"]})


def test_a_receipt_says_what_was_paid(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    charge = charge_of(client, pay(client))
    assert charge.receipt_url is not None
    text = sandbox.browser.get(charge.receipt_url).text
    assert "Paid" in text
    assert "$100.00" in text
