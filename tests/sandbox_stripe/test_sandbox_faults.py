"""Faults on demand: what goes wrong between us and Stripe, and what is left behind by it."""

import time
from typing import Any

import pytest
import stripe

from support.stripe_money import pay
from support.stripe_sandbox import SECRET_KEY, StripeSandbox, stripe_sandbox

PAYMENT: Any = {"amount": 500, "currency": "aud", "confirm": True, "payment_method": "pm_card_visa"}
KEY: Any = {"idempotency_key": "pay:1:1"}
PATH = "/v1/payment_intents"


def charges(sandbox: StripeSandbox) -> int:
    """Return how many charges there are."""
    counts: dict[str, int] = sandbox.control.totals()["counts"]
    return counts.get("charge", 0)


def test_a_lost_answer_is_done_and_found_by_the_same_key(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    own_sandbox.control.fault("lost", path=PATH)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.create(PAYMENT, KEY)
    assert charges(own_sandbox) == 1
    again = client.v1.payment_intents.create(PAYMENT, KEY)
    assert again.status == "succeeded"
    assert charges(own_sandbox) == 1


def test_the_librarys_own_retry_finds_a_lost_answer(own_sandbox: StripeSandbox) -> None:
    own_sandbox.control.fault("lost", path=PATH)
    assert own_sandbox.client(max_network_retries=2).v1.payment_intents.create(PAYMENT).status == "succeeded"
    assert charges(own_sandbox) == 1


def test_an_error_before_anything_is_done_leaves_nothing(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    own_sandbox.control.fault("error", path=PATH)
    with pytest.raises(stripe.APIError) as failed:
        client.v1.payment_intents.create(PAYMENT, KEY)
    assert failed.value.http_status == 500
    assert charges(own_sandbox) == 0
    assert client.v1.payment_intents.create(PAYMENT, KEY).status == "succeeded"


def test_an_error_after_everything_is_done_is_replayed(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client(max_network_retries=2)
    own_sandbox.control.fault("error_after", path=PATH)
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.payment_intents.create(PAYMENT, KEY)
        assert failed.value.http_status == 500
        assert failed.value.headers is not None
        assert failed.value.headers["stripe-should-retry"] == "false"
        assert failed.value.headers.get("idempotent-replayed") == replayed
    assert charges(own_sandbox) == 1
    assert client.v1.payment_intents.list().data[0].status == "succeeded"


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [("conflict", 409, stripe.APIError), ("rate_limit", 429, stripe.RateLimitError)],
)
def test_a_refused_request_does_nothing(
    own_sandbox: StripeSandbox, fault: str, status: int, error: type[stripe.StripeError]
) -> None:
    client = own_sandbox.client()
    own_sandbox.control.fault(fault, path=PATH)
    with pytest.raises(error) as refused:
        client.v1.payment_intents.create(PAYMENT, KEY)
    assert refused.value.http_status == status
    assert charges(own_sandbox) == 0
    assert client.v1.payment_intents.create(PAYMENT, KEY).status == "succeeded"


def test_stripe_may_advise_whether_to_retry(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client(max_network_retries=1)
    own_sandbox.control.fault("rate_limit", path=PATH, should_retry=True)
    assert client.v1.payment_intents.create(PAYMENT).status == "succeeded"
    own_sandbox.control.fault("error", path=PATH, should_retry=False)
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.create(PAYMENT)


@pytest.mark.parametrize(("fault", "done"), [("slow", 0), ("slow_after", 1)])
def test_a_slow_answer_may_come_before_or_after_the_act(
    own_sandbox: StripeSandbox, fault: str, done: int
) -> None:
    own_sandbox.control.fault(fault, path=PATH, ms=1000)
    with pytest.raises(stripe.APIConnectionError):
        own_sandbox.client(timeout_s=0.3).v1.payment_intents.create(PAYMENT, KEY)
    assert charges(own_sandbox) == done
    time.sleep(1)
    assert own_sandbox.client().v1.payment_intents.create(PAYMENT, KEY).status == "succeeded"
    assert charges(own_sandbox) == 1


def test_a_fault_hits_only_what_it_names_and_as_often_as_it_says(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    own_sandbox.control.fault("error", method="POST", path="/v1/refunds", times=2)
    intent = pay(client)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.v1.refunds.create({"payment_intent": intent.id})
    assert client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    own_sandbox.control.fault("error", method="GET")
    own_sandbox.control.clear_faults()
    assert client.v1.refunds.list().data


def test_faults_survive_a_restart(tmp_path: Any) -> None:
    with stripe_sandbox(database=tmp_path / "stripe.sqlite3") as sandbox:
        sandbox.control.fault("error", path=PATH)
    with stripe_sandbox(database=tmp_path / "stripe.sqlite3") as sandbox, pytest.raises(stripe.APIError):
        sandbox.client().v1.payment_intents.create(PAYMENT)


def test_a_fault_that_does_not_exist_is_refused(sandbox: StripeSandbox) -> None:
    with pytest.raises(AssertionError, match="There is no fault"):
        sandbox.control.fault("gremlin")
    for path in ("charges/ch_nobody/dispute", "charges/ch_nobody/praise"):
        answer = sandbox.browser.post(f"/_control/{path}")
        assert answer.status_code == 400


def test_the_books_of_a_sandbox_agree(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    client.v1.refunds.create({"payment_intent": pay(client).id, "amount": 2500})
    pay(client, "pm_card_createDispute")
    pay(client, "pm_card_bypassPending", amount=2000)
    book = own_sandbox.control.totals()["accounts"]["platform"]["aud"]
    assert book["sums"] == {"adjustment": -10_000, "charge": 22_000, "refund": -2500}
    assert book["fees"] == 200 + 200 + 2500 + 64
    assert book["balance"] == sum(book["sums"].values()) - book["fees"] == book["available"] + book["pending"]
    balance = client.v1.balance.retrieve()
    assert [amount.amount for amount in balance.available] == [book["available"]]
    assert [amount.amount for amount in balance.pending] == [book["pending"]]
    assert SECRET_KEY not in own_sandbox.browser.get("/_control/totals").text
