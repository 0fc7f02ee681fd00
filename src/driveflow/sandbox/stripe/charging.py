"""Makes charges: the success or failure of one try to pay, and the money that it moves."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.cards import Card, Decline
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.resources import balance_transactions, disputes
from driveflow.sandbox.stripe.resources.payment_methods import card_of
from driveflow.sandbox.stripe.store import Record

_SUCCESS: Final = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 20,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def pay(call: Call, intent: Record, method: Record, *, authenticated: bool) -> Record:
    """Charge a payment method at once; the money comes onto the balance."""
    card = card_of(method)
    body = _charge(call, intent, method, authenticated=authenticated)
    charge = call.new("charge", "ch_", body, refund=card.refund if card else "succeeded")
    _book(call, charge, settles_at_once=card is not None and card.settles_at_once)
    call.store.save(charge)
    emit(call, "charge.succeeded", charge)
    if card is not None and card.dispute is not None:
        disputes.open_dispute(call, charge, card.dispute)
    return charge


def decline(call: Call, intent: Record, method: Record, refusal: Decline) -> Record:
    """Write down a try that the issuer refused."""
    body = _charge(call, intent, method, authenticated=False)
    body |= {
        "amount_captured": 0,
        "captured": False,
        "failure_code": refusal.code,
        "failure_message": refusal.message,
        "outcome": {
            **_SUCCESS,
            "advice_code": "try_again_later",
            "network_decline_code": refusal.network_code,
            "network_status": "declined_by_network",
            "reason": refusal.decline_code,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        },
        "paid": False,
        "receipt_url": None,
        "status": "failed",
    }
    charge = call.new("charge", "ch_", body)
    emit(call, "charge.failed", charge)
    return charge


def start(call: Call, intent: Record, method: Record) -> Record:
    """Write down a debit whose outcome is not known yet."""
    body = _charge(call, intent, method, authenticated=False)
    body |= {"outcome": {**_SUCCESS, "network_status": "approved_by_network"}, "status": "pending"}
    charge = call.new("charge", "py_", body, refund="succeeded")
    emit(call, "charge.pending", charge)
    return charge


def finish(call: Call, charge: Record, *, paid: bool) -> None:
    """Give a debit its outcome."""
    if paid:
        charge.body["status"] = "succeeded"
        _book(call, charge, settles_at_once=False)
    else:
        charge.body |= {
            "amount_captured": 0,
            "captured": False,
            "failure_code": "debit_not_authorized",
            "failure_message": "The customer has notified their bank that this payment was unauthorized.",
            "outcome": None,
            "paid": False,
            "receipt_url": None,
            "status": "failed",
        }
    call.store.save(charge)
    emit(call, "charge.succeeded" if paid else "charge.failed", charge)


def _book(call: Call, charge: Record, *, settles_at_once: bool) -> None:
    body = charge.body
    movement = balance_transactions.book(
        call,
        "charge" if charge.id.startswith("ch_") else "payment",
        charge.id,
        body["amount"],
        body["currency"],
        fee=balance_transactions.card_fee(call.settings, body["amount"]),
        available_on=call.now + (0 if settles_at_once else call.settings.settlement_s),
        description=body["description"],
        category="charge",
    )
    body["balance_transaction"] = movement.id


def _charge(call: Call, intent: Record, method: Record, *, authenticated: bool) -> dict[str, Any]:
    wanted = intent.body
    amount = wanted["amount"]
    return {
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method.body["billing_details"],
        "calculated_statement_descriptor": wanted["statement_descriptor"] or "DRIVEFLOW SANDBOX",
        "captured": True,
        "currency": wanted["currency"],
        "customer": wanted["customer"],
        "description": wanted["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": wanted["metadata"],
        "on_behalf_of": None,
        "outcome": _SUCCESS,
        "paid": True,
        "payment_intent": intent.id,
        "payment_method": method.id,
        "payment_method_details": _details(method, amount, authenticated=authenticated),
        "receipt_email": wanted["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{call.base_url}/receipts/{intent.id}" if call.base_url else None,
        "refunded": False,
        "review": None,
        "shipping": wanted["shipping"],
        "source_transfer": None,
        "statement_descriptor": wanted["statement_descriptor"],
        "statement_descriptor_suffix": wanted["statement_descriptor_suffix"],
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": wanted["transfer_group"],
    }


def _details(method: Record, amount: int, *, authenticated: bool) -> dict[str, Any]:
    card = card_of(method)
    kind = method.body["type"]
    if card is None:
        shown = {name: value for name, value in method.body[kind].items() if name != "generated_from"}
        return {"type": kind, kind: shown}
    return {"type": "card", "card": _card_details(method, card, amount, authenticated=authenticated)}


def _card_details(method: Record, card: Card, amount: int, *, authenticated: bool) -> dict[str, Any]:
    shown = method.body["card"]
    secured = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
    failed_cvc = card.decline is not None and card.decline.code == "incorrect_cvc"
    return {
        "amount_authorized": amount,
        "authorization_code": "123456",
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "fail" if failed_cvc else "pass",
        },
        "country": card.country,
        "exp_month": shown["exp_month"],
        "exp_year": shown["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": shown["fingerprint"],
        "funding": card.funding,
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card.last4,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": secured if authenticated else None,
        "transaction_link_id": None,
        "wallet": None,
    }
