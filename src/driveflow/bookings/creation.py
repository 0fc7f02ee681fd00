"""Making bookings: one, or a weekly series.

The caller's transaction holds the locks of `locks_for` on the instructor's, then the student's row; with the
exclusion constraint alone racing clients would deadlock (schema decision 6). The constraint stays the last
word.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from driveflow.bookings import sql
from driveflow.bookings.lifecycle import BookingStatus, initial_status
from driveflow.bookings.models import Booking
from driveflow.bookings.situation import (
    Situation,
    overlaps_as_conflicts,
    price_at,
    read_situation,
    refuse_time,
)
from driveflow.core import clock
from driveflow.core.actor import Actor, Permission, Role, Scope, require, scope_of
from driveflow.core.audit import Action, audit_values
from driveflow.core.db import savepoint
from driveflow.core.errors import (
    ConflictError,
    DriveFlowError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from driveflow.core.ids import new_id
from driveflow.core.outbox import NewEvent, Topic, event_values
from driveflow.orgs.booking_sql import time_zone_of
from driveflow.people import booking_sql as people

MIN_SERIES_WEEKS = 2
MAX_SERIES_WEEKS = 52


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lesson begins or ends: an address, a position, both or neither."""

    address: str | None = None
    lat: float | None = None
    lng: float | None = None


@dataclass(frozen=True, slots=True)
class NewBooking:
    """What is asked for; `override_hours` lets staff book outside hours, notice, horizon and grid."""

    student_id: UUID
    instructor_id: UUID
    service_id: UUID
    start_at: datetime
    pickup: Place = Place()
    dropoff: Place = Place()
    notes: str | None = None
    override_hours: bool = False
    series_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SeriesItem:
    """One date of a series: the booking, or why there is none."""

    start_at: datetime | None
    local_start: str
    booking: Booking | None
    refusal: DriveFlowError | None


def locks_for(org_id: UUID, wanted: NewBooking) -> tuple[str, ...]:
    """Return the statements that take a booking's locks, to be sent along with BEGIN."""
    return people.lock_statements(org_id, [wanted.instructor_id], wanted.student_id)


async def create_booking(
    connection: asyncpg.Connection, actor: Actor, wanted: NewBooking, *, now: datetime
) -> Booking:
    """Book one lesson and return it: staff confirm at once, others hold the slot until the hold expires.

    Raises NotFoundError, ForbiddenError, InvalidInputError (`start_at`), and ConflictError with code
    `no_price`, `service_inactive`, `instructor_inactive` or the reason why the time is refused.
    """
    await _check_permission(connection, actor, wanted)
    if wanted.start_at.second or wanted.start_at.microsecond:
        raise InvalidInputError.of("start_at", "Lessons start at a whole minute.")
    situation = await read_situation(
        connection,
        actor.org_id,
        instructor_id=wanted.instructor_id,
        student_id=wanted.student_id,
        service_id=wanted.service_id,
        start_at=wanted.start_at,
    )
    refuse_time(situation, wanted.start_at, situation.duration_min, now, override_hours=wanted.override_hours)
    booking = _snapshot(actor, wanted, situation, now)
    with overlaps_as_conflicts():
        await connection.execute(sql.INSERT_BOOKING, *_values(actor, wanted, booking, now))
    return booking


async def create_series(
    connection: asyncpg.Connection, actor: Actor, wanted: NewBooking, *, weeks: int, now: datetime
) -> list[SeriesItem]:
    """Book the same wall time in `weeks` weeks running, the first included; one date's refusal stops none.

    Raises InvalidInputError for the number of weeks, and what concerns all dates alike (NotFoundError,
    ForbiddenError).
    """
    if not MIN_SERIES_WEEKS <= weeks <= MAX_SERIES_WEEKS:
        raise InvalidInputError.of(
            "repeat.weeks", f"Must be between {MIN_SERIES_WEEKS} and {MAX_SERIES_WEEKS}."
        )
    zone_name = await time_zone_of(connection, actor.org_id)
    first_wall = wanted.start_at.astimezone(clock.zone(zone_name))
    in_series = replace(wanted, series_id=new_id())
    items: list[SeriesItem] = []
    for week in range(weeks):
        wall = first_wall.replace(tzinfo=None) + timedelta(weeks=week)
        start_at: datetime | None = None
        try:
            start_at = _same_wall_time(wall, first_wall, zone_name)
            async with savepoint(connection):
                booking = await create_booking(
                    connection, actor, replace(in_series, start_at=start_at), now=now
                )
            items.append(SeriesItem(start_at, wall.isoformat(), booking, None))
        except (ConflictError, InvalidInputError) as refusal:
            items.append(SeriesItem(start_at, wall.isoformat(), None, refusal))
    return items


def _same_wall_time(wall: datetime, first: datetime, zone_name: str) -> datetime:
    """Return the instant of a wall time; in a fold the offset of the first date decides if it holds there."""
    try:
        return clock.local_to_utc(wall, zone_name)
    except InvalidInputError as error:
        if error.code != "time_is_ambiguous":
            raise
        return clock.local_to_utc(wall, zone_name, utc_offset=first.utcoffset())


async def _check_permission(connection: asyncpg.Connection, actor: Actor, wanted: NewBooking) -> None:
    scope = scope_of(actor, Permission.BOOKINGS_CREATE)
    if wanted.override_hours:
        require(actor, Permission.BOOKINGS_OVERRIDE_HOURS)
    if scope is Scope.SCHOOL:
        return
    if actor.role is Role.INSTRUCTOR:
        if not actor.is_instructor(wanted.instructor_id):
            raise ForbiddenError("Instructors book lessons of their own only.")
        return
    if not actor.stands_for(wanted.student_id):
        raise NotFoundError
    if actor.role is Role.GUARDIAN and not await people.guardian_may_book(
        connection, actor.org_id, actor.guardian_id, wanted.student_id
    ):
        raise ForbiddenError("The school has not allowed this guardian to book for the student.")


def _snapshot(actor: Actor, wanted: NewBooking, situation: Situation, now: datetime) -> Booking:
    quote = price_at(situation, wanted.start_at)
    status = initial_status(actor.role)
    held = status is BookingStatus.REQUESTED
    return Booking(
        org_id=actor.org_id,
        id=new_id(),
        student_id=wanted.student_id,
        instructor_id=wanted.instructor_id,
        service_id=wanted.service_id,
        start_at=wanted.start_at,
        end_at=wanted.start_at + timedelta(minutes=situation.duration_min),
        status=status.value,
        pickup_address=wanted.pickup.address,
        pickup_lat=wanted.pickup.lat,
        pickup_lng=wanted.pickup.lng,
        dropoff_address=wanted.dropoff.address,
        dropoff_lat=wanted.dropoff.lat,
        dropoff_lng=wanted.dropoff.lng,
        currency=quote.currency,
        price_cents=quote.price_cents,
        platform_fee_cents=quote.platform_fee_cents,
        instructor_share_cents=quote.instructor_share_cents,
        notes=wanted.notes,
        time_zone=situation.time_zone,
        version=1,
        cancellation_tiers=situation.policy.to_json(),
        hold_expires_at=now + timedelta(minutes=situation.hold_minutes) if held else None,
        series_id=wanted.series_id,
        created_at=now,
        updated_at=now,
    )


def _values(actor: Actor, wanted: NewBooking, booking: Booking, now: datetime) -> tuple[object, ...]:
    """Return the parameters of INSERT_BOOKING: row, audit, events."""
    facts = {
        "status": booking.status,
        "student_id": booking.student_id,
        "instructor_id": booking.instructor_id,
        "service_id": booking.service_id,
        "start_at": booking.start_at,
        "end_at": booking.end_at,
        "price_cents": booking.price_cents,
        "currency": booking.currency,
    }
    if wanted.override_hours:
        facts["override_hours"] = True
    payload = msgspec.json.encode({"booking_id": booking.id, "version": 1, "status": booking.status}).decode()
    events = [NewEvent(Topic.BOOKING_CREATED, payload, now)]
    if booking.hold_expires_at is not None:
        events.append(
            NewEvent(Topic.BOOKING_HOLD_DUE, payload, booking.hold_expires_at, f"hold:{booking.id}")
        )
    return (
        booking.org_id,
        booking.id,
        booking.student_id,
        booking.instructor_id,
        booking.service_id,
        booking.start_at,
        booking.end_at,
        booking.status,
        booking.pickup_address,
        booking.pickup_lat,
        booking.pickup_lng,
        booking.dropoff_address,
        booking.dropoff_lat,
        booking.dropoff_lng,
        booking.currency,
        booking.price_cents,
        booking.platform_fee_cents,
        booking.instructor_share_cents,
        booking.notes,
        booking.time_zone,
        msgspec.json.encode(booking.cancellation_tiers).decode(),
        booking.hold_expires_at,
        booking.series_id,
        now,
        *audit_values(
            actor,
            Action.BOOKING_CREATED,
            "Booking",
            booking.id,
            now=now,
            after=msgspec.json.encode(facts).decode(),
        ),
        *event_values(booking.org_id, events, now=now),
    )
