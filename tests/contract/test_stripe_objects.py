"""Everything that the sandbox shows looks like Stripe's: each object, each event, each refusal."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from support.stripe_contract import (
    assert_error_valid,
    assert_object_valid,
    assert_requests_valid,
    needs_contract,
)
from support.stripe_sandbox import SECRET_KEY, StripeSandbox, loopback_client, stripe_sandbox

pytestmark = needs_contract

RETURN_URL = "https://school.example/back"
LISTS = (
    "accounts",
    "balance_transactions",
    "charges",
    "checkout/sessions",
    "customers",
    "disputes",
    "events",
    "payment_intents",
    "prices",
    "products",
    "refunds",
    "transfers",
)


class Raw:
    """The API without the library, which would hide what was answered."""

    def __init__(self, base_url: str) -> None:
        self._http = loopback_client(base_url)
        self._http.headers["Authorization"] = f"Bearer {SECRET_KEY}"

    def get(self, path: str, account: str | None = None, **query: Any) -> dict[str, Any]:
        answer = self._http.get(
            f"/v1/{path}", params=query, headers={"Stripe-Account": account} if account else {}
        )
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def refused(self, method: str, path: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._http.request(method, f"/v1/{path}", data=form)
        assert answer.status_code >= 400
        document: dict[str, Any] = answer.json()
        return document

    def all(self, path: str, account: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 100}
        while True:
            document = self.get(path, account, **query)
            found += document["data"]
            if not document["has_more"]:
                return found
            query["starting_after"] = found[-1]["id"]

    def sent(self) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = self._http.get("/_control/requests").json()
        return documents

    def close(self) -> None:
        self._http.close()


def attempt(client: stripe.StripeClient, method: str, **more: Any) -> stripe.PaymentIntent | None:
    """Pay with a test payment method; None if it is refused."""
    try:
        return client.v1.payment_intents.create(
            {"amount": 7700, "currency": "aud", "confirm": True, "payment_method": method, **more}  # type: ignore[typeddict-item]
        )
    except stripe.CardError:
        return None


def live(sandbox: StripeSandbox) -> str:
    """Let everything happen that can; return a connected account."""
    client, control = sandbox.client(), sandbox.control
    customer = client.v1.customers.create({"email": "a@example.com", "metadata": {"student_id": "s"}})
    account = client.v1.accounts.create(
        {
            "type": "express",
            "country": "AU",
            "email": "i@example.com",
            "capabilities": {"transfers": {"requested": True}, "card_payments": {"requested": True}},
            "metadata": {"instructor_id": "i"},
        }
    )
    link = client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": RETURN_URL,
            "refresh_url": RETURN_URL,
        }
    )
    assert sandbox.onboard(link.url).status_code == 303
    control.act("accounts", account.id, "restrict")
    control.act("accounts", account.id, "restore")
    client.v1.accounts.update(account.id, {"metadata": {"more": "yes"}})
    client.v1.accounts.create({"type": "standard"})
    for method in [
        "pm_card_visa",
        "pm_card_mastercard",
        "pm_card_amex",
        "pm_card_bypassPending",
        "pm_card_chargeDeclined",
        "pm_card_chargeDeclinedIncorrectCvc",
        "pm_card_authenticationRequired",
        "pm_card_createDispute",
        "pm_card_createDisputeInquiry",
    ]:
        attempt(client, method, customer=customer.id, return_url=RETURN_URL, transfer_group="g")
    no_url = attempt(client, "pm_card_threeDSecure2Required")
    assert no_url is not None
    control.act("payment_intents", no_url.id, "authenticate", passed=False)
    for dispute in client.v1.disputes.list().data:
        control.act("disputes", dispute.id, "close", outcome="won")
    debit_and_cancel(client, control)
    refund_all(client, control)
    charge = client.v1.charges.list({"limit": 100}).data[-1]
    transfer = client.v1.transfers.create(
        {"amount": 5000, "currency": "aud", "destination": account.id, "source_transaction": charge.id}
    )
    client.v1.transfers.reversals.create(transfer.id, {"amount": 1000, "metadata": {"refund_id": "r"}})
    client.v1.transfers.update(transfer.id, {"metadata": {"payout_id": "p"}})
    checkouts(sandbox, client)
    control.act("accounts", account.id, "pay-out", amount=100)
    return account.id


def debit_and_cancel(client: stripe.StripeClient, control: Any) -> None:
    for number in ("000123456", "111111113"):
        method = client.v1.payment_methods.create(
            {"type": "au_becs_debit", "au_becs_debit": {"account_number": number, "bsb_number": "000000"}}
        )
        debit = attempt(client, method.id, payment_method_types=["au_becs_debit"])
        assert debit is not None
        assert debit.status == "processing"
        control.act("payment_intents", debit.id, "advance")
    intent = client.v1.payment_intents.create({"amount": 900, "currency": "aud"})
    client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})


def refund_all(client: stripe.StripeClient, control: Any) -> None:
    for method in ("pm_card_visa", "pm_card_refundFail", "pm_card_pendingRefund"):
        paid = attempt(client, method)
        assert paid is not None
        refund = client.v1.refunds.create(
            {"payment_intent": paid.id, "amount": 700, "metadata": {"refund_id": "r"}}
        )
        if method != "pm_card_visa":
            control.act("refunds", refund.id, "advance")
    client.v1.refunds.update(refund.id, {"metadata": {"b": "c"}})


def checkouts(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    def session() -> stripe.checkout.Session:
        return client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "success_url": RETURN_URL,
                "cancel_url": RETURN_URL,
                "client_reference_id": "b",
                "line_items": [
                    {
                        "quantity": 2,
                        "price_data": {
                            "currency": "aud",
                            "unit_amount": 4500,
                            "product_data": {"name": "Lesson", "description": "60 minutes"},
                        },
                    }
                ],
                "payment_intent_data": {"metadata": {"booking_id": "b"}, "transfer_group": "booking_b"},
            }
        )

    paid, left, _ = session(), session(), session()
    assert paid.url is not None
    sandbox.pay(paid.url, "4000000000000002")
    sandbox.pay(paid.url)
    client.v1.checkout.sessions.expire(left.id)


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[Raw, str]]:
    """A sandbox in which everything happened, and one of its connected accounts."""
    with stripe_sandbox() as sandbox:
        account = live(sandbox)
        raw = Raw(sandbox.base_url)
        yield raw, account
        raw.close()


@pytest.mark.parametrize("path", LISTS)
def test_every_object_of_a_list_looks_like_stripes(lived: tuple[Raw, str], path: str) -> None:
    raw, _ = lived
    documents = raw.all(path)
    assert documents
    for document in documents:
        assert_object_valid(document)


@pytest.mark.parametrize("path", ["balance", "balance_transactions", "charges", "refunds", "events"])
def test_what_a_connected_account_sees_looks_like_stripes(lived: tuple[Raw, str], path: str) -> None:
    raw, account = lived
    document = raw.get(path, account)
    assert document.get("data", True)
    assert_object_valid(document)


def test_what_was_sent_is_what_stripe_accepts(lived: tuple[Raw, str]) -> None:
    requests = lived[0].sent()
    assert len(requests) > 50
    assert_requests_valid(requests)


def test_the_balance_looks_like_stripes(lived: tuple[Raw, str]) -> None:
    assert_object_valid(lived[0].get("balance"))


@pytest.mark.parametrize(
    ("path", "expand"),
    [
        ("payment_intents", "data.latest_charge.balance_transaction"),
        ("payment_intents", "data.payment_method"),
        ("charges", "data.refunds"),
        ("charges", "data.customer"),
        ("refunds", "data.charge.payment_intent"),
        ("transfers", "data.destination"),
        ("checkout/sessions", "data.payment_intent.latest_charge"),
        ("checkout/sessions", "data.line_items"),
        ("balance_transactions", "data.source"),
    ],
)
def test_expanded_objects_look_like_stripes(lived: tuple[Raw, str], path: str, expand: str) -> None:
    raw, _ = lived
    document = raw.get(path, limit=100, **{"expand[]": expand})
    assert_object_valid(document)
    name = expand.split(".")[1]
    assert any(isinstance(item.get(name), dict) for item in document["data"])


def test_the_parts_of_other_objects_look_like_stripes(lived: tuple[Raw, str]) -> None:
    raw, _ = lived
    session = raw.all("checkout/sessions")[0]["id"]
    transfer = raw.all("transfers")[0]["id"]
    for path in (f"checkout/sessions/{session}/line_items", f"transfers/{transfer}/reversals"):
        document = raw.get(path)
        assert document["data"]
        assert_object_valid(document)


def test_every_kind_of_event_that_the_project_listens_to_happened(lived: tuple[Raw, str]) -> None:
    raw, account = lived
    happened = {event["type"] for event in raw.all("events")} | {
        event["type"] for event in raw.all("events", account)
    }
    assert happened >= {
        "account.updated",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.failed",
        "charge.refunded",
        "charge.succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
        "refund.failed",
        "refund.updated",
        "transfer.created",
        "transfer.reversed",
    }


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", "charges/ch_nobody", None),
        ("GET", "nothing", None),
        ("POST", "refunds", {"foo": "bar"}),
        ("POST", "refunds", {"charge": "ch_nobody"}),
        ("POST", "payment_intents", {"amount": "ten", "currency": "aud"}),
        ("POST", "payment_intents", {"currency": "aud"}),
        (
            "POST",
            "payment_intents",
            {
                "amount": "500",
                "currency": "aud",
                "confirm": "true",
                "payment_method": "pm_card_chargeDeclined",
            },
        ),
    ],
)
def test_every_refusal_looks_like_stripes(
    lived: tuple[Raw, str], method: str, path: str, form: dict[str, Any] | None
) -> None:
    assert_error_valid(lived[0].refused(method, path, form))
