"""Moving a booking to another time or instructor.

The price stays: it is the snapshot of the day of booking, as are the split and the cancellation policy.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import cancellation
from driveflow.bookings.lifecycle import Allowed, BookingStatus, Refused, enforce, may_reschedule
from driveflow.bookings.models import Booking
from driveflow.bookings.service import facts_of, load_visible, policy_of
from driveflow.bookings.situation import overlaps_as_conflicts, read_situation, refuse_time
from driveflow.core.actor import Actor, Permission, require, scope_of
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import check_version, driver_connection
from driveflow.core.errors import InvalidInputError
from driveflow.core.outbox import Topic, emit
from driveflow.people.booking_sql import lock_statements


@dataclass(frozen=True, slots=True)
class NewTime:
    """Where a booking is to go; `instructor_id` None keeps the instructor."""

    start_at: datetime
    instructor_id: UUID | None = None
    override_hours: bool = False


async def reschedule(
    session: AsyncSession, actor: Actor, booking_id: UUID, wanted: NewTime, *, version: int, now: datetime
) -> Booking:
    """Move a booking and return it; moving it to where it is changes nothing.

    Students and guardians cannot move late (ConflictError `late_move`, with the fee that cancelling would
    cost); staff may. Raises as `creation.create_booking` does for the time, and `stale_version`.
    """
    scope_of(actor, Permission.BOOKINGS_RESCHEDULE)
    if wanted.override_hours:
        require(actor, Permission.BOOKINGS_OVERRIDE_HOURS)
    if wanted.start_at.second or wanted.start_at.microsecond:
        raise InvalidInputError.of("start_at", "Lessons start at a whole minute.")
    seen = await load_visible(session, actor, booking_id)
    instructor_id = wanted.instructor_id or seen.instructor_id
    # The order of creation: instructors, student, then the booking itself.
    for statement in lock_statements(actor.org_id, [seen.instructor_id, instructor_id], seen.student_id):
        await session.execute(text(statement))
    booking = await load_visible(session, actor, booking_id, lock=True)
    check_version(booking.version, version)
    decision = may_reschedule(facts_of(booking), actor, now)
    enforce(decision)
    late = _refuse_late(booking, decision, now)
    if booking.start_at == wanted.start_at and booking.instructor_id == instructor_id:
        return booking

    former_id = booking.instructor_id
    duration = booking.end_at - booking.start_at
    situation = await read_situation(
        await driver_connection(session),
        actor.org_id,
        instructor_id=instructor_id,
        student_id=booking.student_id,
        service_id=booking.service_id,
        start_at=wanted.start_at,
        moving=booking.id,
    )
    refuse_time(
        situation,
        wanted.start_at,
        duration // timedelta(minutes=1),
        now,
        override_hours=wanted.override_hours,
    )
    before, after = apply_changes(
        booking,
        {"start_at": wanted.start_at, "end_at": wanted.start_at + duration, "instructor_id": instructor_id},
    )
    booking.version += 1
    booking.updated_at = now
    with overlaps_as_conflicts():
        await session.flush()
    if late:
        after["late"] = True
    if wanted.override_hours:
        after["override_hours"] = True
    record(
        session, actor, Action.BOOKING_RESCHEDULED, "Booking", booking.id, now=now, before=before, after=after
    )
    await emit(
        session,
        actor.org_id,
        Topic.BOOKING_RESCHEDULED,
        {
            "booking_id": str(booking.id),
            "version": booking.version,
            "status": booking.status,
            "former_instructor_id": str(former_id) if former_id != instructor_id else None,
        },
        now=now,
    )
    return booking


def _refuse_late(booking: Booking, decision: Allowed | Refused, now: datetime) -> bool:
    """Return whether the move is late; raise for those who may not move late."""
    if not isinstance(decision, Allowed):
        return False
    quote = cancellation.quote(
        policy_of(booking),
        booking.price_cents,
        booking.start_at,
        now,
        by=cancellation.cancelled_by(decision.who),
        was_confirmed=booking.status == BookingStatus.CONFIRMED,
    )
    cancellation.enforce_move(quote)
    return quote.is_late
