"""Payment intents: what test cards do to them, and the statuses they go through."""

import pytest
import stripe

from support.stripe_money import charge_of, event_types, pay
from support.stripe_sandbox import StripeSandbox, stripe_sandbox

RETURN_URL = "https://school.example/back"


def test_a_good_card_pays_and_the_fee_is_taken(client: stripe.StripeClient) -> None:
    intent = pay(client, metadata={"booking_id": "b1"}, transfer_group="booking_b1")
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)
    charge = charge_of(client, intent)
    assert (charge.status, charge.transfer_group) == ("succeeded", "booking_b1")
    assert charge.metadata.to_dict() == {"booking_id": "b1"}
    movement = charge.balance_transaction
    assert isinstance(movement, stripe.BalanceTransaction)
    # 1.7 % of 100 dollars and 30 cents.
    assert (movement.fee, movement.net, movement.status) == (200, 9800, "pending")


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_bad_card_is_declined_and_the_intent_waits_for_another(
    client: stripe.StripeClient, method: str, code: str, decline_code: str
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        pay(client, method)
    error = refused.value
    assert error.http_status == 402
    assert error.code == code
    assert error.error is not None
    assert error.error.decline_code == decline_code
    assert error.error.payment_intent is not None
    intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code
    charge = charge_of(client, intent)
    assert (charge.status, charge.balance_transaction) == ("failed", None)
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"


def test_an_intent_with_a_method_waits_to_be_confirmed(client: stripe.StripeClient) -> None:
    intent = pay(client, confirm=False)
    assert (intent.status, intent.latest_charge) == ("requires_confirmation", None)
    assert client.v1.payment_intents.confirm(intent.id).status == "succeeded"


def test_three_d_secure_asks_the_card_holder(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    intent = pay(client, "pm_card_authenticationRequired", return_url=RETURN_URL)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    page = intent.next_action.redirect_to_url.url
    assert page is not None
    answer = sandbox.authenticate(page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{RETURN_URL}?payment_intent={intent.id}&")
    assert answer.headers["location"].endswith("redirect_status=succeeded")
    paid = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert paid.status == "succeeded"
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert paid.latest_charge.payment_method_details is not None
    assert paid.latest_charge.payment_method_details.card is not None
    assert paid.latest_charge.payment_method_details.card.three_d_secure is not None
    assert sandbox.authenticate(page).status_code == 409


def test_a_failed_three_d_secure_takes_no_money(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    intent = pay(client, "pm_card_threeDSecure2Required", return_url=RETURN_URL)
    answer = sandbox.authenticate(f"{sandbox.base_url}/3d-secure/{intent.id}", "fail")
    assert answer.headers["location"].endswith("redirect_status=failed")
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert (failed.status, failed.latest_charge) == ("requires_payment_method", None)
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"


def test_an_authenticated_card_may_still_be_declined(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    intent = pay(
        client, "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", return_url=RETURN_URL
    )
    document = sandbox.control.act("payment_intents", intent.id, "authenticate")
    assert document["status"] == "requires_payment_method"
    assert document["last_payment_error"]["decline_code"] == "insufficient_funds"


def test_a_debit_takes_its_time(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    paid, failed = (
        client.v1.payment_methods.create(
            {"type": "au_becs_debit", "au_becs_debit": {"account_number": number, "bsb_number": "000000"}}
        )
        for number in ("000123456", "111111113")
    )
    good = pay(client, paid.id, payment_method_types=["au_becs_debit"])
    bad = pay(client, failed.id, payment_method_types=["au_becs_debit"])
    assert (good.status, bad.status) == ("processing", "processing")
    assert own_sandbox.control.totals()["accounts"] == {}
    own_sandbox.control.advance_clock(60)
    assert client.v1.payment_intents.retrieve(good.id).status == "succeeded"
    assert client.v1.payment_intents.retrieve(bad.id).status == "requires_payment_method"
    assert own_sandbox.control.totals()["accounts"]["platform"]["aud"]["balance"] == 9800
    assert {"payment_intent.processing", "payment_intent.succeeded", "payment_intent.payment_failed"} <= set(
        event_types(client)
    )


def test_an_open_intent_is_canceled_once(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "aud"})
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    for act in (client.v1.payment_intents.cancel, client.v1.payment_intents.confirm):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_a_paid_intent_cannot_be_paid_or_canceled_again(client: stripe.StripeClient) -> None:
    intent = pay(client)
    for act in (client.v1.payment_intents.cancel, client.v1.payment_intents.confirm):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_an_intent_without_a_method_cannot_be_confirmed(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "aud"})
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        client.v1.payment_intents.confirm(intent.id)


def test_amounts_outside_what_stripe_charges_are_refused(client: stripe.StripeClient) -> None:
    for amount, code in ((49, "amount_too_small"), (100_000_000, "amount_too_large")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.payment_intents.create({"amount": amount, "currency": "aud"})
        assert (refused.value.code, refused.value.param) == (code, "amount")


def test_fees_can_be_chosen() -> None:
    with stripe_sandbox(fee_bps=290, fee_fixed_cents=5) as sandbox:
        client = sandbox.client()
        movement = charge_of(client, pay(client, "pm_card_bypassPending", amount=150)).balance_transaction
        assert isinstance(movement, stripe.BalanceTransaction)
        # 4.35 cents are rounded to 4.
        assert (movement.fee, movement.status) == (9, "available")


async def test_the_async_library_pays_too(sandbox: StripeSandbox) -> None:
    async with sandbox.async_client() as client:
        intent = await client.v1.payment_intents.create_async(
            {"amount": 500, "currency": "aud", "confirm": True, "payment_method": "pm_card_visa"},
            {"idempotency_key": "async"},
        )
        assert intent.status == "succeeded"
        assert (await client.v1.payment_intents.retrieve_async(intent.id)).amount_received == 500
