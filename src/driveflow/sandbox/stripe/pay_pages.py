"""The pages on which a session is paid and a card holder authenticates."""

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response

from driveflow.sandbox.stripe import checkout, payment_flow
from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.card_form import TypingError, read_card
from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.page import (
    amount_of,
    base_url_of,
    form_of,
    go,
    message,
    no_page,
    page,
    sandbox_of,
)
from driveflow.sandbox.stripe.resources import checkout_sessions, payment_methods
from driveflow.sandbox.stripe.store import Record

_TEST_CARDS: Final = (
    ("Pays", "4242 4242 4242 4242"),
    ("Asks for 3-D Secure", "4000 0025 0000 3155"),
    ("Is declined", "4000 0000 0000 0002"),
    ("Has too little money", "4000 0000 0000 9995"),
    ("Pays, then is disputed", "4000 0000 0000 0259"),
    ("Pays, refunds fail later", "4000 0000 0000 5126"),
)
_SESSION_MARK: Final = "{CHECKOUT_SESSION_ID}"


def _success_url(session: Record) -> str:
    return str(session.body["success_url"]).replace(_SESSION_MARK, session.id)


def _closed(session: Record, status: int) -> Response | None:
    """Return the page of a session that can no longer be paid."""
    if session.body["status"] == "complete":
        return message(
            "You have paid", "This has been paid already. Nothing more is due.", status, _success_url(session)
        )
    if session.body["status"] == "expired":
        return message(
            "This page has expired", "You were not charged.", HTTPStatus.GONE, session.body["cancel_url"]
        )
    return None


def _pay_page(
    session: Record, given: dict[str, str], problem: tuple[str, str] | None, action: str
) -> Response:
    body = session.body
    lines = [
        {
            "description": item["description"],
            "quantity": item["quantity"],
            "amount": amount_of(item, "amount_total"),
        }
        for item in session.hidden["line_items"]
    ]
    return page(
        "pay.html",
        HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY,
        total=amount_of(body, "amount_total"),
        lines=lines,
        action=action,
        given={name: given.get(name, "") for name in ("email", "number", "expiry", "name")},
        wrong=problem[0] if problem else None,
        problem=problem[1] if problem else None,
        test_cards=_TEST_CARDS,
        cancel_url=body["cancel_url"],
    )


async def show_pay(request: Request) -> Response:
    """Show the page on which a session is paid."""
    with sandbox_of(request).act(base_url_of(request)) as call:
        session = call.store.find(checkout_sessions.KIND, request.path_params["session"])
        if session is None:
            return no_page()
        closed = _closed(session, HTTPStatus.OK)
        if closed is not None:
            return closed
        intent = checkout.intent_of(call, session)
        error = intent.body["last_payment_error"] if intent else None
        problem = ("number", error["message"]) if error else None
        page = _pay_page(session, {"email": session.body["customer_email"] or ""}, problem, request.url.path)
        page.status_code = HTTPStatus.OK
        return page


async def submit_pay(request: Request) -> Response:
    """Try to pay a session with the card that was typed."""
    given = await form_of(request)
    with sandbox_of(request).act(base_url_of(request)) as call:
        session = call.store.find(checkout_sessions.KIND, request.path_params["session"])
        if session is None:
            return no_page()
        closed = _closed(session, HTTPStatus.CONFLICT)
        if closed is not None:
            return closed
        try:
            typed = read_card(
                given.get("number", ""), given.get("expiry", ""), given.get("cvc", ""), call.now
            )
            billing = {
                **payment_methods.empty_billing(),
                "email": given.get("email") or None,
                "name": given.get("name") or None,
            }
            method = payment_methods.make_card(call, typed.card, expiry=typed.expiry, billing=billing)
            intent = checkout.pay(call, session, method)
        except TypingError as error:
            return _pay_page(session, given, (error.field, error.message), request.url.path)
        except StripeError as error:
            # What the refused try left behind stays: the transaction ends well.
            return _pay_page(session, given, ("number", str(error)), request.url.path)
        if intent.body["status"] == "requires_action":
            return go(f"{base_url_of(request)}/3d-secure/{intent.id}")
        return go(_success_url(session))


async def show_authentication(request: Request) -> Response:
    """Show the page on which a card holder authenticates."""
    with sandbox_of(request).act(base_url_of(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return no_page()
        if intent.body["status"] != "requires_action":
            return _nothing_to_authenticate()
        method = call.store.get("payment_method", intent.body["payment_method"])
        return page(
            "three_d_secure.html",
            total=amount_of(intent.body),
            last4=method.body["card"]["last4"],
            action=request.url.path,
        )


def _nothing_to_authenticate() -> Response:
    return message("Nothing to confirm", "This payment does not wait for you.", HTTPStatus.CONFLICT)


async def submit_authentication(request: Request) -> Response:
    """Let the authentication pass or fail."""
    passed = (await form_of(request)).get("outcome") == "complete"
    with sandbox_of(request).act(base_url_of(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return no_page()
        if intent.body["status"] != "requires_action":
            return _nothing_to_authenticate()
        return go(finish_authentication(call, intent, passed=passed, base_url=base_url_of(request)))


def finish_authentication(call: Call, intent: Record, *, passed: bool, base_url: str) -> str:
    """Let an authentication end; return where its card holder is sent."""
    session_id = intent.hidden.get("session")
    if session_id is not None:
        session = call.store.get(checkout_sessions.KIND, session_id)
        refusal = checkout.authenticate(call, session, passed=passed)
        return f"{base_url}/pay/{session.id}" if refusal else _success_url(session)
    refusal = payment_flow.authenticate(call, intent, passed=passed)
    back: str | None = intent.hidden.get("return_url")
    if not back:
        return f"{base_url}/receipts/{intent.id}"
    parts = urlsplit(back)
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("payment_intent", intent.id),
        ("payment_intent_client_secret", intent.body["client_secret"]),
        ("redirect_status", "failed" if refusal else "succeeded"),
    ]
    return urlunsplit(parts._replace(query=urlencode(query)))


async def show_receipt(request: Request) -> Response:
    """Show what became of a payment."""
    with sandbox_of(request).act(base_url_of(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return no_page()
        paid = intent.body["status"] == "succeeded"
        return message(
            "Paid" if paid else "Not paid",
            f"{amount_of(intent.body)} ({intent.id}), {intent.body['status'].replace('_', ' ')}",
            HTTPStatus.OK,
        )
