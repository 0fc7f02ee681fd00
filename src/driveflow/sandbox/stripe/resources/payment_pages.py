"""The two calls by which Stripe's own pay page, and the Stripe CLI in its place, pays a checkout session.

They are not part of the published API; `stripe trigger checkout.session.completed` uses them.
"""

from typing import Any, Final

from driveflow.sandbox.stripe import checkout
from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.fields import Field, Integer, Text
from driveflow.sandbox.stripe.resources import checkout_sessions, payment_methods
from driveflow.sandbox.stripe.store import Record

PATH: Final = "/v1/payment_pages/{session}"


def retrieve(call: Call, session_id: str) -> Record:
    """Return a session to its page."""
    return call.find(checkout_sessions.KIND, session_id)


def confirm(call: Call, session_id: str) -> dict[str, Any]:
    """Pay a session."""
    session = call.find(checkout_sessions.KIND, session_id)
    if session.body["status"] != "open":
        raise invalid("This Checkout Session is no longer active.", code="checkout_not_active_session")
    if call.params["expected_amount"] != session.body["amount_total"]:
        raise invalid("The amount has changed.", code="checkout_amount_mismatch", param="expected_amount")
    method = payment_methods.resolve(call, call.params["payment_method"], "payment_method")
    checkout.pay(call, session, method)
    return session.body


_CONFIRM: Final[dict[str, Field]] = {
    "expected_amount": Integer(required=True),
    "payment_method": Text(required=True),
}
OPERATIONS: Final = (
    Operation("GET", PATH, retrieve),
    Operation("POST", PATH + "/confirm", confirm, _CONFIRM),
)
