"""Attempts to pay through Stripe: beginning one, and closing it so that nobody can pay by it any more.

Both only freeze a call (`stripe_requests.py`); what Stripe answers is applied by `settlers.py`. The caller
holds the locks of the booking and the payment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from babel.dates import format_datetime
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import moves
from driveflow.bookings.models import Booking
from driveflow.catalog.service import get_service
from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.clock import zone
from driveflow.core.outbox import Topic, emit
from driveflow.integrations.stripe_calls import StripeOperation
from driveflow.payments import repository
from driveflow.payments.lifecycle import PAID, PaymentMethod, PaymentStatus, may_begin_again
from driveflow.payments.models import Payment, StripeRequest, StripeRequestStatus
from driveflow.payments.paying import GRACE, Attempt, Begin, PaymentMode
from driveflow.payments.stripe_requests import Frozen, freeze

_CREATION: Final = {
    PaymentMode.CHECKOUT: StripeOperation.CREATE_CHECKOUT_SESSION,
    PaymentMode.INTENT: StripeOperation.CREATE_PAYMENT_INTENT,
}
_ENTITY: Final = "Payment"


@dataclass(frozen=True, slots=True)
class PayPages:
    """Where Stripe's page sends the customer afterwards."""

    success_url: str
    cancel_url: str


def pay_key(payment_id: UUID, attempt: int) -> str:
    """Return the idempotency key of an attempt."""
    return f"pay:{payment_id}:{attempt}"


async def creation_of(session: AsyncSession, payment: Payment) -> StripeRequest | None:
    """Return the frozen call that makes the payment's latest attempt."""
    return await repository.find_request(session, payment.org_id, pay_key(payment.id, payment.attempt))


def mode_of(creation: StripeRequest) -> PaymentMode:
    """Return how the customer pays by an attempt."""
    is_intent = creation.operation == StripeOperation.CREATE_PAYMENT_INTENT
    return PaymentMode.INTENT if is_intent else PaymentMode.CHECKOUT


async def latest_attempt(session: AsyncSession, payment: Payment | None) -> Attempt | None:
    """Return the payment's latest attempt as `paying.py` sees it, None before the first."""
    if payment is None or payment.checkout_expires_at is None:
        return None
    creation = await creation_of(session, payment)
    if creation is None:
        return None
    over = {PaymentStatus.CANCELED, *PAID}
    return Attempt(
        number=payment.attempt,
        mode=mode_of(creation),
        is_made=creation.status == StripeRequestStatus.SUCCEEDED,
        ended=payment.status in over or creation.status == StripeRequestStatus.REFUSED,
        open_until=payment.checkout_expires_at,
    )


def new_payment(booking: Booking, *, now: datetime) -> Payment:
    """Return the payment of a booking that has none: its price, and the split of the day it was booked."""
    return Payment(
        org_id=booking.org_id,
        booking_id=booking.id,
        student_id=booking.student_id,
        status=PaymentStatus.INTENT_CREATED.value,
        currency=booking.currency,
        amount_cents=booking.price_cents,
        platform_fee_cents=booking.platform_fee_cents,
        instructor_share_cents=booking.instructor_share_cents,
        attempt=0,
        refunded_cents=0,
        created_at=now,
        updated_at=now,
    )


async def begin(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    payment: Payment,
    step: Begin,
    mode: PaymentMode,
    pages: PayPages,
    *,
    locale: str,
    now: datetime,
) -> Frozen:
    """Begin an attempt: freeze its call, leased to the caller, and have it closed when its time is over."""
    if payment.attempt and not may_begin_again(PaymentStatus(payment.status)):
        raise AssertionError(f"an attempt began while the payment was {payment.status}")
    payment.status = PaymentStatus.INTENT_CREATED.value
    payment.method = PaymentMethod.STRIPE.value
    payment.attempt = step.number
    payment.checkout_expires_at = step.open_until
    payment.payer_guardian_id = actor.guardian_id
    payment.stripe_payment_intent_id = payment.stripe_checkout_session_id = payment.checkout_url = None
    payment.failure_code = payment.failure_message = None
    payment.updated_at = now
    session.add(payment)
    await session.flush()
    await moves.prolong_hold(session, actor, booking, step.hold_until, now=now)
    service = await get_service(session, actor, booking.service_id)
    when = format_datetime(booking.start_at.astimezone(zone(booking.time_zone)), "medium", locale=locale)
    what = f"{service.name}, {when}"
    frozen = await freeze(
        session,
        actor,
        _CREATION[mode],
        idempotency_key=pay_key(payment.id, payment.attempt),
        parameters=_parameters(mode, booking, payment, what, step, pages),
        entity_type=_ENTITY,
        entity_id=payment.id,
        now=now,
        leased=True,
    )
    await emit(
        session,
        actor.org_id,
        Topic.PAYMENT_ABANDON_DUE,
        {"payment_id": str(payment.id), "attempt": payment.attempt},
        now=now,
        available_at=step.open_until,
    )
    record(
        session,
        actor,
        Action.PAYMENT_STARTED,
        _ENTITY,
        payment.id,
        now=now,
        after={"attempt": payment.attempt, "mode": mode.value, "amount_cents": payment.amount_cents},
    )
    await session.flush()
    return frozen


async def close(
    session: AsyncSession, actor: Actor, payment: Payment, *, now: datetime, leased: bool = False
) -> Frozen | None:
    """Freeze the call that closes the latest attempt; None while Stripe has not said that it is made.

    Closing again gives the call of before.
    """
    creation = await creation_of(session, payment)
    if creation is None or creation.stripe_id is None:
        return None
    return await close_made(session, actor, creation, now=now, leased=leased)


async def close_made(
    session: AsyncSession, actor: Actor, creation: StripeRequest, *, now: datetime, leased: bool = False
) -> Frozen:
    """Freeze the call that closes what an answered creation has made."""
    is_intent = mode_of(creation) is PaymentMode.INTENT
    _, payment_id, attempt = creation.idempotency_key.split(":")
    return await freeze(
        session,
        actor,
        StripeOperation.CANCEL_PAYMENT_INTENT if is_intent else StripeOperation.EXPIRE_CHECKOUT_SESSION,
        idempotency_key=f"abandon:{payment_id}:{attempt}",
        parameters={},
        target_id=creation.stripe_id,
        entity_type=_ENTITY,
        entity_id=creation.entity_id,
        now=now,
        leased=leased,
    )


def _parameters(
    mode: PaymentMode, booking: Booking, payment: Payment, what: str, step: Begin, pages: PayPages
) -> dict[str, Any]:
    metadata = {
        "org_id": str(booking.org_id),
        "booking_id": str(booking.id),
        "payment_id": str(payment.id),
        "attempt": str(payment.attempt),
    }
    transfer_group = f"booking_{booking.id}"
    currency = payment.currency.lower()
    if mode is PaymentMode.INTENT:
        return {
            "amount": payment.amount_cents,
            "currency": currency,
            "automatic_payment_methods": {"enabled": True},
            "description": what,
            "metadata": metadata,
            "transfer_group": transfer_group,
        }
    product = {"currency": currency, "unit_amount": payment.amount_cents, "product_data": {"name": what}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": product}],
        "success_url": pages.success_url,
        "cancel_url": pages.cancel_url,
        "expires_at": int((step.open_until + GRACE).timestamp()),
        "client_reference_id": str(booking.id),
        "metadata": metadata,
        "payment_intent_data": {
            "description": what,
            "metadata": metadata,
            "transfer_group": transfer_group,
        },
    }
