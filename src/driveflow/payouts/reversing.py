"""Taking back what was transferred: a reversal at Stripe, or a debt where Stripe refuses it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.integrations.stripe_calls import StripeAnswer, StripeOperation
from driveflow.payments.ledger import Account
from driveflow.payments.models import StripeRequest
from driveflow.payments.stripe_requests import freeze
from driveflow.payouts import books, repository
from driveflow.payouts.lifecycle import Cause, PayoutStatus
from driveflow.payouts.models import Payout, PayoutReversal, ReversalStatus


async def reverse(
    session: AsyncSession,
    actor: Actor,
    payout: Payout,
    amount_cents: int,
    *,
    memo: str,
    refund_id: UUID | None,
    now: datetime,
) -> None:
    """Write down the reversal of a part of a locked payout's transfer; the worker makes it.

    Its idempotency key is `reversal:{payout}:{refund}`, or without a refund its own id in place of that.
    """
    if refund_id is not None and await repository.is_reversed_for(
        session, actor.org_id, payout.id, refund_id
    ):
        refund_id = None
    reversal = PayoutReversal(
        org_id=actor.org_id,
        id=new_id(),
        payout_id=payout.id,
        refund_id=refund_id,
        amount_cents=amount_cents,
        memo=memo,
        created_at=now,
        updated_at=now,
    )
    session.add(reversal)
    payout.reversed_cents += amount_cents
    await session.flush()
    await freeze(
        session,
        actor,
        StripeOperation.REVERSE_TRANSFER,
        idempotency_key=f"reversal:{payout.id}:{refund_id or reversal.id}",
        parameters={
            "amount": amount_cents,
            "metadata": {
                "org_id": str(actor.org_id),
                "payout_id": str(payout.id),
                "reversal_id": str(reversal.id),
                "booking_id": str(payout.booking_id),
            },
        },
        target_id=payout.stripe_transfer_id,
        entity_type="PayoutReversal",
        entity_id=reversal.id,
        now=now,
    )


class ReversalSettler:
    """What Stripe's answer to a reversal means; a refusal (the balance does not cover it) makes a debt."""

    async def still_wanted(
        self,
        session: AsyncSession,  # noqa: ARG002 - a settler's signature
        actor: Actor,  # noqa: ARG002 - as above
        request: StripeRequest,  # noqa: ARG002 - as above
        *,
        now: datetime,  # noqa: ARG002 - as above
    ) -> bool:
        """Return True: what was lost stays lost."""
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
        """Book the reversal, or the debt in its place."""
        found = await get_or_404(session, PayoutReversal, actor.org_id, request.entity_id)
        payout = await get_or_404(session, Payout, actor.org_id, found.payout_id, lock=True)
        reversal = await get_or_404(session, PayoutReversal, actor.org_id, request.entity_id, lock=True)
        reversal.updated_at = now
        if answer.object is None:
            reversal.status = ReversalStatus.REFUSED.value
            payout.reversed_cents -= reversal.amount_cents
            told = answer.refusal.message if answer.refusal is not None else ""
            books.add_debt(
                session,
                payout,
                reversal.amount_cents,
                f"Stripe did not reverse the transfer: {told}",
                now=now,
            )
        else:
            reversal.status = ReversalStatus.SUCCEEDED.value
            reversal.stripe_reversal_id = answer.object["id"]
            await books.post(
                session,
                payout,
                debit=Account.STRIPE_CLEARING,
                credit=Account.INSTRUCTORS_PAYABLE,
                amount_cents=reversal.amount_cents,
                memo="a transfer was reversed",
                key=f"reversal:{reversal.id}",
                now=now,
            )
            await emit(
                session,
                actor.org_id,
                Topic.PAYOUT_REVERSED,
                {
                    "payout_id": str(payout.id),
                    "reversal_id": str(reversal.id),
                    "booking_id": str(payout.booking_id),
                    "instructor_id": str(payout.instructor_id),
                    "amount_cents": reversal.amount_cents,
                },
                now=now,
            )
        await session.flush()
        await _close_if_all_is_back(session, payout, now=now)
        record(
            session,
            actor,
            Action.PAYOUT_REVERSED,
            "Payout",
            payout.id,
            now=now,
            after={
                "reversal_id": reversal.id,
                "amount_cents": reversal.amount_cents,
                "status": reversal.status,
            },
        )
        await session.flush()


async def _close_if_all_is_back(session: AsyncSession, payout: Payout, *, now: datetime) -> None:
    all_asked = payout.status == PayoutStatus.PAID and payout.reversed_cents == payout.amount_cents > 0
    if all_asked and await repository.pending_reversals(session, payout.org_id, payout.id) == 0:
        books.move(payout, Cause.TAKEN_BACK, now=now)
