"""Checkout sessions: a page on which one payment is made, until it expires."""

from typing import Any, Final
from urllib.parse import urlsplit

from driveflow.sandbox.stripe import payment_flow, timers
from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.errors import invalid, malformed
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Choice, Field, Integer, ListOf, Metadata, Range, Shape, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.resources import products
from driveflow.sandbox.stripe.resources.checkout_body import bill_line, session_body
from driveflow.sandbox.stripe.resources.intent_body import SHIPPING, check_amount
from driveflow.sandbox.stripe.settings import DAY_S
from driveflow.sandbox.stripe.store import Record

KIND: Final = "checkout.session"
_NOUN: Final = "checkout.session"
EXPIRY_TIMER: Final = "checkout.session.expiry"
_SHORTEST_S: Final = 30 * 60
_ID_LENGTH: Final = 58
# Requests take their time: an expiry of exactly 30 minutes from when it was computed must pass.
_GRACE_S: Final = 60


def create(call: Call) -> Record:
    """Open a session and its page."""
    params = call.params
    for name in ("success_url", "cancel_url"):
        _check_url(params.get(name), name)
    expires_at = params.get("expires_at", call.now + DAY_S)
    if not call.now + _SHORTEST_S - _GRACE_S <= expires_at <= call.now + DAY_S:
        raise malformed(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    if params.get("customer"):
        call.find("customer", params["customer"], param="customer")
    items = [bill_line(call, line, at) for at, line in enumerate(params["line_items"])]
    currencies = {item["currency"] for item in items}
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    total = sum(item["amount_total"] for item in items)
    currency = currencies.pop()
    check_amount(total, currency, param="line_items")
    session_id = call.store.new_id("cs_test_", _ID_LENGTH)
    session = call.new_with_id(
        KIND,
        session_id,
        session_body(call, session_id, currency, total, expires_at),
        line_items=items,
        payment_intent_data=params.get("payment_intent_data", {}),
    )
    timers.set_timer(call, EXPIRY_TIMER, session.id, expires_at)
    return session


def _check_url(url: str | None, param: str) -> None:
    if url is not None and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc):
        raise malformed("Not a valid URL", code="url_invalid", param=param)


def retrieve(call: Call, session_id: str) -> Record:
    """Return a session."""
    return call.find(KIND, session_id, noun=_NOUN)


def list_all(call: Call) -> Listing:
    """Return a page of sessions."""
    filters = {name: call.params.get(name) for name in ("customer", "payment_intent", "status")}
    return page(call, KIND, "/v1/checkout/sessions", noun=_NOUN, equal=filters)


def line_items(call: Call, session_id: str) -> dict[str, Any]:
    """Return a session's lines."""
    session = call.find(KIND, session_id, noun=_NOUN)
    return {
        "object": "list",
        "data": session.hidden["line_items"],
        "has_more": False,
        "url": f"/v1/checkout/sessions/{session.id}/line_items",
    }


def expire(call: Call, session_id: str) -> Record:
    """End a session that nobody paid."""
    session = call.find(KIND, session_id, noun=_NOUN)
    status = session.body["status"]
    if status != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{status}`.",
            param="session",
        )
    close(call, session)
    return session


def expire_due(call: Call, session_id: str) -> None:
    """End a session whose time is over."""
    session = call.store.get(KIND, session_id)
    if session.body["status"] == "open":
        close(call, session)


def close(call: Call, session: Record) -> None:
    """Expire an open session, and cancel what was begun on its page."""
    session.body |= {"status": "expired", "url": None}
    call.store.save(session)
    if session.body["payment_intent"] is not None:
        intent = call.store.get("payment_intent", session.body["payment_intent"])
        if intent.body["status"] in payment_flow.OPEN:
            payment_flow.cancel(call, intent, "expired")
    emit(call, "checkout.session.expired", session)


_PRICE_DATA: Final = Shape(
    {
        "currency": Text(required=True),
        "product": Text(),
        "product_data": Shape(products.PRODUCT_FIELDS),
        "tax_behavior": products.TAX_BEHAVIOUR,
        "unit_amount": Integer(required=True, least=0),
    }
)
_LINE: Final = Shape(
    {
        "metadata": Metadata(),
        "price": Text(),
        "price_data": _PRICE_DATA,
        "quantity": Integer(least=1, most=999_999),
    }
)
_INTENT_DATA: Final = Shape(
    {
        "capture_method": Choice(("automatic", "automatic_async")),
        "description": Text(longest=1000),
        "metadata": Metadata(),
        "receipt_email": Text(),
        "shipping": SHIPPING,
        "statement_descriptor": Text(longest=22),
        "statement_descriptor_suffix": Text(longest=22),
        "transfer_group": Text(),
    }
)
_CREATE: Final[dict[str, Field]] = {
    "cancel_url": Text(),
    "client_reference_id": Text(longest=200),
    "customer": Text(),
    "customer_email": Text(longest=800),
    "expires_at": Integer(),
    "line_items": ListOf(_LINE, required=True),
    "locale": Choice(("auto", "en", "en-GB", "de", "fr", "es", "it", "nl", "pt", "zh")),
    "metadata": Metadata(),
    "mode": Choice(("payment",), required=True),
    "payment_intent_data": _INTENT_DATA,
    "payment_method_types": ListOf(Choice(("card",))),
    "submit_type": Choice(("auto", "book", "donate", "pay")),
    "success_url": Text(required=True),
    "ui_mode": Choice(("hosted_page",)),
}
_LIST: Final[dict[str, Field]] = {
    **PAGE,
    "created": Range(),
    "customer": Text(),
    "payment_intent": Text(),
    "status": Choice(("complete", "expired", "open")),
}
_PATH: Final = "/v1/checkout/sessions"
OPERATIONS: Final = (
    Operation("POST", _PATH, create, _CREATE),
    Operation("GET", _PATH, list_all, _LIST),
    Operation("GET", _PATH + "/{session}", retrieve),
    Operation("POST", _PATH + "/{session}/expire", expire),
    Operation("GET", _PATH + "/{session}/line_items", line_items, dict(PAGE)),
)
