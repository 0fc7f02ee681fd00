"""Disputes: a card holder takes a payment back; the money and a fee leave at once, and may return."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.fields import PAGE, Field, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.resources import balance_transactions
from driveflow.sandbox.stripe.settings import DAY_S
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "dispute"
_INQUIRY: Final = "inquiry"
_DAYS_TO_ANSWER: Final = 7
_NETWORK_REASONS: Final = {"fraudulent": "10.4", "product_not_received": "13.1", "general": "10.4"}
_FINAL: Final = ("won", "lost", "warning_closed")
_EVIDENCE: Final = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
]


def open_dispute(call: Call, charge: Record, reason: str) -> Record:
    """Open a dispute of a whole charge; an inquiry takes no money.

    Raises StripeError if the charge is disputed already or was not paid.
    """
    body = charge.body
    if body["disputed"] or body["status"] != "succeeded":
        raise invalid(f"Charge {charge.id} cannot be disputed (again).", param="charge")
    inquiry = reason == _INQUIRY
    shown = "general" if inquiry else reason
    brand = (body["payment_method_details"].get("card") or {}).get("brand", "visa")
    amount = body["amount"] - body["amount_refunded"]
    dispute = call.new(
        _KIND,
        "du_",
        {
            "amount": amount,
            "balance_transactions": [],
            "charge": charge.id,
            "currency": body["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": call.now + _DAYS_TO_ANSWER * DAY_S,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": False,
            "metadata": {},
            "payment_intent": body["payment_intent"],
            "payment_method_details": {
                "type": "card",
                "card": {
                    "brand": brand,
                    "case_type": "inquiry" if inquiry else "chargeback",
                    "network": brand,
                    "network_reason_code": _NETWORK_REASONS.get(shown, "10.4"),
                },
            },
            "reason": shown,
            "status": "warning_needs_response" if inquiry else "needs_response",
        },
    )
    if not inquiry:
        body["disputed"] = True
        call.store.save(charge)
        _move_money(call, dispute, -amount, call.settings.dispute_fee_cents)
    emit(call, "charge.dispute.created", dispute)
    if not inquiry:
        emit(call, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move_money(call: Call, dispute: Record, amount: int, fee: int) -> None:
    movement = balance_transactions.book(
        call,
        "adjustment",
        dispute.id,
        amount,
        dispute.body["currency"],
        fee=fee,
        fee_text="Dispute fee",
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute.body['charge']}",
        category="dispute" if amount < 0 else "dispute_reversal",
    )
    dispute.body["balance_transactions"].append(present(call, movement))
    call.store.save(dispute)


def holds_money(call: Call, charge: Record) -> bool:
    """Return whether a dispute keeps a charge's money, so that none can be refunded."""
    return any(
        dispute.body["status"] != "won" and not dispute.body["is_charge_refundable"]
        for dispute in call.store.having(_KIND, "charge", charge.id)
    )


def decide(call: Call, dispute: Record, *, won: bool) -> None:
    """Close a dispute; a won one brings the money back, not the fee.

    Raises StripeError if it is closed already.
    """
    status = dispute.body["status"]
    if status in _FINAL:
        raise invalid(f"This dispute is already closed with status {status}.", param="dispute")
    inquiry = status.startswith("warning")
    decided = "won" if won else "lost"
    dispute.body["status"] = "warning_closed" if inquiry else decided
    call.store.save(dispute)
    if won and not inquiry:
        _move_money(call, dispute, dispute.body["amount"], 0)
    emit(call, "charge.dispute.closed", dispute)
    if won and not inquiry:
        emit(call, "charge.dispute.funds_reinstated", dispute)


def close(call: Call, dispute_id: str) -> Record:
    """Accept a dispute, which loses it."""
    dispute = call.find(_KIND, dispute_id)
    decide(call, dispute, won=False)
    return dispute


def update(call: Call, dispute_id: str) -> Record:
    """Change a dispute's metadata."""
    dispute = call.find(_KIND, dispute_id)
    if "metadata" in call.params:
        previous: dict[str, Any] = {"metadata": dispute.body["metadata"]}
        dispute.body["metadata"] = merged(dispute.body["metadata"], call.params["metadata"])
        call.store.save(dispute)
        emit(call, "charge.dispute.updated", dispute, previous=previous)
    return dispute


def retrieve(call: Call, dispute_id: str) -> Record:
    """Return a dispute."""
    return call.find(_KIND, dispute_id)


def list_all(call: Call) -> Listing:
    """Return a page of disputes."""
    filters = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, _KIND, "/v1/disputes", equal=filters)


_LIST: Final[dict[str, Field]] = {**PAGE, "charge": Text(), "created": Range(), "payment_intent": Text()}
OPERATIONS: Final = (
    Operation("GET", "/v1/disputes", list_all, _LIST),
    Operation("GET", "/v1/disputes/{dispute}", retrieve),
    Operation("POST", "/v1/disputes/{dispute}", update, {"metadata": Metadata()}),
    Operation("POST", "/v1/disputes/{dispute}/close", close),
)
