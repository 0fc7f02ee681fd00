"""Charges: what a payment intent's tries left; made only by paying."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Field, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "charge"


def retrieve(call: Call, charge_id: str) -> Record:
    """Return a charge."""
    return call.find(_KIND, charge_id)


def update(call: Call, charge_id: str) -> Record:
    """Change what a charge says about itself."""
    charge = call.find(_KIND, charge_id)
    previous: dict[str, Any] = {}
    for name in ("description", "receipt_email", "transfer_group"):
        if name in call.params:
            previous[name] = charge.body[name]
            charge.body[name] = call.params[name]
    if "metadata" in call.params:
        previous["metadata"] = charge.body["metadata"]
        charge.body["metadata"] = merged(charge.body["metadata"], call.params["metadata"])
    call.store.save(charge)
    emit(call, "charge.updated", charge, previous=previous)
    return charge


def list_all(call: Call) -> Listing:
    """Return a page of charges."""
    filters = {name: call.params.get(name) for name in ("customer", "payment_intent", "transfer_group")}
    return page(call, _KIND, "/v1/charges", equal=filters)


_UPDATE: Final[dict[str, Field]] = {
    "description": Text(),
    "metadata": Metadata(),
    "receipt_email": Text(),
    "transfer_group": Text(),
}
_LIST: Final[dict[str, Field]] = {
    **PAGE,
    "created": Range(),
    "customer": Text(),
    "payment_intent": Text(),
    "transfer_group": Text(),
}
OPERATIONS: Final = (
    Operation("GET", "/v1/charges", list_all, _LIST),
    Operation("GET", "/v1/charges/{charge}", retrieve),
    Operation("POST", "/v1/charges/{charge}", update, _UPDATE),
)
