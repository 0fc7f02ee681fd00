"""Checkout sessions and the page on which they are paid."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from support.stripe_money import CANCEL_URL, event_types, open_session, page_of
from support.stripe_sandbox import StripeSandbox, stripe_sandbox


def test_the_page_says_what_is_paid_and_that_no_money_moves(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    text = sandbox.browser.get(page_of(open_session(client, customer_email="eve@example.com"))).text
    assert "No money moves here" in text
    assert "$99.00" in text
    assert "Lesson" in text
    assert 'value="eve@example.com"' in text
    assert CANCEL_URL in text
    assert "<script" not in text
    for name in ("number", "expiry", "cvc", "name", "email"):
        assert f'<label for="{name}">' in text
        assert f'id="{name}"' in text


def test_paying_sends_the_person_back_and_completes_the_session(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    session = open_session(
        client,
        client_reference_id="b7",
        metadata={"payment_id": "p7"},
        payment_intent_data={"metadata": {"booking_id": "b7"}, "transfer_group": "booking_b7"},
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    answer = sandbox.pay(page_of(session))
    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://school.example/paid?session={session.id}"
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert paid.payment_intent.metadata.to_dict() == {"booking_id": "b7"}
    assert paid.payment_intent.transfer_group == "booking_b7"
    assert event_types(client)[-4:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


def test_a_second_tab_cannot_pay_again(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    session = open_session(client)
    page = page_of(session)
    assert sandbox.pay(page).status_code == 303
    second = sandbox.pay(page)
    assert second.status_code == 409
    assert "You have paid" in second.text
    assert "You have paid" in sandbox.browser.get(page).text
    charges = client.v1.charges.list({"payment_intent": _intent_id(client, session), "limit": 100}).data
    assert len(charges) == 1


def test_many_submissions_at_once_pay_once(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    session = open_session(client)
    page = page_of(session)
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: sandbox.pay(page), range(16)))
    assert statuses == [303] + [409] * 15
    assert len(client.v1.charges.list({"payment_intent": _intent_id(client, session)}).data) == 1


def _intent_id(client: stripe.StripeClient, session: stripe.checkout.Session) -> str:
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent, str)
    return intent


def test_a_declined_card_can_be_followed_by_a_good_one(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    session = open_session(client)
    page = page_of(session)
    declined = sandbox.pay(page, "4000000000009995")
    assert declined.status_code == 422
    assert "Your card has insufficient funds." in declined.text
    first = _intent_id(client, session)
    assert sandbox.pay(page).status_code == 303
    assert _intent_id(client, session) == first
    assert [charge.status for charge in client.v1.charges.list({"payment_intent": first}).data] == [
        "succeeded",
        "failed",
    ]


@pytest.mark.parametrize(
    ("number", "expiry", "cvc", "text"),
    [
        ("4242424242424241", "12/40", "123", "card number is invalid"),
        ("", "12/40", "123", "card number is invalid"),
        ("4242424242424242", "01/20", "123", "expiry year is in the past"),
        ("4242424242424242", "13/40", "123", "expiry date is incomplete"),
        ("4242424242424242", "12/40", "12", "security code is incomplete"),
        ("378282246310005", "12/40", "123", "it has 4 digits"),
        ("4111111111111111", "12/40", "123", "Only test cards pay"),
    ],
)
def test_what_is_typed_wrong_is_said(
    sandbox: StripeSandbox, client: stripe.StripeClient, number: str, expiry: str, cvc: str, text: str
) -> None:
    page = page_of(open_session(client))
    answer = sandbox.browser.post(page, data={"number": number, "expiry": expiry, "cvc": cvc})
    assert answer.status_code == 422
    assert text in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_three_d_secure_completes_the_session(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    session = open_session(client)
    asked = sandbox.pay(page_of(session), "4000002500003155")
    assert asked.status_code == 303
    challenge = asked.headers["location"]
    assert "ends in 3155" in sandbox.browser.get(challenge).text
    failed = sandbox.authenticate(challenge, "fail")
    assert failed.headers["location"] == page_of(session)
    assert "unable to authenticate" in sandbox.browser.get(page_of(session)).text
    again = sandbox.pay(page_of(session), "4000002760003184").headers["location"]
    assert sandbox.authenticate(again).headers["location"].startswith("https://school.example/paid")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_an_expired_session_cannot_be_paid(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    session = open_session(client)
    page = page_of(session)
    sandbox.pay(page, "4000000000000002")
    intent = _intent_id(client, session)
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert sandbox.pay(page).status_code == 410
    assert client.v1.payment_intents.retrieve(intent).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match='status in \\["open"\\]'):
        client.v1.checkout.sessions.expire(session.id)


def test_a_session_expires_by_itself(own_sandbox: StripeSandbox) -> None:
    client = own_sandbox.client()
    session = open_session(client, expires_at=int(time.time()) + 1800)
    own_sandbox.control.advance_clock(1799)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    own_sandbox.control.advance_clock(2)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert event_types(client) == ["checkout.session.expired"]


@pytest.mark.parametrize("seconds", [60, 90_000])
def test_a_session_lives_between_half_an_hour_and_a_day(client: stripe.StripeClient, seconds: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(client, expires_at=int(time.time()) + seconds)
    assert refused.value.param == "expires_at"


def test_an_intent_of_a_session_is_canceled_by_expiring_the_session(
    sandbox: StripeSandbox, client: stripe.StripeClient
) -> None:
    session = open_session(client)
    sandbox.pay(page_of(session), "4000000000000002")
    with pytest.raises(stripe.InvalidRequestError, match="Expire the Checkout Session"):
        client.v1.payment_intents.cancel(_intent_id(client, session))


def test_the_lines_of_a_session_are_kept(client: stripe.StripeClient) -> None:
    session = open_session(client, amount=4500)
    lines = client.v1.checkout.sessions.line_items.list(session.id).data
    assert [(line.description, line.quantity, line.amount_total) for line in lines] == [("Lesson", 1, 4500)]


def test_what_a_person_typed_is_shown_as_text(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    page = page_of(open_session(client))
    answer = sandbox.browser.post(page, data={"number": '"><script>', "expiry": "<b>", "cvc": "1"})
    assert "<script>" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


def test_pages_that_do_not_exist_say_so(sandbox: StripeSandbox) -> None:
    for path in (
        "pay/cs_test_x",
        "3d-secure/pi_x",
        "onboarding/acctlink_x",
        "receipts/pi_x",
    ):
        answer = sandbox.browser.get(f"/{path}")
        assert answer.status_code == 404
        assert "There is no such page" in answer.text


def test_the_address_that_people_see_can_be_another() -> None:
    with stripe_sandbox(public_url="http://localhost:9/stripe") as sandbox:
        session = open_session(sandbox.client())
        assert page_of(session) == f"http://localhost:9/stripe/pay/{session.id}"
