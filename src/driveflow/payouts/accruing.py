"""Bring the payout of a booking in line with what was earned, whatever has happened to booking or money.

One verb for all causes: it looks at the booking, its money and its dispute as they are now, asks the RULE
(`earnings.py`) and books the difference to what was booked before. So it does not matter which event comes
first, or how often one comes. Locks: booking, payout, debts.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import service as bookings
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.lessons import service as lessons
from driveflow.orgs import service as orgs
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import PaymentMethod
from driveflow.payments.received import Received, received_by_booking, received_for
from driveflow.payouts import books, repository, reversing
from driveflow.payouts.earnings import (
    DISPUTE_REASON,
    REFUND_REASON,
    Earned,
    EarningKind,
    Facts,
    LineKind,
    NothingEarned,
    due_at,
    earned,
    take_back,
)
from driveflow.payouts.lifecycle import OPEN, Cause, PayoutStatus
from driveflow.payouts.models import DisputeStatus, Payout, PayoutDispute, PayoutMethod

_TAKEN = {
    LineKind.REFUND: REFUND_REASON,
    LineKind.DISPUTE: DISPUTE_REASON,
    LineKind.FEE_WAIVED: "The school has waived the fee.",
}


async def settle_booking(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    *,
    cause: LineKind = LineKind.REFUND,
    refund_id: UUID | None = None,
    now: datetime,
) -> Payout | None:
    """Book what was earned by a booking since the last time; return its payout, None without one.

    `cause` and `refund_id` say why less was earned, if it is less.
    """
    booking = await bookings.load_visible(session, actor, booking_id, lock=True)
    payout = await repository.lock_payout_of_booking(session, actor.org_id, booking_id)
    money = await received_for(session, actor.org_id, booking_id)
    # What is under way is looked at again when Stripe has answered.
    if money is None or (payout is not None and payout.status == PayoutStatus.IN_TRANSIT):
        return payout
    dispute = await repository.dispute_of_booking(session, actor.org_id, booking_id)
    result = earned(_facts(booking, money, dispute))
    if payout is None:
        if isinstance(result, Earned):
            return await _accrue(session, actor, booking, money, result, dispute, now=now)
        return None
    share_cents, school_cents = (
        (result.share_cents, result.school_cents) if isinstance(result, Earned) else (0, 0)
    )
    if (share_cents, school_cents) != (payout.earned_cents, payout.school_cents):
        await _take_back(session, actor, payout, share_cents, school_cents, cause, refund_id, now=now)
    return payout


async def earned_by(
    session: AsyncSession, actor: Actor, booking_ids: Collection[UUID], *, until: datetime
) -> list[tuple[UUID, Earned | NothingEarned]]:
    """Return what was earned by bookings as the RULE has it, of those that did not change since `until`."""
    rows = await bookings.by_ids(session, actor, booking_ids)
    money = await received_by_booking(session, actor.org_id, booking_ids)
    disputes = await repository.disputes_of_bookings(session, actor.org_id, booking_ids)
    return [
        (row.id, earned(_facts(row, money[row.id], disputes.get(row.id))))
        for row in rows
        if row.updated_at <= until
    ]


def _facts(booking: Booking, money: Received, dispute: PayoutDispute | None) -> Facts:
    lost = dispute is not None and dispute.status == DisputeStatus.LOST
    return Facts(
        status=BookingStatus(booking.status),
        fee_cents=booking.fee_cents or 0,
        price_cents=money.amount_cents,
        platform_fee_cents=money.platform_fee_cents,
        paid=money.paid,
        returned_cents=money.returned_cents,
        lost_cents=dispute.amount_cents if dispute is not None and lost else 0,
    )


async def _accrue(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    money: Received,
    result: Earned,
    dispute: PayoutDispute | None,
    *,
    now: datetime,
) -> Payout:
    hold_minutes = (await orgs.settings_of(session, actor.org_id)).payout_hold_minutes
    by_stripe = money.method is PaymentMethod.STRIPE
    payout = Payout(
        org_id=actor.org_id,
        id=new_id(),
        instructor_id=booking.instructor_id,
        booking_id=booking.id,
        currency=money.currency,
        amount_cents=result.share_cents,
        kind=result.kind.value,
        method=(PayoutMethod.STRIPE if by_stripe else PayoutMethod.MANUAL).value,
        earned_cents=result.share_cents,
        school_cents=result.school_cents,
        due_at=due_at(await _finished_at(session, booking, result.kind), hold_minutes, now),
        created_at=now,
        updated_at=now,
    )
    session.add(payout)
    await session.flush()
    for line in result.lines:
        books.add_line(session, payout, line.kind, line.amount_cents, line.reason, now=now)
    for account, cents in (
        (Account.INSTRUCTORS_PAYABLE, result.share_cents),
        (Account.SCHOOL_FEES, result.school_cents),
    ):
        await books.post(
            session,
            payout,
            debit=Account.CUSTOMERS,
            credit=account,
            amount_cents=cents,
            memo=f"earned by a {result.kind}",
            key=f"earned:{account}",
            now=now,
        )
    record(
        session,
        actor,
        Action.PAYOUT_CREATED,
        "Payout",
        payout.id,
        now=now,
        after={"booking_id": booking.id, "amount_cents": payout.amount_cents, "due_at": payout.due_at},
    )
    if payout.amount_cents == 0:
        books.move(payout, Cause.EMPTIED, now=now)
        await session.flush()
        return payout
    if dispute is not None and dispute.status == DisputeStatus.OPEN:
        books.move(payout, Cause.DISPUTED, now=now)
    await session.flush()
    await announce_due(session, payout, now=now)
    return payout


async def announce_due(
    session: AsyncSession, payout: Payout, *, now: datetime, at: datetime | None = None
) -> None:
    """Set the timer that makes a payout: when its hold ends, or `at`."""
    await emit(
        session,
        payout.org_id,
        Topic.PAYOUT_DUE,
        {"payout_id": str(payout.id)},
        now=now,
        available_at=max(at or payout.due_at or now, now),
    )


async def _finished_at(session: AsyncSession, booking: Booking, kind: EarningKind) -> datetime:
    if kind is EarningKind.LESSON:
        lesson = await lessons.lesson_of_booking(session, booking.org_id, booking.id)
        return lesson.ended_at if lesson is not None and lesson.ended_at is not None else booking.end_at
    return booking.cancelled_at or booking.end_at


async def _take_back(
    session: AsyncSession,
    actor: Actor,
    payout: Payout,
    share_cents: int,
    school_cents: int,
    cause: LineKind,
    refund_id: UUID | None,
    *,
    now: datetime,
) -> None:
    """Book that less was earned; every cause of it only grows, so it is never more."""
    lost_cents = payout.earned_cents - share_cents
    payout.revision += 1
    for account, cents in (
        (Account.INSTRUCTORS_PAYABLE, lost_cents),
        (Account.SCHOOL_FEES, payout.school_cents - school_cents),
    ):
        await books.post(
            session,
            payout,
            debit=account,
            credit=Account.CUSTOMERS,
            amount_cents=cents,
            memo="what was earned is lost again",
            key=f"lost:{payout.revision}:{account}",
            now=now,
        )
    before = {"earned_cents": payout.earned_cents, "amount_cents": payout.amount_cents}
    payout.earned_cents = share_cents
    payout.school_cents = school_cents
    payout.updated_at = now
    status = PayoutStatus(payout.status)
    open_to_change = status in OPEN
    transferred = payout.stripe_transfer_id is not None
    taken = take_back(
        lost_cents,
        waiting_cents=payout.amount_cents if open_to_change else 0,
        transferred_cents=payout.amount_cents - payout.reversed_cents if transferred else 0,
    )
    memo = _TAKEN[cause]
    if taken.from_payout_cents:
        payout.amount_cents -= taken.from_payout_cents
        books.add_line(session, payout, cause, -taken.from_payout_cents, memo, now=now)
    if taken.debt_cents:
        books.add_debt(session, payout, taken.debt_cents, memo, now=now)
    if taken.reverse_cents:
        await reversing.reverse(
            session, actor, payout, taken.reverse_cents, memo=memo, refund_id=refund_id, now=now
        )
    if open_to_change and payout.amount_cents == 0:
        books.move(payout, Cause.EMPTIED, now=now)
    record(
        session,
        actor,
        Action.PAYOUT_UPDATED,
        "Payout",
        payout.id,
        now=now,
        before=before,
        after={
            "earned_cents": share_cents,
            "amount_cents": payout.amount_cents,
            "reversed_cents": payout.reversed_cents,
            "debt_cents": taken.debt_cents,
            "reason": f"{memo} {taken.reason}",
        },
    )
    await session.flush()
