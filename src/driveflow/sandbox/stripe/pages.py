"""The pages that a person sees in place of Stripe's: to pay, to authenticate, to be onboarded.

Plain forms that work without a script. Each submission is one transaction, so that a second tab finds what the
first did.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe import checkout, payment_flow
from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.card_form import TypingError, read_card
from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.resources import account_links, accounts, checkout_sessions, payment_methods
from driveflow.sandbox.stripe.sandbox import Sandbox
from driveflow.sandbox.stripe.store import Record

_templates: Final = Environment(
    loader=PackageLoader("driveflow.sandbox.stripe"), autoescape=True, undefined=StrictUndefined
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TEST_CARDS: Final = (
    ("Pays", "4242 4242 4242 4242"),
    ("Asks for 3-D Secure", "4000 0025 0000 3155"),
    ("Is declined", "4000 0000 0000 0002"),
    ("Has too little money", "4000 0000 0000 9995"),
    ("Pays, then is disputed", "4000 0000 0000 0259"),
    ("Pays, refunds fail later", "4000 0000 0000 5126"),
)
_MAX_BODY: Final = 20_000
_SESSION_MARK: Final = "{CHECKOUT_SESSION_ID}"


def page_routes() -> list[Route]:
    """Return the routes of all pages."""
    return [
        Route("/pay/{session}", show_pay),
        Route("/pay/{session}", submit_pay, methods=["POST"]),
        Route("/3d-secure/{intent}", show_authentication),
        Route("/3d-secure/{intent}", submit_authentication, methods=["POST"]),
        Route("/onboarding/{link}", show_onboarding),
        Route("/onboarding/{link}", submit_onboarding, methods=["POST"]),
        Route("/receipts/{intent}", show_receipt),
    ]


def _sandbox(request: Request) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def _base(request: Request) -> str:
    return _sandbox(request).settings.public_url or (
        f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    )


def _page(template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    text = _templates.get_template(template).render(**values)
    return HTMLResponse(text, status, headers=_HEADERS)


def _message(
    heading: str, text: str, status: int, link: str | None = None, link_text: str = "Go back"
) -> Response:
    return _page("message.html", status, heading=heading, text=text, link=link, link_text=link_text)


def _go(url: str) -> Response:
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return {}
    return {name: value.strip() for name, value in parse_qsl(body.decode(errors="replace"))}


def _amount(body: Mapping[str, Any], name: str = "amount") -> str:
    return format_cents(body[name], body["currency"].upper(), "en_AU")


def _no_page() -> Response:
    return _message(
        "There is no such page", "Check the address, or go back to where you came from.", HTTPStatus.NOT_FOUND
    )


def _success_url(session: Record) -> str:
    return str(session.body["success_url"]).replace(_SESSION_MARK, session.id)


def _closed(session: Record, status: int) -> Response | None:
    """Return the page of a session that can no longer be paid."""
    if session.body["status"] == "complete":
        return _message(
            "You have paid", "This has been paid already. Nothing more is due.", status, _success_url(session)
        )
    if session.body["status"] == "expired":
        return _message(
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
            "amount": _amount(item, "amount_total"),
        }
        for item in session.hidden["line_items"]
    ]
    return _page(
        "pay.html",
        HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY,
        total=_amount(body, "amount_total"),
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
    with _sandbox(request).act(_base(request)) as call:
        session = call.store.find(checkout_sessions.KIND, request.path_params["session"])
        if session is None:
            return _no_page()
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
    given = await _form(request)
    with _sandbox(request).act(_base(request)) as call:
        session = call.store.find(checkout_sessions.KIND, request.path_params["session"])
        if session is None:
            return _no_page()
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
            return _go(f"{_base(request)}/3d-secure/{intent.id}")
        return _go(_success_url(session))


async def show_authentication(request: Request) -> Response:
    """Show the page on which a card holder authenticates."""
    with _sandbox(request).act(_base(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return _no_page()
        if intent.body["status"] != "requires_action":
            return _nothing_to_authenticate()
        method = call.store.get("payment_method", intent.body["payment_method"])
        return _page(
            "three_d_secure.html",
            total=_amount(intent.body),
            last4=method.body["card"]["last4"],
            action=request.url.path,
        )


def _nothing_to_authenticate() -> Response:
    return _message("Nothing to confirm", "This payment does not wait for you.", HTTPStatus.CONFLICT)


async def submit_authentication(request: Request) -> Response:
    """Let the authentication pass or fail."""
    passed = (await _form(request)).get("outcome") == "complete"
    with _sandbox(request).act(_base(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return _no_page()
        if intent.body["status"] != "requires_action":
            return _nothing_to_authenticate()
        return _go(finish_authentication(call, intent, passed=passed, base_url=_base(request)))


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


def _link_page(call: Call, link: Record | None) -> Response | None:
    if link is None:
        return _no_page()
    if account_links.usable(call, link):
        return None
    if link.hidden["refresh_url"]:
        return _go(link.hidden["refresh_url"])
    return _message("This link is used up", "Ask for a new one.", HTTPStatus.GONE)


async def show_onboarding(request: Request) -> Response:
    """Show the page on which an account is onboarded."""
    with _sandbox(request).act(_base(request)) as call:
        link = call.store.find(account_links.KIND, request.path_params["link"])
        over = _link_page(call, link)
        if over is not None or link is None:
            return over or _no_page()
        account = call.store.get(accounts.KIND, link.hidden["target"])
        return _page(
            "onboarding.html",
            account=account.id,
            country=account.body["country"],
            email=account.body["email"],
            return_url=link.hidden["return_url"],
            action=request.url.path,
        )


async def submit_onboarding(request: Request) -> Response:
    """Onboard an account."""
    with _sandbox(request).act(_base(request)) as call:
        link = call.store.find(account_links.KIND, request.path_params["link"])
        over = _link_page(call, link)
        if over is not None or link is None:
            return over or _no_page()
        link.hidden["used"] = True
        call.store.save(link)
        accounts.complete_onboarding(call, call.store.get(accounts.KIND, link.hidden["target"]))
        if link.hidden["return_url"]:
            return _go(link.hidden["return_url"])
        return _message("You are ready to be paid", "You can close this page.", HTTPStatus.OK)


async def show_receipt(request: Request) -> Response:
    """Show what became of a payment."""
    with _sandbox(request).act(_base(request)) as call:
        intent = call.store.find("payment_intent", request.path_params["intent"])
        if intent is None:
            return _no_page()
        paid = intent.body["status"] == "succeeded"
        return _message(
            "Paid" if paid else "Not paid",
            f"{_amount(intent.body)} ({intent.id}), {intent.body['status'].replace('_', ' ')}",
            HTTPStatus.OK,
        )
