"""The moves of a booking's status, one verb each; `lifecycle.py` decides, `cancellation.py` prices.

Each locks the booking, asks the RULE, changes, audits and emits. The second element of the answer tells
whether anything changed: False when the booking already was where the move leads.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import cancellation
from driveflow.bookings.cancellation import CancellationQuote, CancelledBy
from driveflow.bookings.lifecycle import (
    BookingStatus,
    Cause,
    Decision,
    NoOp,
    Who,
    decide,
    enforce,
    who_is,
)
from driveflow.bookings.models import Booking
from driveflow.bookings.service import facts_of, load_visible, policy_of
from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError, ForbiddenError, InvalidInputError
from driveflow.core.outbox import Topic, emit

Moved = tuple[Booking, bool]


async def confirm(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime, cause: Cause = Cause.USER
) -> Moved:
    """Confirm a requested booking.

    Its time is safe: the request has held it, and the exclusion constraint with it, since it was made.
    """
    require(actor, Permission.BOOKINGS_CONFIRM)
    booking = await _lock(session, actor, booking_id)
    if not enforce(decide(facts_of(booking), BookingStatus.CONFIRMED, actor, now, cause=cause)):
        return booking, False
    changes = {"status": BookingStatus.CONFIRMED.value, "hold_expires_at": None}
    await _change(session, actor, booking, changes, Action.BOOKING_CONFIRMED, Topic.BOOKING_CONFIRMED, now)
    return booking, True


async def cancel(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    *,
    reason: str | None,
    for_student: bool = False,
    waive_fee: bool = False,
    fee_cents: int | None = None,
    now: datetime,
) -> Moved:
    """Cancel a booking and store what that costs (`fee_cents`); refunding is a later, separate act.

    `for_student` is for staff who take the student's call: the student's fee applies, and may be waived.
    `fee_cents` is for a lesson that had begun: an admin decides it. Raises InvalidInputError (`reason`,
    `fee_cents`), ConflictError, ForbiddenError (`fees:waive`).
    """
    scope = scope_of(actor, Permission.BOOKINGS_CANCEL)
    if for_student and scope is not Scope.SCHOOL:
        raise ForbiddenError("Only the school cancels for somebody else.")
    if waive_fee:
        require(actor, Permission.FEES_WAIVE)
    booking = await _lock(session, actor, booking_id)
    decision = decide(facts_of(booking), BookingStatus.CANCELLED, actor, now, reason=reason)
    if not enforce(decision):
        return booking, False
    by = CancelledBy.STUDENT if for_student else _side_of(booking, actor)
    quote = _price_cancellation(booking, by, now, waive_fee=waive_fee, fee_cents=fee_cents)
    changes = {
        "status": BookingStatus.CANCELLED.value,
        "hold_expires_at": None,
        "cancelled_at": now,
        "cancelled_by": quote.by.value,
        "cancel_reason": reason,
        "fee_cents": quote.fee_cents,
        "fee_waived_by": actor.user_id if quote.waived_cents else None,
        "fee_waived_at": now if quote.waived_cents else None,
    }
    await _change(
        session,
        actor,
        booking,
        changes,
        Action.BOOKING_CANCELLED,
        Topic.BOOKING_CANCELLED,
        now,
        fee_cents=quote.fee_cents,
        waived_cents=quote.waived_cents,
    )
    return booking, True


async def quote_cancellation(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, for_student: bool = False, now: datetime
) -> tuple[Booking, CancellationQuote]:
    """Return what cancelling would cost the actor now, or for staff the student, before the click.

    Raises ConflictError when the booking cannot be cancelled any more.
    """
    scope = scope_of(actor, Permission.BOOKINGS_CANCEL)
    if for_student and scope is not Scope.SCHOOL:
        raise ForbiddenError("Only the school cancels for somebody else.")
    booking = await load_visible(session, actor, booking_id)
    decision = decide(facts_of(booking), BookingStatus.CANCELLED, actor, now, reason="a quote")
    if isinstance(decision, NoOp):
        raise ConflictError("The booking is already cancelled.", code="invalid_transition")
    enforce(decision)
    by = CancelledBy.STUDENT if for_student else _side_of(booking, actor)
    return booking, _price_cancellation(booking, by, now, waive_fee=False, fee_cents=None)


async def expire_hold(session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime) -> Moved:
    """Cancel a request whose hold has run out; anything else, and a prolonged hold, is left alone."""
    booking = await get_or_404(session, Booking, actor.org_id, booking_id, lock=True)
    if booking.status != BookingStatus.REQUESTED:
        return booking, False
    if booking.hold_expires_at is not None and now < booking.hold_expires_at:
        return booking, False
    decision: Decision = decide(facts_of(booking), BookingStatus.CANCELLED, actor, now, cause=Cause.EXPIRY)
    enforce(decision)
    changes = {
        "status": BookingStatus.CANCELLED.value,
        "hold_expires_at": None,
        "cancelled_at": now,
        "cancelled_by": CancelledBy.SYSTEM.value,
        "cancel_reason": "The hold expired.",
        "fee_cents": 0,
    }
    await _change(
        session, actor, booking, changes, Action.BOOKING_EXPIRED, Topic.BOOKING_CANCELLED, now, fee_cents=0
    )
    return booking, True


async def prolong_hold(
    session: AsyncSession, actor: Actor, booking: Booking, until: datetime, *, now: datetime
) -> None:
    """Hold the slot of a locked request at least until then; anything else is left alone."""
    if booking.status != BookingStatus.REQUESTED or booking.hold_expires_at is None:
        return
    if until <= booking.hold_expires_at:
        return
    booking.hold_expires_at = until
    booking.updated_at = now
    await emit(
        session,
        actor.org_id,
        Topic.BOOKING_HOLD_DUE,
        {"booking_id": str(booking.id)},
        now=now,
        available_at=until,
        dedupe_key=f"hold:{booking.id}:{until.isoformat()}",
    )


async def start(session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime) -> Moved:
    """Begin the lesson of a confirmed booking."""
    scope_of(actor, Permission.LESSONS_RUN)
    booking = await _lock(session, actor, booking_id)
    if not enforce(decide(facts_of(booking), BookingStatus.IN_PROGRESS, actor, now)):
        return booking, False
    changes = {"status": BookingStatus.IN_PROGRESS.value}
    await _change(session, actor, booking, changes, Action.BOOKING_STARTED, None, now)
    return booking, True


async def complete(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    *,
    now: datetime,
    reason: str | None = None,
    cause: Cause = Cause.USER,
) -> Moved:
    """End the lesson; with a reason, staff also complete one whose start was forgotten."""
    scope_of(actor, Permission.LESSONS_RUN)
    booking = await _lock(session, actor, booking_id)
    decision = decide(facts_of(booking), BookingStatus.COMPLETED, actor, now, reason=reason, cause=cause)
    if not enforce(decision):
        return booking, False
    changes = {"status": BookingStatus.COMPLETED.value}
    more = {"reason": reason} if reason else {}
    await _change(
        session, actor, booking, changes, Action.BOOKING_COMPLETED, Topic.BOOKING_COMPLETED, now, **more
    )
    return booking, True


async def no_show(session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime) -> Moved:
    """Record that the student did not come: the fee of no notice at all."""
    scope_of(actor, Permission.LESSONS_RUN)
    booking = await _lock(session, actor, booking_id)
    if not enforce(decide(facts_of(booking), BookingStatus.NO_SHOW, actor, now)):
        return booking, False
    fee_cents = cancellation.no_show_fee(policy_of(booking), booking.price_cents)
    changes = {"status": BookingStatus.NO_SHOW.value, "fee_cents": fee_cents}
    await _change(
        session,
        actor,
        booking,
        changes,
        Action.BOOKING_NO_SHOW,
        Topic.BOOKING_NO_SHOW,
        now,
        fee_cents=fee_cents,
    )
    return booking, True


async def waive_fee(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, reason: str, now: datetime
) -> Moved:
    """Waive the fee of a booking that was cancelled or missed; again is a no-op.

    Raises ConflictError `no_fee` when there is none.
    """
    require(actor, Permission.FEES_WAIVE)
    booking = await _lock(session, actor, booking_id)
    if booking.fee_waived_at is not None:
        return booking, False
    if not booking.fee_cents:
        raise ConflictError("This booking has no fee that could be waived.", code="no_fee")
    changes = {"fee_cents": 0, "fee_waived_by": actor.user_id, "fee_waived_at": now}
    waived_cents = booking.fee_cents
    await _change(
        session,
        actor,
        booking,
        changes,
        Action.BOOKING_FEE_WAIVED,
        Topic.BOOKING_FEE_WAIVED,
        now,
        waived_cents=waived_cents,
        reason=reason,
    )
    return booking, True


async def _lock(session: AsyncSession, actor: Actor, booking_id: UUID) -> Booking:
    return await load_visible(session, actor, booking_id, lock=True)


def _side_of(booking: Booking, actor: Actor) -> CancelledBy:
    return cancellation.cancelled_by(who_is(actor, facts_of(booking)) or Who.SYSTEM)


def _price_cancellation(
    booking: Booking, by: CancelledBy, now: datetime, *, waive_fee: bool, fee_cents: int | None
) -> CancellationQuote:
    if booking.status == BookingStatus.IN_PROGRESS:
        return cancellation.decided_fee(booking.price_cents, fee_cents or 0)
    if fee_cents is not None:
        raise InvalidInputError.of(
            "fee_cents", "The policy decides the fee, except for a lesson that had begun."
        )
    return cancellation.quote(
        policy_of(booking),
        booking.price_cents,
        booking.start_at,
        now,
        by=by,
        was_confirmed=booking.status == BookingStatus.CONFIRMED,
        waived=waive_fee,
    )


async def _change(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    changes: dict[str, Any],
    action: Action,
    topic: Topic | None,
    now: datetime,
    **more: Any,
) -> None:
    """Apply the changes, count the version, audit with `more`, and emit the topic with `more`."""
    before, after = apply_changes(booking, changes)
    booking.version += 1
    booking.updated_at = now
    record(session, actor, action, "Booking", booking.id, now=now, before=before, after={**after, **more})
    await session.flush()
    if topic is not None:
        payload = {
            "booking_id": str(booking.id),
            "version": booking.version,
            "status": booking.status,
            **more,
        }
        await emit(session, actor.org_id, topic, payload, now=now)
