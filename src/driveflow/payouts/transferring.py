"""Making payouts: once due, one transfer each by Stripe, or marked as paid by hand.

Stripe has no event that says a transfer succeeded: it is made when the call is answered (money.md). A refusal
is an answer too. What is refused for want of money or because of the instructor's account waits, and is tried
again when the account changes, or after a day; everything else is a failure that is looked at by a person,
and tried again in the same way.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import service as bookings
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.outbox import Topic, emit
from driveflow.integrations.stripe_calls import StripeAnswer, StripeOperation, StripeRefusal
from driveflow.payments.ledger import Account
from driveflow.payments.models import StripeRequest
from driveflow.payments.received import received_for
from driveflow.payments.stripe_requests import freeze
from driveflow.payouts import books, repository
from driveflow.payouts.accruing import announce_due, settle_booking
from driveflow.payouts.earnings import KycStatus, LineKind, Waits, after_debts, may_pay
from driveflow.payouts.lifecycle import Cause, PayoutStatus
from driveflow.payouts.models import DisputeStatus, Payout, PayoutMethod
from driveflow.people import service as people
from driveflow.people.models import Instructor

TRY_AGAIN_AFTER: Final = timedelta(days=1)
BY_HAND: Final = "The customer did not pay through Stripe: staff pay the instructor and mark it as paid."

_MENDS_ITSELF: Final = frozenset(
    {
        "balance_insufficient",
        "insufficient_funds",
        "insufficient_capabilities_for_transfer",
        "account_invalid",
        "account_closed",
        "transfers_not_allowed",
        "payouts_not_allowed",
    }
)
"""Stripe's codes for want of money and for an account that cannot receive (Stripe: error codes)."""


async def pay_out(session: AsyncSession, actor: Actor, payout_id: UUID, *, now: datetime) -> None:
    """Make a payout that is due and that nothing is in the way of; say in it what is in the way."""
    payout = await _lock_settled(session, actor, payout_id, now=now)
    if payout.status == PayoutStatus.FAILED:
        books.move(payout, Cause.RETRIED, now=now)
    if payout.status != PayoutStatus.PENDING or (payout.due_at is not None and payout.due_at > now):
        return
    instructor = await people.get_instructor(session, actor, payout.instructor_id)
    waits = await _in_the_way(session, payout, instructor)
    if waits is not None:
        payout.waiting_reason = waits.reason
        await session.flush()
        return
    await _take_debts(session, payout, now=now)
    if payout.amount_cents == 0:
        await _paid(session, actor, payout, Cause.BY_DEBTS, now=now)
    elif payout.method == PayoutMethod.MANUAL:
        payout.waiting_reason = BY_HAND
    else:
        await _transfer(session, actor, payout, instructor, now=now)
    await session.flush()


async def mark_paid(
    session: AsyncSession, actor: Actor, payout_id: UUID, *, reference: str | None, now: datetime
) -> Payout:
    """Note that staff paid an instructor by hand; again is a no-op.

    Raises ConflictError `paid_by_stripe` for a payout that Stripe makes, `not_due` before its hold is over
    and its debts are taken out, `invalid_transition` for one that is not waiting.
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    payout = await get_or_404(session, Payout, actor.org_id, payout_id, lock=True)
    if payout.method != PayoutMethod.MANUAL:
        raise ConflictError("Stripe makes this payout; it is not paid by hand.", code="paid_by_stripe")
    if payout.status == PayoutStatus.PAID:
        return payout
    # The worker has taken debts out and said that it waits for staff.
    if payout.status == PayoutStatus.PENDING and payout.waiting_reason is None:
        raise ConflictError(
            "This payout is still held; pay it when its hold is over.",
            code="not_due",
            due_at=payout.due_at.isoformat() if payout.due_at else None,
        )
    payout.marked_by = actor.user_id
    payout.reference = reference
    await _paid(session, actor, payout, Cause.BY_HAND, now=now)
    await books.post(
        session,
        payout,
        debit=Account.INSTRUCTORS_PAYABLE,
        credit=Account.CASH,
        amount_cents=payout.amount_cents,
        memo="staff paid an instructor",
        key="by_hand",
        now=now,
    )
    await session.flush()
    return payout


async def release_waiting(session: AsyncSession, actor: Actor, instructor_id: UUID, *, now: datetime) -> None:
    """Try an instructor's waiting payouts again, because the account at Stripe has changed."""
    for payout in await repository.waiting_of_instructor(session, actor.org_id, instructor_id):
        if payout.method == PayoutMethod.STRIPE:
            await announce_due(session, payout, now=now)


class TransferSettler:
    """What Stripe's answer to a transfer means."""

    async def still_wanted(
        self,
        session: AsyncSession,  # noqa: ARG002 - a settler's signature
        actor: Actor,  # noqa: ARG002 - as above
        request: StripeRequest,  # noqa: ARG002 - as above
        *,
        now: datetime,  # noqa: ARG002 - as above
    ) -> bool:
        """Return True: the ledger has it already, and what changed since is reversed afterwards."""
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
        """Mark the payout paid, or let it wait; then book what happened to its booking meanwhile."""
        found = await get_or_404(session, Payout, actor.org_id, request.entity_id)
        if found.booking_id is not None:
            await bookings.load_visible(session, actor, found.booking_id, lock=True)
        payout = await get_or_404(session, Payout, actor.org_id, found.id, lock=True)
        if answer.object is None:
            await self._refused(session, actor, payout, answer.refusal, now=now)
        else:
            payout.stripe_transfer_id = answer.object["id"]
            await books.post(
                session,
                payout,
                debit=Account.INSTRUCTORS_PAID,
                credit=Account.STRIPE_CLEARING,
                amount_cents=payout.amount_cents,
                memo="a transfer was made",
                key="transferred",
                now=now,
            )
            await _paid(session, actor, payout, Cause.ANSWERED, now=now)
        await session.flush()
        if payout.booking_id is not None:
            await settle_booking(session, actor, payout.booking_id, now=now)

    async def _refused(
        self,
        session: AsyncSession,
        actor: Actor,
        payout: Payout,
        refusal: StripeRefusal | None,
        *,
        now: datetime,
    ) -> None:
        code = (refusal.code if refusal is not None else None) or "refused"
        told = refusal.message if refusal is not None else ""
        books.move(payout, Cause.REFUSED if code in _MENDS_ITSELF else Cause.REJECTED, now=now)
        payout.failure_code = code
        payout.waiting_reason = f"Stripe did not make the transfer: {told}"
        await books.post(
            session,
            payout,
            debit=Account.INSTRUCTORS_PAID,
            credit=Account.INSTRUCTORS_PAYABLE,
            amount_cents=payout.amount_cents,
            memo="a transfer was refused",
            key=f"refused:{payout.attempt}",
            now=now,
        )
        record(
            session,
            actor,
            Action.PAYOUT_REFUSED,
            "Payout",
            payout.id,
            now=now,
            after={"status": payout.status, "failure_code": code, "reason": told},
        )
        await announce_due(session, payout, now=now, at=now + TRY_AGAIN_AFTER)


async def _lock_settled(session: AsyncSession, actor: Actor, payout_id: UUID, *, now: datetime) -> Payout:
    """Return a payout, locked after its booking, with everything booked that happened to that."""
    payout = await get_or_404(session, Payout, actor.org_id, payout_id)
    if payout.booking_id is not None:
        await settle_booking(session, actor, payout.booking_id, now=now)
    return await get_or_404(session, Payout, actor.org_id, payout_id, lock=True)


async def _in_the_way(session: AsyncSession, payout: Payout, instructor: Instructor) -> Waits | None:
    dispute = None
    if payout.booking_id is not None:
        dispute = await repository.dispute_of_booking(session, payout.org_id, payout.booking_id)
    return may_pay(
        disputed=dispute is not None and dispute.status == DisputeStatus.OPEN,
        by_stripe=payout.method == PayoutMethod.STRIPE,
        kyc=KycStatus(instructor.kyc_status or KycStatus.NONE),
    )


async def _take_debts(session: AsyncSession, payout: Payout, *, now: datetime) -> None:
    debts = await repository.lock_open_debts(session, payout.org_id, payout.instructor_id, payout.currency)
    goes = after_debts(payout.amount_cents, [debt.amount_cents - debt.settled_cents for debt in debts])
    for debt, part_cents in zip(debts, goes.debts_cents, strict=True):
        if part_cents:
            debt.settled_cents += part_cents
            debt.updated_at = now
            books.add_line(session, payout, LineKind.DEBT, -part_cents, debt.memo, debt=debt, now=now)
    payout.amount_cents = goes.amount_cents


async def _transfer(
    session: AsyncSession, actor: Actor, payout: Payout, instructor: Instructor, *, now: datetime
) -> None:
    """Write the transfer down; the worker makes it."""
    money = await received_for(session, actor.org_id, payout.booking_id) if payout.booking_id else None
    source = {"source_transaction": money.charge_id} if money is not None and money.charge_id else {}
    books.move(payout, Cause.TRANSFER, now=now)
    payout.attempt += 1
    payout.waiting_reason = payout.failure_code = None
    await books.post(
        session,
        payout,
        debit=Account.INSTRUCTORS_PAYABLE,
        credit=Account.INSTRUCTORS_PAID,
        amount_cents=payout.amount_cents,
        memo="a transfer was decided",
        key=f"decided:{payout.attempt}",
        now=now,
    )
    # A refused key gives its refusal for ever; a later try is another transfer and gets another key.
    again = f":{payout.attempt}" if payout.attempt > 1 else ""
    await freeze(
        session,
        actor,
        StripeOperation.CREATE_TRANSFER,
        idempotency_key=f"transfer:{payout.id}{again}",
        parameters={
            "amount": payout.amount_cents,
            "currency": payout.currency.lower(),
            "destination": instructor.stripe_account_id,
            **source,
            "transfer_group": f"booking_{payout.booking_id}",
            "metadata": {
                "org_id": str(actor.org_id),
                "booking_id": str(payout.booking_id),
                "payout_id": str(payout.id),
                "instructor_id": str(payout.instructor_id),
            },
        },
        entity_type="Payout",
        entity_id=payout.id,
        now=now,
    )


async def _paid(session: AsyncSession, actor: Actor, payout: Payout, cause: Cause, *, now: datetime) -> None:
    books.move(payout, cause, now=now)
    payout.paid_at = now
    payout.waiting_reason = payout.failure_code = None
    record(
        session,
        actor,
        Action.PAYOUT_PAID,
        "Payout",
        payout.id,
        now=now,
        after={"amount_cents": payout.amount_cents, "how": cause, "reference": payout.reference},
    )
    await emit(
        session,
        actor.org_id,
        Topic.PAYOUT_PAID,
        {
            "payout_id": str(payout.id),
            "booking_id": str(payout.booking_id),
            "instructor_id": str(payout.instructor_id),
            "amount_cents": payout.amount_cents,
        },
        now=now,
    )
