"""What the page of a checkout session does: one payment, in as many tries as its card holder needs."""

from typing import Any

from driveflow.sandbox.stripe import payment_flow
from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.resources.intent_body import make_intent
from driveflow.sandbox.stripe.store import Record


def intent_of(call: Call, session: Record) -> Record | None:
    """Return the payment intent that was begun on a session's page, if any."""
    intent_id = session.body["payment_intent"]
    return call.store.get("payment_intent", intent_id) if intent_id else None


def begin(call: Call, session: Record) -> Record:
    """Return the session's payment intent; the first try makes it."""
    intent = intent_of(call, session)
    if intent is None:
        body = session.body
        given: dict[str, Any] = {
            "customer": body["customer"],
            "payment_method_types": body["payment_method_types"],
            **session.hidden["payment_intent_data"],
        }
        intent = make_intent(call, body["amount_total"], body["currency"], given, session=session.id)
        body["payment_intent"] = intent.id
        call.store.save(session)
    return intent


def pay(call: Call, session: Record, method: Record) -> Record:
    """Try to pay an open session; return its intent, which may ask for authentication now.

    Raises StripeError (402), keeping what happened, if the issuer refuses.
    """
    intent = begin(call, session)
    payment_flow.confirm(call, intent, method, session.body["success_url"])
    complete_if_paid(call, session, intent)
    return intent


def authenticate(call: Call, session: Record, *, passed: bool) -> StripeError | None:
    """Let the authentication of a try end; return the refusal that followed, if any."""
    intent = begin(call, session)
    refusal = payment_flow.authenticate(call, intent, passed=passed)
    complete_if_paid(call, session, intent)
    return refusal


def complete_if_paid(call: Call, session: Record, intent: Record) -> None:
    """Complete a session whose intent has succeeded."""
    if intent.body["status"] != "succeeded":
        return
    method = call.store.get("payment_method", intent.body["payment_method"])
    billing = method.body["billing_details"]
    session.body |= {
        "customer_details": {
            "address": billing["address"],
            "business_name": None,
            "email": billing["email"] or session.body["customer_email"],
            "individual_name": None,
            "name": billing["name"],
            "phone": billing["phone"],
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    }
    call.store.save(session)
    emit(call, "checkout.session.completed", session)
