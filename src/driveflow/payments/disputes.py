"""Disputes: a customer's bank takes the money back, until the dispute is decided.

Stripe takes the amount and a fee of its own at once (balance transactions of the dispute), and gives both or
the amount back when it is won. An inquiry (`warning_...`) moves no money and is left alone.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.outbox import Topic, emit
from driveflow.payments import ledger, receiving, refunds, repository
from driveflow.payments.intents import UNCHANGED, UNKNOWN
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import (
    PAID,
    DisputeStatus,
    RefundCause,
    dispute_may_become,
    dispute_status,
)
from driveflow.payments.models import Payment
from driveflow.payments.stripe_requests import remember

_ENTITY: Final = "Payment"


async def apply(session: AsyncSession, actor: Actor, fetched: dict[str, Any], *, now: datetime) -> str:
    """Apply a dispute's state; return what became of it."""
    status = dispute_status(fetched["status"])
    payment_id = await repository.entity_of(session, actor.org_id, fetched["charge"])
    if payment_id is None and fetched.get("payment_intent"):
        payment_id = await repository.entity_of(session, actor.org_id, fetched["payment_intent"])
    if payment_id is None:
        return UNKNOWN
    booking, payment = await repository.lock_payment(session, actor, payment_id)
    await remember(session, actor.org_id, payment.id, fetched["object"], fetched["id"])
    await _post_moves(session, payment, fetched, now=now)
    before = DisputeStatus(payment.dispute_status) if payment.dispute_status else None
    if status is None or payment.status not in PAID or not dispute_may_become(before, status):
        return UNCHANGED
    payment.dispute_status = status.value
    await refunds.update_status(session, payment, now=now)
    if before is None:
        await _tell(session, actor, payment, fetched, None, now=now)
    if status is not DisputeStatus.OPEN:
        await _tell(session, actor, payment, fetched, status, now=now)
    if status is DisputeStatus.WON:
        # What a cancellation during the dispute left undone.
        await receiving.give_back_what_is_due(
            session, actor, booking, payment, RefundCause.CANCELLATION, now=now
        )
    return status.value


async def _post_moves(
    session: AsyncSession, payment: Payment, dispute: dict[str, Any], *, now: datetime
) -> None:
    for move in dispute.get("balance_transactions") or []:
        await _post(session, payment, Account.DISPUTES, -move["amount"], f"dispute:{move['id']}", now=now)
        await _post(session, payment, Account.STRIPE_FEES, move["fee"], f"dispute-fee:{move['id']}", now=now)


async def _post(
    session: AsyncSession, payment: Payment, account: Account, taken_cents: int, key: str, *, now: datetime
) -> None:
    """Write that Stripe took an amount, or gave it back where it is negative."""
    clearing = Account.STRIPE_CLEARING
    debit, credit = (account, clearing) if taken_cents > 0 else (clearing, account)
    await ledger.post(
        session,
        payment.org_id,
        debit=debit,
        credit=credit,
        amount_cents=abs(taken_cents),
        currency=payment.currency,
        booking_id=payment.booking_id,
        entity_type=_ENTITY,
        entity_id=payment.id,
        memo="Dispute",
        dedupe_key=key,
        now=now,
    )


async def _tell(
    session: AsyncSession,
    actor: Actor,
    payment: Payment,
    dispute: dict[str, Any],
    end: DisputeStatus | None,
    *,
    now: datetime,
) -> None:
    told: dict[str, Any] = {
        "payment_id": str(payment.id),
        "booking_id": str(payment.booking_id),
        "amount_cents": dispute["amount"],
    }
    if end is not None:
        told["won"] = end is DisputeStatus.WON
    action = Action.DISPUTE_OPENED if end is None else Action.DISPUTE_CLOSED
    after = {**told, "reason": dispute.get("reason")}
    record(session, actor, action, _ENTITY, payment.id, now=now, after=after)
    topic = Topic.DISPUTE_OPENED if end is None else Topic.DISPUTE_CLOSED
    await emit(session, actor.org_id, topic, told, now=now)
