"""Trips: start, stop, read; and the end of a lesson, which stops its trips.

Instructors run and record their own lessons, students and guardians see theirs; the others look missing to
them. Lock order: booking, lesson, trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import moves
from driveflow.bookings.lifecycle import BookingStatus, Cause
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor, Permission, scope_of
from driveflow.core.audit import Action, record
from driveflow.core.db import driver_connection, get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.outbox import Topic, emit
from driveflow.lessons import service as lessons
from driveflow.lessons.models import Lesson
from driveflow.trips import device_tokens, repository
from driveflow.trips.models import Trip
from driveflow.trips.track import CLOCK_TOLERANCE, Fix, measure

LESSON_NOT_RUNNING = "lesson_not_running"


@dataclass(frozen=True, slots=True)
class StartedTrip:
    """A running trip with a fresh device token, shown only here; `is_new` is False if it ran already."""

    trip: Trip
    device_token: str
    is_new: bool


async def start_trip(session: AsyncSession, actor: Actor, lesson_id: UUID, *, now: datetime) -> StartedTrip:
    """Begin to record a drive of a lesson in progress, at most one at a time.

    While one is running the same trip is returned, for phones that missed the answer. Only a hash of the
    device token is stored, so each call makes a new one and the one before stops working. Raises
    ConflictError `lesson_not_running`.
    """
    lesson = await lessons.get_lesson(session, actor, lesson_id, permission=Permission.TRIPS_WRITE)
    status = await repository.share_booking_status(session, actor.org_id, lesson.booking_id)
    lesson = await get_or_404(session, Lesson, actor.org_id, lesson_id, lock=True)
    if status != BookingStatus.IN_PROGRESS or lesson.ended_at is not None:
        raise ConflictError("A trip can be recorded only while its lesson runs.", code=LESSON_NOT_RUNNING)
    token = device_tokens.new_token(actor.org_id)
    running = await repository.lock_open_trip(session, actor.org_id, lesson_id)
    if running is not None:
        running.device_token_hash = device_tokens.hash_of(token)
        await session.flush()
        return StartedTrip(running, token, is_new=False)
    trip = Trip(
        org_id=actor.org_id,
        lesson_id=lesson_id,
        started_at=now,
        device_token_hash=device_tokens.hash_of(token),
        created_at=now,
    )
    session.add(trip)
    await session.flush()
    record(
        session,
        actor,
        Action.TRIP_STARTED,
        "Trip",
        trip.id,
        now=now,
        after={"lesson_id": lesson_id, "started_at": now},
    )
    return StartedTrip(trip, token, is_new=True)


async def stop_trip(session: AsyncSession, actor: Actor, trip_id: UUID, *, now: datetime) -> Trip:
    """End a trip and measure it; again is a no-op. Emits `trip.stopped`."""
    trip = await get_trip(session, actor, trip_id, permission=Permission.TRIPS_WRITE, lock=True)
    if trip.ended_at is None:
        await _stop(session, actor, trip, now, now=now)
    return trip


async def get_trip(
    session: AsyncSession,
    actor: Actor,
    trip_id: UUID,
    *,
    permission: Permission = Permission.TRIPS_READ,
    lock: bool = False,
) -> Trip:
    """Return a trip on whose lesson the actor has a permission; one that is not its own looks missing."""
    scope_of(actor, permission)
    trip = await get_or_404(session, Trip, actor.org_id, trip_id, lock=lock)
    await lessons.get_lesson(session, actor, trip.lesson_id, permission=permission)
    return trip


async def list_trips(session: AsyncSession, actor: Actor, lesson_id: UUID) -> list[Trip]:
    """Return the trips of a lesson, oldest first."""
    await lessons.get_lesson(session, actor, lesson_id, permission=Permission.TRIPS_READ)
    return await repository.trips_of_lesson(session, actor.org_id, lesson_id)


async def read_track(
    session: AsyncSession,
    actor: Actor,
    trip_id: UUID,
    *,
    now: datetime,
    after: datetime | None = None,
    limit: int | None = None,
) -> tuple[Trip, Sequence[Fix]]:
    """Return a trip and its fixes by time: those later than `after`, at most `limit` (None: all)."""
    trip = await get_trip(session, actor, trip_id)
    return trip, await _track(session, trip, now=now, after=after, limit=limit)


async def finish_lesson(
    session: AsyncSession,
    actor: Actor,
    booking_id: UUID,
    *,
    rating: int | None = None,
    notes: str | None = None,
    reason: str | None = None,
    now: datetime,
    cause: Cause = Cause.USER,
) -> Lesson:
    """Complete a booking: stop its trips and end its lesson, which gets its distance and duration.

    A lesson that the system closes, or whose start was forgotten, ends as planned; its open trip ends with
    its last fix. Completing again changes nothing but a rating or notes that are given. Emits
    `lesson.completed`. Raises as `bookings.moves.complete`.
    """
    booking, _ = await moves.complete(session, actor, booking_id, now=now, reason=reason, cause=cause)
    lesson = await lessons.lesson_of_booking(session, actor.org_id, booking_id, lock=True)
    remarks: dict[str, Any] = {
        name: value for name, value in (("rating", rating), ("notes", notes)) if value is not None
    }
    if lesson is not None and lesson.ended_at is not None:
        await lessons.change_lesson(session, actor, lesson, remarks, Action.LESSON_UPDATED, now=now)
        return lesson
    as_planned = lesson is None or cause is Cause.AUTO_CLOSE
    if lesson is None:
        lesson = await lessons.add_lesson(session, booking, started_at=booking.start_at, now=now)
    await _end(
        session,
        actor,
        lesson,
        booking.end_at if as_planned else now,
        Action.LESSON_COMPLETED,
        remarks=remarks,
        trips_end_with_last_fix=as_planned,
        reason=reason,
        now=now,
    )
    await lessons.announce_completed(session, lesson, now=now)
    return lesson


async def auto_close_lesson(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime
) -> Lesson | None:
    """Finish a lesson that nobody finished; None when it is over already. For the worker."""
    booking = await get_or_404(session, Booking, actor.org_id, booking_id, lock=True)
    if booking.status != BookingStatus.IN_PROGRESS:
        return None
    return await finish_lesson(session, actor, booking_id, now=now, cause=Cause.AUTO_CLOSE)


async def close_cancelled_lesson(
    session: AsyncSession, actor: Actor, booking_id: UUID, *, now: datetime
) -> Lesson | None:
    """End the lesson of a booking that was cancelled while it ran; None without one. For the worker."""
    lesson = await lessons.lesson_of_booking(session, actor.org_id, booking_id, lock=True)
    if lesson is None or lesson.ended_at is not None:
        return None
    await _end(
        session, actor, lesson, now, Action.LESSON_UPDATED, remarks={}, reason="booking cancelled", now=now
    )
    return lesson


async def _end(
    session: AsyncSession,
    actor: Actor,
    lesson: Lesson,
    ended_at: datetime,
    action: Action,
    *,
    remarks: dict[str, Any],
    trips_end_with_last_fix: bool = False,
    reason: str | None,
    now: datetime,
) -> None:
    """Stop the open trip of a locked lesson and set what the lesson came to."""
    trip = await repository.lock_open_trip(session, lesson.org_id, lesson.id)
    if trip is not None:
        await _stop(session, actor, trip, None if trips_end_with_last_fix else ended_at, now=now)
    started_at = lesson.started_at or ended_at
    ended_at = max(started_at, ended_at)
    changes = {
        **remarks,
        "ended_at": ended_at,
        "duration_sec": round((ended_at - started_at).total_seconds()),
        "distance_m": await repository.distance_of_lesson(session, lesson.org_id, lesson.id),
    }
    await lessons.change_lesson(session, actor, lesson, changes, action, reason=reason, now=now)


async def _stop(
    session: AsyncSession, actor: Actor, trip: Trip, ended_at: datetime | None, *, now: datetime
) -> None:
    """End and measure a locked trip; `ended_at` None means with its last fix."""
    track = await _track(session, trip, now=now)
    summary = measure(track)
    if ended_at is None:
        ended_at = track[-1].ts if track else trip.started_at
    trip.ended_at = max(trip.started_at, ended_at)
    trip.distance_m = summary.distance_m
    trip.duration_sec = summary.duration_sec
    after = {"ended_at": trip.ended_at, "distance_m": trip.distance_m, "duration_sec": trip.duration_sec}
    record(
        session, actor, Action.TRIP_STOPPED, "Trip", trip.id, now=now, before={"ended_at": None}, after=after
    )
    await emit(
        session,
        actor.org_id,
        Topic.TRIP_STOPPED,
        {"trip_id": str(trip.id), "lesson_id": str(trip.lesson_id)},
        now=now,
    )
    await session.flush()


async def _track(
    session: AsyncSession,
    trip: Trip,
    *,
    now: datetime,
    after: datetime | None = None,
    limit: int | None = None,
) -> list[Fix]:
    since = trip.started_at - CLOCK_TOLERANCE
    if after is not None:
        since = max(since, after + timedelta.resolution)
    return await repository.track(
        await driver_connection(session),
        trip.org_id,
        trip.id,
        since=since,
        until=(trip.ended_at or now) + repository.AHEAD,
        limit=limit,
    )
