"""Refunds: part or all of a charge goes back, at once, later, or seemingly and then not."""

from typing import Any, Final

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe import timers
from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Choice, Field, Integer, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.resources import balance_transactions, disputes
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "refund"
OUTCOME_TIMER: Final = "refund.outcome"
_FAILURE: Final = "expired_or_canceled_card"


def _charge_of(call: Call) -> Record:
    params = call.params
    if params.get("charge"):
        return call.find("charge", params["charge"], param="charge")
    if not params.get("payment_intent"):
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    intent = call.find("payment_intent", params["payment_intent"], param="payment_intent")
    charge = call.store.find("charge", intent.body["latest_charge"] or "")
    if charge is None or charge.body["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return charge


def create(call: Call) -> Record:
    """Give money of a charge back."""
    charge = _charge_of(call)
    body = charge.body
    if disputes.holds_money(call, charge):
        raise invalid(
            f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    left = body["amount_captured"] - body["amount_refunded"]
    if body["status"] != "succeeded":
        raise invalid(f"Charge {charge.id} was not successful and cannot be refunded.", param="charge")
    if left == 0:
        raise invalid(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    amount = call.params.get("amount", left)
    if amount > left:
        currency = body["currency"].upper()
        raise invalid(
            f"Refund amount ({format_cents(amount, currency, 'en_AU')}) is greater than unrefunded amount on "
            f"charge ({format_cents(left, currency, 'en_AU')})",
            param="amount",
        )
    refund = _make(call, charge, amount)
    _move_refunded(call, charge, amount)
    emit(call, "refund.created", refund)
    emit(call, "charge.refunded", charge)
    if charge.hidden.get("refund", "succeeded") != "succeeded":
        timers.set_timer(call, OUTCOME_TIMER, refund.id, call.now + call.settings.refund_outcome_s)
    return refund


def _make(call: Call, charge: Record, amount: int) -> Record:
    behaviour = charge.hidden.get("refund", "succeeded")
    kind = charge.body["payment_method_details"]["type"]
    details: dict[str, Any] = {"type": kind}
    if kind == "card":
        details["card"] = {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        }
    refund = call.new(
        _KIND,
        "re_",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge.id,
            "currency": charge.body["currency"],
            "metadata": merged({}, call.params.get("metadata")),
            "payment_intent": charge.body["payment_intent"],
            "reason": call.params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if behaviour == "pending" else "succeeded",
            "transfer_reversal": None,
        },
        fails=behaviour == "fails",
    )
    if kind == "card":
        refund.body["destination_details"] = details
    movement = balance_transactions.book(
        call,
        "refund" if kind == "card" else "payment_refund",
        refund.id,
        -amount,
        refund.body["currency"],
        description=f"REFUND FOR CHARGE ({charge.body['description'] or charge.id})",
    )
    refund.body["balance_transaction"] = movement.id
    call.store.save(refund)
    return refund


def _move_refunded(call: Call, charge: Record, amount: int) -> None:
    charge.body["amount_refunded"] += amount
    charge.body["refunded"] = charge.body["amount_refunded"] == charge.body["amount_captured"]
    call.store.save(charge)


def settle(call: Call, refund_id: str) -> None:
    """Give a refund the outcome that its card foresees."""
    refund = call.store.get(_KIND, refund_id)
    if refund.hidden.get("fails"):
        fail(call, refund, _FAILURE)
    elif refund.body["status"] == "pending":
        refund.body["status"] = "succeeded"
        call.store.save(refund)
        _tell_update(call, refund, {"status": "pending"})


def fail(call: Call, refund: Record, reason: str) -> None:
    """Let a refund fail: its money comes back onto the balance and can be refunded again."""
    body = refund.body
    if body["status"] not in {"pending", "succeeded"}:
        raise invalid(f"This refund has a status of {body['status']} and cannot fail.")
    movement = balance_transactions.book(
        call,
        "refund_failure",
        refund.id,
        body["amount"],
        body["currency"],
        description=f"REFUND FAILURE ({refund.id})",
    )
    previous = {"status": body["status"]}
    body |= {"failure_balance_transaction": movement.id, "failure_reason": reason, "status": "failed"}
    call.store.save(refund)
    _move_refunded(call, call.store.get("charge", body["charge"]), -body["amount"])
    emit(call, "refund.failed", refund)
    _tell_update(call, refund, previous)


def _tell_update(call: Call, refund: Record, previous: dict[str, Any]) -> None:
    emit(call, "refund.updated", refund, previous=previous)
    emit(call, "charge.refund.updated", refund, previous=previous)


def update(call: Call, refund_id: str) -> Record:
    """Change a refund's metadata."""
    refund = call.find(_KIND, refund_id)
    if "metadata" in call.params:
        previous = {"metadata": refund.body["metadata"]}
        refund.body["metadata"] = merged(refund.body["metadata"], call.params["metadata"])
        call.store.save(refund)
        _tell_update(call, refund, previous)
    return refund


def retrieve(call: Call, refund_id: str) -> Record:
    """Return a refund."""
    return call.find(_KIND, refund_id)


def list_all(call: Call) -> Listing:
    """Return a page of refunds."""
    filters = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, _KIND, "/v1/refunds", equal=filters)


_CREATE: Final[dict[str, Field]] = {
    "amount": Integer(least=1),
    "charge": Text(),
    "metadata": Metadata(),
    "payment_intent": Text(),
    "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
}
_LIST: Final[dict[str, Field]] = {**PAGE, "charge": Text(), "created": Range(), "payment_intent": Text()}
OPERATIONS: Final = (
    Operation("POST", "/v1/refunds", create, _CREATE),
    Operation("GET", "/v1/refunds", list_all, _LIST),
    Operation("GET", "/v1/refunds/{refund}", retrieve),
    Operation("POST", "/v1/refunds/{refund}", update, {"metadata": Metadata()}),
)
