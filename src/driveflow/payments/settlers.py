"""What Stripe's answers mean: one settler or applier per group of operations and kinds of objects."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.actor import Actor
from driveflow.core.db import get_or_404
from driveflow.integrations.stripe_calls import StripeAnswer, StripeKind, StripeOperation
from driveflow.payments import attempts, disputes, intents, refunds, repository
from driveflow.payments.lifecycle import OPEN, PaymentStatus, RefundStatus
from driveflow.payments.models import Payment, Refund, StripeRequest
from driveflow.payments.paying import PAYABLE, PaymentMode
from driveflow.payments.stripe_events import Applier
from driveflow.payments.stripe_requests import Settler


class CreationSettler:
    """Attempts that were begun: a Checkout Session or a PaymentIntent exists now, or Stripe refused it."""

    async def still_wanted(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        *,
        now: datetime,  # noqa: ARG002 - a settler's signature
    ) -> bool:
        """Return whether the attempt is still the payment's latest, and open."""
        payment = await get_or_404(session, Payment, actor.org_id, request.entity_id)
        return (
            payment.status in OPEN
            and attempts.pay_key(payment.id, payment.attempt) == request.idempotency_key
        )

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Keep the page's address; close at once what nobody waits for any more."""
        booking, payment = await repository.lock_payment(session, actor, request.entity_id)
        key = attempts.pay_key(payment.id, payment.attempt)
        is_open = payment.status in OPEN and request.idempotency_key == key
        if answer.refusal is not None:
            if is_open:
                payment.status = PaymentStatus.FAILED.value
                payment.updated_at = now
                await intents.note_failure(
                    session, actor, payment, answer.refusal.code, answer.refusal.message, now=now
                )
            return
        if not is_open or BookingStatus(booking.status) not in PAYABLE:
            await attempts.close_made(session, actor, request, now=now)
            return
        made = answer.accepted
        if attempts.mode_of(request) is PaymentMode.INTENT:
            payment.stripe_payment_intent_id = made["id"]
        else:
            payment.stripe_checkout_session_id = made["id"]
            payment.checkout_url = made["url"]
        payment.updated_at = now


class ClosingSettler:
    """Attempts that were closed, or turned out to have ended otherwise."""

    async def still_wanted(
        self,
        session: AsyncSession,  # noqa: ARG002 - a settler's signature
        actor: Actor,  # noqa: ARG002 - as above
        request: StripeRequest,  # noqa: ARG002 - as above
        *,
        now: datetime,  # noqa: ARG002 - as above
    ) -> bool:
        """Closing is always wanted: the answer says at least how the attempt has ended."""
        return True

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Apply the state in which the attempt is now."""
        ended = answer.accepted
        if request.operation == StripeOperation.CANCEL_PAYMENT_INTENT:
            await intents.apply_intent(session, actor, ended, now=now)
        else:
            await intents.apply_session(session, actor, ended, now=now)


class RefundSettler:
    """Refunds that were sent."""

    async def still_wanted(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        *,
        now: datetime,  # noqa: ARG002 - a settler's signature
    ) -> bool:
        """Return whether the refund still waits."""
        refund = await get_or_404(session, Refund, actor.org_id, request.entity_id)
        return refund.status == RefundStatus.PENDING

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Keep what Stripe says to the refund."""
        await refunds.settle_answer(session, actor, request, answer, now=now)


_Apply = Callable[..., Awaitable[str]]


class StateApplier:
    """Applies fetched states by a function of this package."""

    def __init__(self, apply: _Apply) -> None:
        self._apply = apply

    async def apply(
        self,
        session: AsyncSession,
        actor: Actor,
        fetched: dict[str, Any],
        event_type: str | None,  # noqa: ARG002 - an applier's signature
        *,
        now: datetime,
    ) -> str:
        """Apply an object's state; the event's type does not matter, what was fetched does."""
        return await self._apply(session, actor, fetched, now=now)


SETTLERS: Final = MappingProxyType[StripeOperation, Settler](
    {
        StripeOperation.CREATE_CHECKOUT_SESSION: CreationSettler(),
        StripeOperation.CREATE_PAYMENT_INTENT: CreationSettler(),
        StripeOperation.EXPIRE_CHECKOUT_SESSION: ClosingSettler(),
        StripeOperation.CANCEL_PAYMENT_INTENT: ClosingSettler(),
        StripeOperation.CREATE_REFUND: RefundSettler(),
    }
)
"""The settlers of payments; the worker adds those of payouts."""

APPLIERS: Final = MappingProxyType[StripeKind, Applier](
    {
        StripeKind.CHECKOUT_SESSION: StateApplier(intents.apply_session),
        StripeKind.PAYMENT_INTENT: StateApplier(intents.apply_intent),
        StripeKind.CHARGE: StateApplier(intents.apply_charge),
        StripeKind.REFUND: StateApplier(refunds.apply),
        StripeKind.DISPUTE: StateApplier(disputes.apply),
    }
)
"""The appliers of payments; the worker adds those of payouts."""
