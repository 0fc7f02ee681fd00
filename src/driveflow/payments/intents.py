"""What the state of a PaymentIntent, a Checkout Session or a charge at Stripe means for its payment.

A success is applied whenever it comes, also one of an attempt that was given up: if the booking is not paid
yet it is the payment, and whatever attempt is open is closed; if it is, the customer paid twice and gets that
money back. Anything less than a success counts for the latest attempt only, and only while it is open.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.outbox import Topic, emit
from driveflow.payments import attempts, ledger, receiving, refunds, repository
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import (
    OPEN,
    PAID,
    PaymentMethod,
    PaymentStatus,
    RefundCause,
    intent_status,
    payment_may_become,
)
from driveflow.payments.models import Payment
from driveflow.payments.stripe_requests import remember

UNKNOWN = "unknown"
UNCHANGED = "unchanged"


async def apply_session(
    session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime
) -> str:
    """Apply a Checkout Session, fetched with its PaymentIntent, or as an answer with its id only."""
    intent = fetched.get("payment_intent")
    if isinstance(intent, dict):
        outcome = await apply_intent(session, actor, intent, now=now)
        if fetched["status"] != "expired":
            return outcome
    if fetched["status"] != "expired":
        return UNCHANGED
    payment_id = _payment_id(fetched)
    if payment_id is None:
        return UNKNOWN
    _, payment = await repository.lock_payment(session, actor, payment_id)
    if _attempt(fetched) != payment.attempt:
        return "of an earlier attempt"
    return await _move(session, actor, payment, PaymentStatus.CANCELED, None, now=now)


async def apply_intent(session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime) -> str:
    """Apply a PaymentIntent, fetched with its latest charge."""
    payment_id = _payment_id(fetched)
    if payment_id is None:
        return UNKNOWN
    booking, payment = await repository.lock_payment(session, actor, payment_id)
    await remember(session, actor.org_id, payment.id, fetched["object"], fetched["id"])
    failure = fetched.get("last_payment_error")
    status = intent_status(fetched["status"], has_failed=failure is not None)
    if status is PaymentStatus.SUCCEEDED:
        outcome = await _succeed(session, actor, booking, payment, fetched, now=now)
        charge = fetched.get("latest_charge")
        if isinstance(charge, dict):
            await _note_charge(session, payment, charge, now=now)
        return outcome
    if _attempt(fetched) != payment.attempt:
        return "of an earlier attempt"
    if payment.status in OPEN:
        payment.stripe_payment_intent_id = fetched["id"]
    return await _move(session, actor, payment, status, failure, now=now)


async def apply_charge(session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime) -> str:
    """Apply a charge, fetched with its balance transaction: Stripe may tell its fee after the success."""
    intent_id = fetched.get("payment_intent")
    payment_id = await repository.entity_of(session, actor.org_id, intent_id) if intent_id else None
    if payment_id is None:
        return UNKNOWN
    _, payment = await repository.lock_payment(session, actor, payment_id)
    if not await ledger.is_posted(session, actor.org_id, f"paid:{intent_id}"):
        return UNCHANGED
    return "noted" if await _note_charge(session, payment, fetched, now=now) else UNCHANGED


async def _succeed(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    payment: Payment,
    intent: dict[str, Any],
    *,
    now: datetime,
) -> str:
    key = f"paid:{intent['id']}"
    if payment.status not in PAID:
        attempt = await attempts.latest_attempt(session, payment)
        if attempt is not None and not attempt.ended and attempt.number != _attempt(intent):
            await attempts.close(session, actor, payment, now=now)
        payment.stripe_payment_intent_id = intent["id"]
        await receiving.receive(
            session, actor, booking, payment, method=PaymentMethod.STRIPE, dedupe_key=key, now=now
        )
        return PaymentStatus.SUCCEEDED.value
    if payment.stripe_payment_intent_id == intent["id"] and payment.method == PaymentMethod.STRIPE:
        return UNCHANGED
    amount_cents = intent["amount_received"]
    if not await receiving.post_paid(session, payment, amount_cents, PaymentMethod.STRIPE, key, now=now):
        return UNCHANGED
    await refunds.decide(
        session,
        actor,
        booking,
        payment,
        amount_cents,
        RefundCause.PAID_TWICE,
        reason="The booking was paid already.",
        now=now,
        stripe_payment_intent_id=intent["id"],
    )
    return RefundCause.PAID_TWICE.value


async def _note_charge(
    session: AsyncSession, payment: Payment, charge: dict[str, Any], *, now: datetime
) -> bool:
    """Keep a successful charge and Stripe's fee for it; return whether the fee is new."""
    await remember(session, payment.org_id, payment.id, charge["object"], charge["id"])
    is_own = payment.stripe_payment_intent_id == charge.get("payment_intent")
    if is_own:
        payment.stripe_charge_id = charge["id"]
    balance = charge.get("balance_transaction")
    if not isinstance(balance, dict):
        return False
    is_new = await ledger.post(
        session,
        payment.org_id,
        debit=Account.STRIPE_FEES,
        credit=Account.STRIPE_CLEARING,
        amount_cents=balance["fee"],
        currency=payment.currency,
        booking_id=payment.booking_id,
        entity_type="Payment",
        entity_id=payment.id,
        memo="Stripe's fee",
        dedupe_key=f"fee:{charge['id']}",
        now=now,
    )
    if is_new and is_own:
        payment.stripe_fee_cents = balance["fee"]
    await session.flush()
    return is_new


async def _move(
    session: AsyncSession,
    actor: Actor,
    payment: Payment,
    to: PaymentStatus,
    failure: dict[str, Any] | None,
    *,
    now: datetime,
) -> str:
    before = PaymentStatus(payment.status)
    if not payment_may_become(before, to):
        return UNCHANGED
    payment.status = to.value
    payment.updated_at = now
    if to is PaymentStatus.FAILED and failure is not None:
        await note_failure(session, actor, payment, failure.get("code"), failure.get("message"), now=now)
    if to is PaymentStatus.CANCELED:
        after = {"attempt": payment.attempt}
        record(session, actor, Action.PAYMENT_CANCELED, "Payment", payment.id, now=now, after=after)
    await session.flush()
    return to.value


async def note_failure(
    session: AsyncSession,
    actor: Actor,
    payment: Payment,
    code: str | None,
    message: str | None,
    *,
    now: datetime,
) -> None:
    """Keep why a payment failed, and tell."""
    payment.failure_code = code
    payment.failure_message = message
    after = {"attempt": payment.attempt, "code": code, "message": message}
    record(session, actor, Action.PAYMENT_FAILED, "Payment", payment.id, now=now, after=after)
    told = {"payment_id": str(payment.id), "booking_id": str(payment.booking_id), "code": code}
    await emit(session, actor.org_id, Topic.PAYMENT_FAILED, told, now=now)


def _payment_id(fetched: dict[str, Any]) -> UUID | None:
    value = (fetched.get("metadata") or {}).get("payment_id")
    return UUID(value) if value else None


def _attempt(fetched: dict[str, Any]) -> int:
    return int(fetched["metadata"]["attempt"])
