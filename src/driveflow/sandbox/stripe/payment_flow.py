"""The life of a payment intent: its statuses, and what moves it from one to the next.

requires_payment_method -> requires_confirmation -> (requires_action | processing) -> succeeded; a refusal
goes back to requires_payment_method, and what is open can be canceled
(https://docs.stripe.com/payments/paymentintents/lifecycle).
"""

from typing import Any, Final

from driveflow.sandbox.stripe import charging, timers
from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.cards import Decline
from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.resources.payment_methods import card_of
from driveflow.sandbox.stripe.store import Record

DEBIT_TIMER: Final = "payment_intent.debit"
OPEN: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
"""The statuses from which an intent can be confirmed or canceled."""

_NOT_AUTHENTICATED: Final = Decline(
    "payment_intent_authentication_failure",
    "authentication_required",
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again.",
)


def confirm(call: Call, intent: Record, method: Record, return_url: str | None = None) -> None:
    """Try to pay with a payment method.

    Raises StripeError (402), keeping what happened, if the issuer refuses.
    """
    card = card_of(method)
    intent.body |= {"payment_method": method.id, "next_action": None, "last_payment_error": None}
    intent.hidden["return_url"] = return_url
    if card is None:
        _start_debit(call, intent, method)
    elif card.authenticates:
        _ask_authentication(call, intent, return_url)
    elif card.decline is not None:
        raise refuse(call, intent, method, card.decline)
    else:
        _succeed(call, intent, method, authenticated=False)


def authenticate(call: Call, intent: Record, *, passed: bool) -> StripeError | None:
    """Let the card holder's authentication end; return the refusal that followed, if any."""
    method = call.store.get("payment_method", intent.body["payment_method"])
    card = card_of(method)
    intent.body["next_action"] = None
    if not passed:
        return refuse(call, intent, method, _NOT_AUTHENTICATED, charged=False)
    if card is not None and card.decline is not None:
        return refuse(call, intent, method, card.decline)
    _succeed(call, intent, method, authenticated=True)
    return None


def refuse(
    call: Call, intent: Record, method: Record, refusal: Decline, *, charged: bool = True
) -> StripeError:
    """Take back a try that was refused; return the error to be raised."""
    more: dict[str, Any] = {"payment_method": present(call, method)}
    if charged:
        charge = charging.decline(call, intent, method, refusal)
        intent.body["latest_charge"] = charge.id
        more |= {"charge": charge.id, "decline_code": refusal.decline_code}
    error = StripeError(402, refusal.message, kind="card_error", code=refusal.code, commits=True, **more)
    if not charged:
        error.error["type"] = "invalid_request_error"
    intent.body |= {
        "last_payment_error": dict(error.error),
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }
    call.store.save(intent)
    emit(call, "payment_intent.payment_failed", intent)
    error.error["payment_intent"] = present(call, intent)
    return error


def cancel(call: Call, intent: Record, reason: str | None) -> None:
    """Give a payment intent up."""
    intent.body |= {
        "canceled_at": call.now,
        "cancellation_reason": reason,
        "next_action": None,
        "status": "canceled",
    }
    call.store.save(intent)
    emit(call, "payment_intent.canceled", intent)


def finish_debit(call: Call, intent_id: str) -> None:
    """Give a processing payment its outcome."""
    intent = call.store.get("payment_intent", intent_id)
    if intent.body["status"] != "processing":
        return
    method = call.store.get("payment_method", intent.body["payment_method"])
    charge = call.store.get("charge", intent.body["latest_charge"])
    paid = not method.hidden.get("fails", False)
    charging.finish(call, charge, paid=paid)
    if paid:
        _mark_succeeded(call, intent, charge)
        return
    intent.body |= {
        "last_payment_error": {
            "type": "invalid_request_error",
            "code": charge.body["failure_code"],
            "message": charge.body["failure_message"],
            "charge": charge.id,
            "payment_method": present(call, method),
        },
        "payment_method": None,
        "status": "requires_payment_method",
    }
    call.store.save(intent)
    emit(call, "payment_intent.payment_failed", intent)


def _ask_authentication(call: Call, intent: Record, return_url: str | None) -> None:
    url = f"{call.base_url}/3d-secure/{intent.id}"
    action: dict[str, Any] = {"type": "use_stripe_sdk", "use_stripe_sdk": {"stripe_js": url}}
    if return_url:
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    intent.body |= {"next_action": action, "status": "requires_action"}
    call.store.save(intent)
    emit(call, "payment_intent.requires_action", intent)


def _start_debit(call: Call, intent: Record, method: Record) -> None:
    charge = charging.start(call, intent, method)
    intent.body |= {"latest_charge": charge.id, "status": "processing"}
    call.store.save(intent)
    emit(call, "payment_intent.processing", intent)
    timers.set_timer(call, DEBIT_TIMER, intent.id, call.now + call.settings.processing_s)


def _succeed(call: Call, intent: Record, method: Record, *, authenticated: bool) -> None:
    charge = charging.pay(call, intent, method, authenticated=authenticated)
    _mark_succeeded(call, intent, charge)


def _mark_succeeded(call: Call, intent: Record, charge: Record) -> None:
    intent.body |= {
        "amount_received": intent.body["amount"],
        "last_payment_error": None,
        "latest_charge": charge.id,
        "status": "succeeded",
    }
    call.store.save(intent)
    emit(call, "payment_intent.succeeded", intent)
