"""Customers: as little as a payment needs to be somebody's."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Field, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "customer"


def create(call: Call) -> Record:
    """Make a customer."""
    params = call.params
    body: dict[str, Any] = {
        "address": None,
        "balance": 0,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": merged({}, params.get("metadata")),
        "name": params.get("name"),
        "next_invoice_sequence": 1,
        "phone": params.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer = call.new(_KIND, "cus_", body)
    emit(call, "customer.created", customer)
    return customer


def retrieve(call: Call, customer_id: str) -> Record:
    """Return a customer."""
    return call.find(_KIND, customer_id)


def list_all(call: Call) -> Listing:
    """Return a page of customers."""
    return page(call, _KIND, "/v1/customers", equal={"email": call.params.get("email")})


_CREATE: Final[dict[str, Field]] = {
    "description": Text(),
    "email": Text(longest=512),
    "metadata": Metadata(),
    "name": Text(longest=256),
    "phone": Text(longest=20),
}
OPERATIONS: Final = (
    Operation("POST", "/v1/customers", create, _CREATE),
    Operation("GET", "/v1/customers", list_all, {**PAGE, "created": Range(), "email": Text()}),
    Operation("GET", "/v1/customers/{customer}", retrieve),
)
