"""Refunds: deciding them, sending them, trying them again; `refunding.py` decides how much.

A refund is decided once, with its row, its audit and its ledger entry. How it travels is another matter: one
of a Stripe payment by a frozen call, one of cash by hand. One that did not arrive stays an open item of the
account `refunds` until it is tried again.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError, NotFoundError
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.integrations.stripe_calls import StripeAnswer, StripeOperation
from driveflow.payments import ledger, repository
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import (
    DisputeStatus,
    PaymentMethod,
    PaymentStatus,
    RefundCause,
    RefundStatus,
    paid_status,
    payment_may_become,
    refund_may_be_tried_again,
    refund_may_become,
)
from driveflow.payments.models import Payment, Refund, StripeRequest
from driveflow.payments.refunding import Paid, check_refund
from driveflow.payments.stripe_requests import freeze, remember

_ENTITY: Final = "Refund"
_UNCHANGED: Final = "unchanged"


def paid_of(payment: Payment) -> Paid:
    """Return the payment as `refunding.py` sees it."""
    return Paid(PaymentStatus(payment.status), payment.amount_cents, payment.refunded_cents)


async def refund_by_staff(
    session: AsyncSession, actor: Actor, payment_id: UUID, *, amount_cents: int, reason: str, now: datetime
) -> Refund:
    """Give back a part of a payment, or all of it.

    What was paid in cash and the like counts as given back by hand. Raises ConflictError (`not_paid`,
    `disputed`), InvalidInputError (`refund_too_large`).
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    booking, payment = await repository.lock_payment(session, actor, payment_id)
    check_refund(paid_of(payment), amount_cents)
    refund = await decide(
        session, actor, booking, payment, amount_cents, RefundCause.STAFF, reason=reason, now=now
    )
    if refund.method != PaymentMethod.STRIPE:
        await _given_by_hand(session, actor, payment, refund, now=now)
    return refund


async def decide(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    payment: Payment,
    amount_cents: int,
    cause: RefundCause,
    *,
    reason: str,
    now: datetime,
    stripe_payment_intent_id: str | None = None,
    send: bool = True,
) -> Refund:
    """Decide a refund of a locked payment and send it off; one of cash waits for somebody to hand it over.

    `stripe_payment_intent_id` names another PaymentIntent than the payment's own: what was paid twice.
    Without `send` the refund is on its way already.
    """
    intent_id = stripe_payment_intent_id or payment.stripe_payment_intent_id
    refund = Refund(
        org_id=actor.org_id,
        id=new_id(),
        payment_id=payment.id,
        status=RefundStatus.PENDING.value,
        currency=payment.currency,
        amount_cents=amount_cents,
        reason=reason,
        cause=cause.value,
        method=PaymentMethod.STRIPE.value if stripe_payment_intent_id else payment.method,
        attempt=1,
        requested_by=actor.user_id,
        stripe_payment_intent_id=intent_id,
        created_at=now,
        updated_at=now,
    )
    session.add(refund)
    if cause is not RefundCause.PAID_TWICE:
        payment.refunded_cents += amount_cents
        payment.updated_at = now
    await session.flush()
    await _post(
        session, booking.id, refund, Account.CUSTOMERS, Account.REFUNDS, f"refund:{refund.id}", now=now
    )
    record(
        session,
        actor,
        Action.REFUND_CREATED,
        _ENTITY,
        refund.id,
        now=now,
        after={
            "payment_id": payment.id,
            "amount_cents": amount_cents,
            "cause": cause.value,
            "reason": reason,
        },
    )
    if send and refund.method == PaymentMethod.STRIPE:
        await _send(session, actor, booking.id, refund, now=now)
    await session.flush()
    return refund


async def try_again(session: AsyncSession, actor: Actor, refund_id: UUID, *, now: datetime) -> Refund:
    """Send a refund again that failed, or note that one of cash was handed over.

    Raises ConflictError `refund_not_open` for one that is on its way or done.
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    found = await get_or_404(session, Refund, actor.org_id, refund_id)
    booking, payment = await repository.lock_payment(session, actor, found.payment_id)
    refund = await get_or_404(session, Refund, actor.org_id, refund_id, lock=True)
    by_hand = refund.method != PaymentMethod.STRIPE
    status = RefundStatus(refund.status)
    if not refund_may_be_tried_again(status) and not (by_hand and status is RefundStatus.PENDING):
        raise ConflictError(
            "This refund is on its way or done; there is nothing to try again.", code="refund_not_open"
        )
    record(
        session,
        actor,
        Action.REFUND_RETRIED,
        _ENTITY,
        refund.id,
        now=now,
        before={"status": refund.status, "failure_reason": refund.failure_reason},
    )
    if by_hand:
        await _given_by_hand(session, actor, payment, refund, now=now)
        return refund
    refund.attempt += 1
    refund.status = RefundStatus.PENDING.value
    refund.failure_reason = refund.settled_at = refund.stripe_refund_id = None
    refund.updated_at = now
    await session.flush()
    await _send(session, actor, booking.id, refund, now=now)
    return refund


async def list_refunds(
    session: AsyncSession, actor: Actor, payment_id: UUID, paging: PageRequest
) -> Page[Refund]:
    """Return a payment's refunds, oldest first; raises NotFoundError for somebody else's payment."""
    await load_payment(session, actor, payment_id)
    query = repository.refunds_of(actor.org_id, payment_id)
    return await fetch_page(session, query, [Refund.created_at, Refund.id], paging)


async def load_payment(session: AsyncSession, actor: Actor, payment_id: UUID) -> Payment:
    """Return a payment that the actor may see; others' are NotFoundError, as if they were not there."""
    scope = scope_of(actor, Permission.PAYMENTS_READ)
    payment = await get_or_404(session, Payment, actor.org_id, payment_id)
    if scope is Scope.OWN and (payment.student_id is None or not actor.stands_for(payment.student_id)):
        raise NotFoundError
    return payment


async def settle_answer(
    session: AsyncSession, actor: Actor, request: StripeRequest, answer: StripeAnswer, *, now: datetime
) -> None:
    """Keep what Stripe says to a refund that was sent."""
    found = await get_or_404(session, Refund, actor.org_id, request.entity_id)
    if answer.refusal is None:
        await apply(session, actor, answer.accepted, now=now)
        return
    booking, payment = await repository.lock_payment(session, actor, found.payment_id)
    refund = await get_or_404(session, Refund, actor.org_id, found.id, lock=True)
    await _fail(session, actor, booking.id, payment, refund, answer.refusal.message, now=now)


async def apply(session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime) -> str:
    """Apply the state of a refund at Stripe; return what became of it."""
    found = await _find(session, actor, fetched, now=now)
    if found is None:
        return "unknown"
    booking, payment = await repository.lock_payment(session, actor, found.payment_id)
    refund = await get_or_404(session, Refund, actor.org_id, found.id, lock=True)
    metadata = fetched.get("metadata") or {}
    if metadata.get("attempt", str(refund.attempt)) != str(refund.attempt):
        return "of an earlier attempt"
    await remember(session, actor.org_id, refund.id, fetched["object"], fetched["id"])
    refund.stripe_refund_id = fetched["id"]
    status = RefundStatus(fetched["status"])
    if fetched.get("balance_transaction") or status is RefundStatus.SUCCEEDED:
        key = f"refund-left:{fetched['id']}"
        await _post(session, booking.id, refund, Account.REFUNDS, Account.STRIPE_CLEARING, key, now=now)
    if not refund_may_become(RefundStatus(refund.status), status):
        return _UNCHANGED
    if status in {RefundStatus.FAILED, RefundStatus.CANCELED}:
        reason = fetched.get("failure_reason") or status.value
        await _fail(session, actor, booking.id, payment, refund, reason, to=status, now=now)
    elif status is RefundStatus.SUCCEEDED:
        await _arrived(session, actor, payment, refund, now=now)
    else:
        refund.status = status.value
        refund.updated_at = now
    return status.value


async def _find(
    session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime
) -> Refund | None:
    by_stripe = await repository.refund_of_stripe(session, actor.org_id, fetched["id"])
    if by_stripe is not None:
        return by_stripe
    refund_id = (fetched.get("metadata") or {}).get("refund_id")
    if refund_id is not None:
        return await get_or_404(session, Refund, actor.org_id, UUID(refund_id))
    return await _adopt(session, actor, fetched, now=now)


async def _adopt(
    session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime
) -> Refund | None:
    """Write down a refund that somebody made in Stripe's dashboard; its money has left by itself."""
    intent_id = fetched.get("payment_intent")
    payment_id = await repository.entity_of(session, actor.org_id, intent_id) if intent_id else None
    if payment_id is None:
        return None
    booking, payment = await repository.lock_payment(session, actor, payment_id)
    known = await repository.refund_of_stripe(session, actor.org_id, fetched["id"])
    if known is not None:
        return known
    is_extra = (
        payment.stripe_payment_intent_id != intent_id or fetched["amount"] > paid_of(payment).left_cents
    )
    refund = await decide(
        session,
        actor,
        booking,
        payment,
        fetched["amount"],
        RefundCause.PAID_TWICE if is_extra else RefundCause.STAFF,
        reason="Given back in Stripe's dashboard.",
        now=now,
        stripe_payment_intent_id=intent_id,
        send=False,
    )
    await remember(session, actor.org_id, refund.id, fetched["object"], fetched["id"])
    refund.stripe_refund_id = fetched["id"]
    await session.flush()
    return refund


async def _send(
    session: AsyncSession, actor: Actor, booking_id: UUID, refund: Refund, *, now: datetime
) -> None:
    first = refund.attempt == 1
    await freeze(
        session,
        actor,
        StripeOperation.CREATE_REFUND,
        idempotency_key=f"refund:{refund.id}" if first else f"refund:{refund.id}:{refund.attempt}",
        parameters={
            "payment_intent": refund.stripe_payment_intent_id,
            "amount": refund.amount_cents,
            "reason": "duplicate" if refund.cause == RefundCause.PAID_TWICE else "requested_by_customer",
            "metadata": {
                "org_id": str(actor.org_id),
                "booking_id": str(booking_id),
                "payment_id": str(refund.payment_id),
                "refund_id": str(refund.id),
                "attempt": str(refund.attempt),
            },
        },
        entity_type=_ENTITY,
        entity_id=refund.id,
        now=now,
    )


async def _given_by_hand(
    session: AsyncSession, actor: Actor, payment: Payment, refund: Refund, *, now: datetime
) -> None:
    key = f"refund-left:{refund.id}"
    await _post(session, payment.booking_id, refund, Account.REFUNDS, Account.CASH, key, now=now)
    await _arrived(session, actor, payment, refund, now=now)


async def _arrived(
    session: AsyncSession, actor: Actor, payment: Payment, refund: Refund, *, now: datetime
) -> None:
    refund.status = RefundStatus.SUCCEEDED.value
    refund.settled_at = refund.updated_at = now
    refund.failure_reason = None
    await update_status(session, payment, now=now)
    after = {"payment_id": payment.id, "amount_cents": refund.amount_cents}
    record(session, actor, Action.REFUND_SUCCEEDED, _ENTITY, refund.id, now=now, after=after)
    await _tell(session, Topic.REFUND_SUCCEEDED, payment, refund, now=now)


async def _fail(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    payment: Payment,
    refund: Refund,
    reason: str,
    *,
    to: RefundStatus = RefundStatus.FAILED,
    now: datetime,
) -> None:
    """Note that a refund did not arrive; money that had left has come back to Stripe."""
    if not refund_may_become(RefundStatus(refund.status), to):
        return
    refund.status = to.value
    refund.failure_reason = reason
    refund.settled_at = refund.updated_at = now
    stripe_id = refund.stripe_refund_id
    if stripe_id is not None and await ledger.is_posted(session, actor.org_id, f"refund-left:{stripe_id}"):
        key = f"refund-back:{stripe_id}"
        await _post(session, booking_id, refund, Account.STRIPE_CLEARING, Account.REFUNDS, key, now=now)
    await update_status(session, payment, now=now)
    after = {"payment_id": payment.id, "amount_cents": refund.amount_cents, "reason": reason}
    record(session, actor, Action.REFUND_FAILED, _ENTITY, refund.id, now=now, after=after)
    await _tell(session, Topic.REFUND_FAILED, payment, refund, now=now)


async def update_status(session: AsyncSession, payment: Payment, *, now: datetime) -> None:
    """Let the status of a locked, paid payment say how much has really gone back."""
    dispute = DisputeStatus(payment.dispute_status) if payment.dispute_status else None
    status = paid_status(payment.amount_cents, await repository.returned_cents(session, payment), dispute)
    if payment_may_become(PaymentStatus(payment.status), status):
        payment.status = status.value
    payment.updated_at = now
    await session.flush()


async def _tell(
    session: AsyncSession, topic: Topic, payment: Payment, refund: Refund, *, now: datetime
) -> None:
    payload = {
        "refund_id": str(refund.id),
        "payment_id": str(payment.id),
        "booking_id": str(payment.booking_id),
        "amount_cents": refund.amount_cents,
        "cause": refund.cause,
    }
    await emit(session, refund.org_id, topic, payload, now=now)


async def _post(
    session: AsyncSession,
    booking_id: UUID,
    refund: Refund,
    debit: Account,
    credit: Account,
    dedupe_key: str,
    *,
    now: datetime,
) -> None:
    await ledger.post(
        session,
        refund.org_id,
        debit=debit,
        credit=credit,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        booking_id=booking_id,
        entity_type=_ENTITY,
        entity_id=refund.id,
        memo=f"Refund ({refund.cause})",
        dedupe_key=dedupe_key,
        now=now,
    )
