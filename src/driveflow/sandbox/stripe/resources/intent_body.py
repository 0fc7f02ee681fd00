"""How a payment intent looks when it is new, and which amounts can be charged."""

from typing import Any, Final

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe.call import Call, merged
from driveflow.sandbox.stripe.errors import malformed
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import Shape, Text
from driveflow.sandbox.stripe.resources.payment_methods import ADDRESS
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "payment_intent"
_LEAST: Final = 50
_MOST: Final = 99_999_999
_CURRENCY_LENGTH: Final = 3
SHIPPING: Final = Shape(
    {
        "address": Shape({**ADDRESS.fields, "line1": Text(required=True)}, required=True),
        "carrier": Text(),
        "name": Text(required=True),
        "phone": Text(),
        "tracking_number": Text(),
    }
)


def check_amount(amount: int, currency: str, param: str = "amount") -> None:
    """Refuse an amount outside what Stripe charges, or a currency that is none (StripeError, 400)."""
    if len(currency) != _CURRENCY_LENGTH or not currency.isalpha():
        raise malformed(f"Invalid currency: {currency}", param="currency")
    if amount < _LEAST:
        least = format_cents(_LEAST, currency.upper(), "en_AU")
        raise malformed(f"Amount must be at least {least} {currency}", code="amount_too_small", param=param)
    if amount > _MOST:
        most = format_cents(_MOST, currency.upper(), "en_AU")
        raise malformed(f"Amount must be no more than {most}", code="amount_too_large", param=param)


def make_intent(call: Call, amount: int, currency: str, given: dict[str, Any], **hidden: Any) -> Record:
    """Make a payment intent; `given` has what its maker chose."""
    if given.get("customer"):
        call.find("customer", given["customer"], param="customer")
    types = given.get("payment_method_types")
    automatic = given.get("automatic_payment_methods", {"enabled": True} if types is None else None)
    intent_id = call.store.new_id("pi_")
    body: dict[str, Any] = {
        "id": intent_id,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": given.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{call.store.new_id('')}",
        "confirmation_method": "automatic",
        "currency": currency,
        "customer": given.get("customer"),
        "customer_account": None,
        "description": given.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged({}, given.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": types or ["card"],
        "processing": None,
        "receipt_email": given.get("receipt_email"),
        "review": None,
        "setup_future_usage": None,
        "shipping": _shipping(given.get("shipping")),
        "statement_descriptor": given.get("statement_descriptor"),
        "statement_descriptor_suffix": given.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": given.get("transfer_group"),
    }
    intent = call.new_with_id(_KIND, intent_id, body, **hidden)
    emit(call, "payment_intent.created", intent)
    return intent


def _shipping(given: dict[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    address = {**dict.fromkeys(ADDRESS.fields), **given["address"]}
    return {"carrier": None, "phone": None, "tracking_number": None, **given, "address": address}
