"""Idempotency keys: one change and one answer, however often it is asked for."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from support.stripe_money import pay
from support.stripe_sandbox import StripeSandbox

PAYMENT: Any = {"amount": 500, "currency": "aud", "confirm": True, "payment_method": "pm_card_visa"}


def count_of(sandbox: StripeSandbox, kind: str) -> int:
    """Return how many objects of a kind there are."""
    counts: dict[str, int] = sandbox.control.totals()["counts"]
    return counts.get(kind, 0)


def test_the_same_key_gets_the_same_answer(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    first = client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "pay:1:1"})
    events = count_of(own_sandbox, "event")
    again = client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "pay:1:1"})
    assert again.to_dict() == first.to_dict()
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert first.last_response is not None
    assert "idempotent-replayed" not in first.last_response.headers
    assert (count_of(own_sandbox, "charge"), count_of(own_sandbox, "event")) == (1, events)


def test_the_same_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k1"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        client.v1.payment_intents.create(PAYMENT | {"amount": 501}, {"idempotency_key": "k1"})
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.customers.create({}, {"idempotency_key": "k1"})


def test_a_decline_is_an_answer_too(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.payment_intents.create(
                PAYMENT | {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": "k"}
            )
    assert count_of(own_sandbox, "charge") == 1


def test_malformed_parameters_leave_the_key_unused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1, "currency": "aud"}, {"idempotency_key": "k2"})
    made = client.v1.payment_intents.create({"amount": 100, "currency": "aud"}, {"idempotency_key": "k2"})
    assert made.amount == 100


def test_a_key_is_forgotten_after_a_day(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    first = client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"})
    # Real time goes on beside the sandbox's: a minute less, for a slow machine.
    own_sandbox.control.advance_clock(86_340)
    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id == first.id
    own_sandbox.control.advance_clock(61)
    assert client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id != first.id


def test_a_key_in_use_is_a_conflict(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    own_sandbox.control.fault("slow", path="/v1/payment_intents", ms=1500)

    def attempt(_: int) -> str:
        try:
            return client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id
        except stripe.StripeError as error:
            return str(error.http_status)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    assert sorted(outcomes)[:3] == ["409"] * 3
    assert count_of(own_sandbox, "charge") == 1


def test_many_at_once_make_one_charge(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client(max_network_retries=5)

    def attempt(_: int) -> str:
        return client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k"}).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(attempt, range(50)))) == 1
    assert count_of(own_sandbox, "charge") == 1


def test_a_long_key_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="at most 255 characters"):
        client.v1.payment_intents.create(PAYMENT, {"idempotency_key": "k" * 256})


def test_without_a_key_each_request_counts(client: stripe.StripeClient) -> None:
    assert pay(client).id != pay(client).id
