"""Payment intents: made, confirmed with test cards, given up."""

from typing import Final

from driveflow.sandbox.stripe import payment_flow
from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import StripeError, invalid, malformed
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.fields import (
    PAGE,
    Choice,
    Field,
    Flag,
    Integer,
    ListOf,
    Metadata,
    Range,
    Shape,
    Text,
)
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.resources import payment_methods
from driveflow.sandbox.stripe.resources.intent_body import SHIPPING, check_amount, make_intent
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "payment_intent"


def create(call: Call) -> Record:
    """Make a payment intent, and confirm it if asked to."""
    params = call.params
    currency = params["currency"].lower()
    check_amount(params["amount"], currency)
    if params.get("payment_method_types") and params.get("automatic_payment_methods"):
        raise malformed(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            param="automatic_payment_methods",
        )
    if not params.get("confirm"):
        for name in ("return_url", "off_session", "mandate_data", "error_on_requires_action"):
            if params.get(name):
                raise malformed(
                    f"You cannot provide `{name}` without also setting `confirm` to true.", param=name
                )
    intent = make_intent(call, params["amount"], currency, params)
    if params.get("payment_method"):
        method = payment_methods.resolve(call, params["payment_method"], "payment_method")
        intent.body |= {"payment_method": method.id, "status": "requires_confirmation"}
        call.store.save(intent)
    if params.get("confirm"):
        _confirm(call, intent)
    return intent


def _confirm(call: Call, intent: Record) -> None:
    method_id = intent.body["payment_method"]
    if method_id is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the PaymentIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=present(call, intent),
        )
    method = call.store.get("payment_method", method_id)
    if method.body["type"] not in intent.body["payment_method_types"]:
        raise invalid(
            f"The PaymentMethod provided ({method.body['type']}) is not allowed for this PaymentIntent. "
            "Please attach an allowed PaymentMethod, or update the payment_method_types.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    card = payment_methods.card_of(method)
    if call.params.get("error_on_requires_action") and card is not None and card.authenticates:
        raise StripeError(
            402,
            "This payment required an authentication action to complete, but `error_on_requires_action` was "
            "set.",
            kind="card_error",
            code="authentication_required",
            decline_code="authentication_not_handled",
        )
    payment_flow.confirm(call, intent, method, call.params.get("return_url"))


def confirm(call: Call, intent_id: str) -> Record:
    """Try to pay a payment intent."""
    intent = call.find(_KIND, intent_id)
    status = intent.body["status"]
    if status not in payment_flow.OPEN:
        raise invalid(
            f"This PaymentIntent's status is {status}, but it must be one of requires_payment_method, "
            "requires_confirmation or requires_action to be confirmed.",
            code="payment_intent_unexpected_state",
            payment_intent=present(call, intent),
        )
    if call.params.get("payment_method"):
        method = payment_methods.resolve(call, call.params["payment_method"], "payment_method")
        intent.body["payment_method"] = method.id
    _confirm(call, intent)
    return intent


def update(call: Call, intent_id: str) -> Record:
    """Change what a payment intent says about itself."""
    intent = call.find(_KIND, intent_id)
    for name in ("description", "receipt_email", "transfer_group"):
        if name in call.params:
            intent.body[name] = call.params[name]
    if "metadata" in call.params:
        intent.body["metadata"] = merged(intent.body["metadata"], call.params["metadata"])
    call.store.save(intent)
    return intent


def cancel(call: Call, intent_id: str) -> Record:
    """Give a payment intent up."""
    intent = call.find(_KIND, intent_id)
    status = intent.body["status"]
    if intent.hidden.get("session"):
        raise invalid(
            "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the "
            "Checkout Session instead.",
            code="payment_intent_unexpected_state",
        )
    if status not in payment_flow.OPEN:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, "
            "requires_confirmation, requires_action.",
            code="payment_intent_unexpected_state",
            payment_intent=present(call, intent),
        )
    payment_flow.cancel(call, intent, call.params.get("cancellation_reason"))
    return intent


def retrieve(call: Call, intent_id: str) -> Record:
    """Return a payment intent."""
    return call.find(_KIND, intent_id)


def list_all(call: Call) -> Listing:
    """Return a page of payment intents."""
    return page(call, _KIND, "/v1/payment_intents", equal={"customer": call.params.get("customer")})


_DESCRIBED: Final[dict[str, Field]] = {
    "description": Text(longest=1000),
    "metadata": Metadata(),
    "receipt_email": Text(),
    "transfer_group": Text(),
}
_TRYING: Final[dict[str, Field]] = {
    "error_on_requires_action": Flag(),
    "mandate_data": Shape(
        {
            "customer_acceptance": Shape(
                {
                    "accepted_at": Integer(),
                    "type": Choice(("offline", "online"), required=True),
                    "offline": Shape(),
                    "online": Shape({"ip_address": Text(required=True), "user_agent": Text(required=True)}),
                },
                required=True,
            )
        }
    ),
    "off_session": Flag(),
    "payment_method": Text(),
    "return_url": Text(),
}
_CREATE: Final[dict[str, Field]] = {
    "amount": Integer(required=True),
    "currency": Text(required=True),
    "automatic_payment_methods": Shape(
        {"enabled": Flag(required=True), "allow_redirects": Choice(("always", "never"))}
    ),
    "capture_method": Choice(("automatic", "automatic_async")),
    "confirm": Flag(),
    "customer": Text(),
    "payment_method_types": ListOf(Choice(("au_becs_debit", "card", "sepa_debit"))),
    "shipping": SHIPPING,
    "statement_descriptor": Text(longest=22),
    "statement_descriptor_suffix": Text(longest=22),
    **_DESCRIBED,
    **_TRYING,
}
_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
OPERATIONS: Final = (
    Operation("POST", "/v1/payment_intents", create, _CREATE),
    Operation("GET", "/v1/payment_intents", list_all, {**PAGE, "created": Range(), "customer": Text()}),
    Operation("GET", "/v1/payment_intents/{intent}", retrieve, {"client_secret": Text()}),
    Operation("POST", "/v1/payment_intents/{intent}", update, _DESCRIBED),
    Operation("POST", "/v1/payment_intents/{intent}/confirm", confirm, _TRYING),
    Operation(
        "POST", "/v1/payment_intents/{intent}/cancel", cancel, {"cancellation_reason": Choice(_REASONS)}
    ),
)
