"""The lessons of the demo school with their drives.

Lessons of the last two weeks have a recorded route (`routes.py`), but for a few where the phone stayed in
the pocket. Of the drives before that only the measures are left, as in a school that keeps its points for two
weeks. A running lesson has a running trip with the points up to now.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.audit import Action
from driveflow.sandbox.demo_bookings import DemoBooking, DemoSchoolRules, Step
from driveflow.sandbox.demo_calendar import LATE_MIN
from driveflow.sandbox.demo_people import demo_id
from driveflow.sandbox.routes import drive_route
from driveflow.trips.track import Fix, measure

ROUTES_BACK: Final = timedelta(days=14)
INTERVAL_SEC: Final = 10
LIVE_INTERVAL_SEC: Final = 5

# One in so many drives was not recorded.
_UNRECORDED: Final = 4
# What the made-up routes cover, metres a minute.
_PACE_M_PER_MIN: Final = (430, 600)
# Greeting and mirrors before the drive, a word about it afterwards.
_MARGIN_MIN: Final = 5

_RATINGS: Final = (5, 5, 5, 4, 4, 4, 4, 3, 3, 2, None)
_LESSON_NOTES: Final = (
    "Smooth gear changes; keep the eyes further up the road.",
    "Reverse parking twice without touching the kerb.",
    "Head checks still late before lane changes.",
    "Confident at roundabouts; next time multi-lane ones.",
    "Hill starts with the handbrake are there.",
    "Speed creeps up downhill; we talked about scanning the signs.",
    "Mock test: two minor errors. Ready to book the test.",
    "Heavy rain today: longer gaps, well done.",
    "Three-point turns need another lesson.",
    None,
    None,
    None,
)


@dataclass(frozen=True, slots=True)
class DemoTrip:
    """A recorded drive; distance in metres and duration in seconds are None while it runs."""

    id: UUID
    started_at: datetime
    ended_at: datetime | None
    distance_m: int | None
    duration_sec: int | None
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, slots=True)
class DemoLesson:
    """A lesson that began, with at most one trip; `ended_at` is None while it runs."""

    id: UUID
    booking: DemoBooking
    started_at: datetime
    ended_at: datetime | None
    rating: int | None
    notes: str | None
    trip: DemoTrip | None
    steps: tuple[Step, ...]


def has_lesson(booking: DemoBooking) -> bool:
    """Return whether the lesson of a booking began."""
    return booking.status in {BookingStatus.COMPLETED, BookingStatus.IN_PROGRESS}


def tell_lesson(rng: Random, booking: DemoBooking, rules: DemoSchoolRules, now: datetime) -> DemoLesson:
    """Return the lesson of a booking that began; makes up its route, which takes some milliseconds."""
    plan = booking.plan
    late_sec = LATE_MIN * 60
    started_at = plan.start_at + timedelta(seconds=rng.randrange(late_sec))
    ended_at = None
    if booking.status is BookingStatus.COMPLETED:
        ended_at = plan.end_at + timedelta(seconds=rng.randrange(-late_sec, late_sec))
    lesson_id = demo_id("lesson", plan.number)
    trip = _trip(rng, booking, started_at, ended_at, now)
    rating, notes = rng.choice(_RATINGS), rng.choice(_LESSON_NOTES)
    if ended_at is None:
        rating = notes = None
    lesson = DemoLesson(lesson_id, booking, started_at, ended_at, rating, notes, trip, ())
    return replace(lesson, steps=tuple(_steps(lesson, rules)))


def _trip(
    rng: Random, booking: DemoBooking, started_at: datetime, ended_at: datetime | None, now: datetime
) -> DemoTrip | None:
    trip_id = demo_id("trip", booking.plan.number)
    began_at = started_at + timedelta(seconds=rng.randrange(5, 60))
    home, number = booking.plan.student.home, booking.plan.number
    if ended_at is None:
        began_at = min(began_at, now)
        minutes = booking.plan.service.duration_min
        route = drive_route(number, home.lat, home.lng, began_at, minutes, interval_s=LIVE_INTERVAL_SEC)
        return DemoTrip(trip_id, began_at, None, None, None, tuple(fix for fix in route if fix.ts <= now))
    if not rng.randrange(_UNRECORDED):
        return None
    minutes = (ended_at - began_at) // timedelta(minutes=1) - _MARGIN_MIN
    stopped_at = began_at + timedelta(minutes=minutes, seconds=rng.randrange(5, 60))
    if started_at < now - ROUTES_BACK:
        driven_m = minutes * rng.randrange(*_PACE_M_PER_MIN)
        return DemoTrip(trip_id, began_at, stopped_at, driven_m, minutes * 60, ())
    fixes = tuple(drive_route(number, home.lat, home.lng, began_at, minutes, interval_s=INTERVAL_SEC))
    summary = measure(fixes)
    return DemoTrip(trip_id, began_at, stopped_at, summary.distance_m, summary.duration_sec, fixes)


def _steps(lesson: DemoLesson, rules: DemoSchoolRules) -> list[Step]:
    """Return what the services would have audited: start, drive, stop, completion."""
    booking, trip = lesson.booking, lesson.trip
    actor = rules.instructor(booking.plan.instructor)

    def step(
        at: datetime,
        action: Action,
        entity: tuple[str, UUID],
        before: dict[str, Any] | None,
        after: dict[str, Any],
    ) -> Step:
        return Step(at, actor, action, *entity, before, after)

    of_booking, of_lesson = ("Booking", booking.id), ("Lesson", lesson.id)
    confirmed = {"status": BookingStatus.CONFIRMED}
    running = {"status": BookingStatus.IN_PROGRESS}
    began = {"booking_id": booking.id, "started_at": lesson.started_at}
    steps = [
        step(lesson.started_at, Action.BOOKING_STARTED, of_booking, confirmed, running),
        step(lesson.started_at, Action.LESSON_STARTED, of_lesson, None, began),
    ]
    if trip is not None:
        drive = {"lesson_id": lesson.id, "started_at": trip.started_at}
        steps.append(step(trip.started_at, Action.TRIP_STARTED, ("Trip", trip.id), None, drive))
        if trip.ended_at is not None:
            driven = {
                "ended_at": trip.ended_at,
                "distance_m": trip.distance_m,
                "duration_sec": trip.duration_sec,
            }
            steps.append(
                step(trip.ended_at, Action.TRIP_STOPPED, ("Trip", trip.id), {"ended_at": None}, driven)
            )
    if lesson.ended_at is not None:
        done = {"status": BookingStatus.COMPLETED}
        came_to = {"ended_at": lesson.ended_at, "rating": lesson.rating}
        steps += [
            step(lesson.ended_at, Action.BOOKING_COMPLETED, of_booking, running, done),
            step(lesson.ended_at, Action.LESSON_COMPLETED, of_lesson, {"ended_at": None}, came_to),
        ]
    return steps
