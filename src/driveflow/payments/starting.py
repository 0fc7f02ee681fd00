"""Paying a booking, step by step: each function is one transaction and says what the caller does next.

The caller (`entrypoints/paying.py`) repeats the step until it is Ready: it makes the call of a Call and
settles it, or waits a moment for a Wait. `paying.py` decides; nothing here calls Stripe.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.lifecycle import Who, who_is
from driveflow.bookings.models import Booking
from driveflow.bookings.service import facts_of
from driveflow.core.actor import Actor, Permission, require, scope_of
from driveflow.core.errors import ConflictError, ForbiddenError, InvalidInputError
from driveflow.core.outbox_queue import Event
from driveflow.orgs.service import settings_of
from driveflow.payments import attempts, paying, receiving, repository
from driveflow.payments.attempts import PayPages
from driveflow.payments.lifecycle import PaymentMethod, PaymentStatus
from driveflow.payments.models import Payment, StripeRequest
from driveflow.payments.paying import Begin, CloseFirst, PaymentMode, Refused, Resume
from driveflow.payments.stripe_requests import Frozen
from driveflow.people.service import guardian_link


@dataclass(frozen=True, slots=True)
class Ready:
    """The payment is as it was asked for."""

    payment: Payment


@dataclass(frozen=True, slots=True)
class Call:
    """A call is frozen, and its event leased to the caller."""

    request: StripeRequest
    event: Event


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else makes this call at present."""

    request: StripeRequest


Next = Ready | Call | Wait


async def start(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    mode: PaymentMode,
    pages: PayPages,
    *,
    is_configured: bool,
    now: datetime,
) -> Next:
    """Start or resume paying a booking; `is_configured` says whether this installation has a key of Stripe.

    Raises ConflictError (`stripe_not_configured`, `already_paid`, `nothing_to_pay`, `not_payable`,
    `payment_processing`, `hold_expired`, `too_many_attempts`), ForbiddenError for a guardian who may not pay.
    """
    scope_of(actor, Permission.PAYMENTS_START)
    booking, payment = await repository.lock_booking_money(session, actor, booking_id)
    if not is_configured:
        raise ConflictError(
            "This installation takes no payments through Stripe; its operator can set it up.",
            code="stripe_not_configured",
        )
    org = await settings_of(session, actor.org_id)
    step = paying.next_step(
        receiving.money_of(booking),
        PaymentStatus(payment.status) if payment else None,
        await attempts.latest_attempt(session, payment),
        mode,
        now,
        who=_who(actor, booking),
        may_pay=await _may_pay(session, actor, booking),
        payment_minutes=org.payment_minutes,
    )
    if isinstance(step, Refused):
        paying.enforce(step)
    if isinstance(step, Begin):
        payment = payment or attempts.new_payment(booking, now=now)
        return _call_or_wait(
            await attempts.begin(
                session, actor, booking, payment, step, mode, pages, locale=org.locale, now=now
            )
        )
    if payment is None:
        raise AssertionError("unreachable: only a payment with an attempt is resumed, waited for or closed")
    if isinstance(step, Resume):
        return Ready(payment)
    return await _close_or_wait(session, actor, payment, close=isinstance(step, CloseFirst), now=now)


async def record(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    method: PaymentMethod,
    reference: str | None,
    *,
    now: datetime,
) -> Next:
    """Record a payment that the school got itself; an open attempt at Stripe is closed first.

    Raises ConflictError (`already_paid`, `nothing_to_pay`, `not_payable`, `payment_processing`),
    InvalidInputError for Stripe as the method.
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    if method is PaymentMethod.STRIPE:
        raise InvalidInputError.of("method", "What comes through Stripe is not recorded by hand.")
    booking, payment = await repository.lock_booking_money(session, actor, booking_id)
    step = paying.may_record(
        receiving.money_of(booking),
        PaymentStatus(payment.status) if payment else None,
        await attempts.latest_attempt(session, payment),
    )
    if isinstance(step, Refused):
        paying.enforce(step)
    if payment is not None and not isinstance(step, Resume):
        return await _close_or_wait(session, actor, payment, close=isinstance(step, CloseFirst), now=now)
    payment = payment or attempts.new_payment(booking, now=now)
    payment.reference = reference
    payment.recorded_by = actor.user_id
    payment.stripe_payment_intent_id = None
    session.add(payment)
    await session.flush()
    key = f"paid:{payment.id}"
    await receiving.receive(session, actor, booking, payment, method=method, dedupe_key=key, now=now)
    return Ready(payment)


async def _close_or_wait(
    session: AsyncSession, actor: Actor, payment: Payment, *, close: bool, now: datetime
) -> Next:
    if close:
        frozen = await attempts.close(session, actor, payment, now=now, leased=True)
        if frozen is not None:
            return _call_or_wait(frozen)
    creation = await attempts.creation_of(session, payment)
    if creation is None:
        raise AssertionError("unreachable: an attempt has its frozen call")
    return Wait(creation)


def _call_or_wait(frozen: Frozen) -> Next:
    return Wait(frozen.request) if frozen.event is None else Call(frozen.request, frozen.event)


async def _may_pay(session: AsyncSession, actor: Actor, booking: Booking) -> bool:
    if actor.guardian_id is None:
        return True
    link = await guardian_link(session, actor.org_id, actor.guardian_id, booking.student_id)
    return link is not None and link.can_pay


def _who(actor: Actor, booking: Booking) -> Who:
    who = who_is(actor, facts_of(booking))
    if who is None:
        raise ForbiddenError("You have no part in this booking.")
    return who
