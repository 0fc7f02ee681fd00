"""Turns what is kept into what an answer shows, with the objects that `expand` asks for in place of ids."""

from collections.abc import Callable
from typing import Any, Final

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.lists import Listing, embedded
from driveflow.sandbox.stripe.store import Record

_MAX_DEPTH: Final = 4
_Document = dict[str, Any]


def present(call: Call, record: Record) -> _Document:
    """Return an object as the API shows it now."""
    body = record.body
    if record.kind == "balance_transaction":
        return {**body, "status": "available" if body["available_on"] <= call.now else "pending"}
    return body


def render(call: Call, answer: Any) -> _Document:
    """Return the document of a handler's answer, expanded as the request asks.

    Raises StripeError for a property that cannot be expanded.
    """
    if isinstance(answer, Listing):
        document: _Document = {
            "object": "list",
            "data": [present(call, record) for record in answer.records],
            "has_more": answer.has_more,
            "url": answer.url,
        }
    else:
        document = present(call, answer) if isinstance(answer, Record) else answer
    for path in call.params.get("expand", []):
        steps = path.split(".")
        if len(steps) - (steps[0] == "data") > _MAX_DEPTH:
            raise invalid(f"You cannot expand more than {_MAX_DEPTH} levels of a property.", param="expand")
        document = _expanded(call, document, steps, path)
    return document


def _expanded(call: Call, document: Any, steps: list[str], path: str) -> Any:
    if not steps:
        return document
    if isinstance(document, list):
        return [_expanded(call, item, steps, path) for item in document]
    name, rest = steps[0], steps[1:]
    value = document.get(name) if isinstance(document, dict) else None
    if isinstance(value, str):
        value = _object(call, value)
    elif value is None and isinstance(document, dict):
        included = _INCLUDED.get((document.get("object", ""), name))
        if included is not None:
            value = included(call, document)
        elif name in document:  # a null stays one
            return document
    if not isinstance(value, dict | list):
        raise invalid(f"This property cannot be expanded ({path}).", param="expand[0]")
    return {**document, name: _expanded(call, value, rest, path)}


def _object(call: Call, object_id: str) -> _Document | None:
    found = call.store.select("WHERE id = ?", (object_id,))
    return present(call, found[0]) if found else None


def _line_items(call: Call, session: _Document) -> _Document:
    items = call.store.get("checkout.session", session["id"]).hidden["line_items"]
    return embedded(f"/v1/checkout/sessions/{session['id']}/line_items", items)


def _refunds(call: Call, charge: _Document) -> _Document:
    refunds = call.store.having("refund", "charge", charge["id"])
    return embedded(
        f"/v1/charges/{charge['id']}/refunds", [present(call, record) for record in reversed(refunds)]
    )


# What stands in an object only when it is asked for.
_INCLUDED: Final[dict[tuple[str, str], Callable[[Call, _Document], _Document]]] = {
    ("checkout.session", "line_items"): _line_items,
    ("charge", "refunds"): _refunds,
}
