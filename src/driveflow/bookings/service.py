"""Reading bookings, and changing what is not their status or time."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.cancellation import CancellationPolicy, parse_tiers
from driveflow.bookings.lifecycle import BookingFacts, BookingStatus
from driveflow.bookings.models import Booking
from driveflow.core import audit_trail
from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, AuditLog, apply_changes, record
from driveflow.core.db import check_version, get_or_404
from driveflow.core.errors import NotFoundError


def facts_of(booking: Booking) -> BookingFacts:
    """Return the booking as `lifecycle.py` sees it."""
    return BookingFacts(
        status=BookingStatus(booking.status),
        start_at=booking.start_at,
        end_at=booking.end_at,
        instructor_id=booking.instructor_id,
        student_id=booking.student_id,
        hold_expires_at=booking.hold_expires_at,
    )


def policy_of(booking: Booking) -> CancellationPolicy:
    """Return the cancellation policy of the day the booking was made."""
    return parse_tiers(booking.cancellation_tiers)


def sees(actor: Actor, booking: Booking) -> bool:
    """Tell whether a booking is the actor's own: their lesson, or their student's."""
    return actor.is_instructor(booking.instructor_id) or actor.stands_for(booking.student_id)


def sees_split(actor: Actor, booking: Booking) -> bool:
    """Tell whether the actor may see what the school and the instructor get of the price."""
    return actor.is_staff or actor.is_instructor(booking.instructor_id)


async def load_visible(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, lock: bool = False
) -> Booking:
    """Return a booking that the actor may see; others' are NotFoundError, as if they were not there."""
    scope = scope_of(actor, Permission.BOOKINGS_READ)
    booking = await get_or_404(session, Booking, actor.org_id, booking_id, lock=lock)
    if scope is Scope.OWN and not sees(actor, booking):
        raise NotFoundError
    return booking


async def by_ids(session: AsyncSession, actor: Actor, booking_ids: Collection[UUID]) -> list[Booking]:
    """Return the school's bookings of these ids, for whoever may see them all."""
    require(actor, Permission.BOOKINGS_READ)
    query = select(Booking).where(Booking.org_id == actor.org_id, Booking.id.in_(booking_ids))
    return list(await session.scalars(query))


async def update_booking(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Booking:
    """Change notes and addresses. Raises ConflictError `stale_version`."""
    scope_of(actor, Permission.BOOKINGS_UPDATE)
    booking = await load_visible(session, actor, booking_id, lock=True)
    check_version(booking.version, version)
    before, after = apply_changes(booking, changes)
    if after:
        booking.version += 1
        booking.updated_at = now
        record(
            session, actor, Action.BOOKING_UPDATED, "Booking", booking.id, now=now, before=before, after=after
        )
        await session.flush()
    return booking


async def events_of(session: AsyncSession, actor: Actor, booking_id: UUID) -> list[AuditLog]:
    """Return a booking's audit trail, oldest first, for whoever may see the booking."""
    booking = await load_visible(session, actor, booking_id)
    return await audit_trail.trail_of(session, actor.org_id, "Booking", booking.id)
