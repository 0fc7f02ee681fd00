"""The bookings and lessons of the demo school as rows: the diary, its audit trail and its timers."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from driveflow.bookings.cancellation import DEFAULT_POLICY
from driveflow.bookings.lifecycle import AUTO_CLOSE_AFTER, BookingStatus
from driveflow.bookings.models import Booking
from driveflow.core.audit import Action, AuditLog, plain
from driveflow.core.db import Base
from driveflow.core.outbox import Outbox, Topic
from driveflow.lessons.models import Lesson
from driveflow.sandbox.demo_bookings import DemoBooking, Step
from driveflow.sandbox.demo_calendar import TIME_ZONE
from driveflow.sandbox.demo_lessons import DemoLesson
from driveflow.sandbox.demo_people import demo_id
from driveflow.sandbox.demo_rows import ORG_NAME, ORG_SLUG, DemoData, Row
from driveflow.trips.models import Trip


def diary_tables(data: DemoData) -> Iterator[tuple[type[Base], list[Row]]]:
    """Yield the tables of the diary with their rows, those that others refer to first; without the routes."""
    steps = sorted(_steps(data), key=lambda step: step.at)
    moves: dict[UUID, list[datetime]] = {}
    for step in steps:
        moves.setdefault(step.entity_id, []).append(step.at)
    yield Booking, [_booking(data, booking, moves[booking.id]) for booking in data.bookings]
    yield Lesson, [_lesson(data, lesson) for lesson in data.lessons]
    yield Trip, [row for lesson in data.lessons for row in _trips(data, lesson)]
    yield AuditLog, [_audit(data, number, step) for number, step in enumerate(steps)]
    yield Outbox, [*_hold_timers(data), *_auto_close_timers(data)]


def _booking(data: DemoData, booking: DemoBooking, moved_at: list[datetime]) -> Row:
    """Return the row of a booking whose steps were taken at these moments: each made a version."""
    plan, home = booking.plan, booking.plan.student.home
    return {
        "org_id": data.rules.org_id,
        "id": booking.id,
        "student_id": plan.student.id,
        "instructor_id": plan.instructor.id,
        "service_id": plan.service.id,
        "start_at": plan.start_at,
        "end_at": plan.end_at,
        "status": booking.status.value,
        "pickup_address": home.address,
        "pickup_lat": home.lat,
        "pickup_lng": home.lng,
        "dropoff_address": home.address,
        "dropoff_lat": home.lat,
        "dropoff_lng": home.lng,
        "currency": booking.quote.currency,
        "price_cents": booking.quote.price_cents,
        "platform_fee_cents": booking.quote.platform_fee_cents,
        "instructor_share_cents": booking.quote.instructor_share_cents,
        "notes": booking.notes,
        "time_zone": TIME_ZONE,
        "cancellation_tiers": DEFAULT_POLICY.to_json(),
        "hold_expires_at": booking.hold_expires_at,
        "cancelled_at": None,
        "cancelled_by": None,
        "cancel_reason": None,
        "fee_cents": None,
        "version": len(moved_at),
        "created_at": moved_at[0],
        "updated_at": moved_at[-1],
        **booking.changes,
    }


def _lesson(data: DemoData, lesson: DemoLesson) -> Row:
    ended_at, trip = lesson.ended_at, lesson.trip
    duration = ended_at - lesson.started_at if ended_at is not None else None
    return {
        "org_id": data.rules.org_id,
        "id": lesson.id,
        "booking_id": lesson.booking.id,
        "instructor_id": lesson.booking.plan.instructor.id,
        "student_id": lesson.booking.plan.student.id,
        "started_at": lesson.started_at,
        "ended_at": ended_at,
        "rating": lesson.rating,
        "notes": lesson.notes,
        "distance_m": trip.distance_m if trip is not None else None,
        "duration_sec": round(duration.total_seconds()) if duration is not None else None,
        "version": 1 if ended_at is None else 2,
        "created_at": lesson.started_at,
        "updated_at": ended_at or lesson.started_at,
    }


def _trips(data: DemoData, lesson: DemoLesson) -> Iterator[Row]:
    trip = lesson.trip
    if trip is not None:
        yield {
            "org_id": data.rules.org_id,
            "id": trip.id,
            "lesson_id": lesson.id,
            "started_at": trip.started_at,
            "ended_at": trip.ended_at,
            "distance_m": trip.distance_m,
            "duration_sec": trip.duration_sec,
            "created_at": trip.started_at,
        }


def _steps(data: DemoData) -> Iterator[Step]:
    owner = data.rules.owner

    def made(at: datetime, action: Action, entity_type: str, entity_id: UUID, **after: object) -> Step:
        return Step(at, owner, action, entity_type, entity_id, None, after)

    opened_at = data.opened_at
    yield made(opened_at, Action.ORG_CREATED, "Org", data.rules.org_id, name=ORG_NAME, slug=ORG_SLUG)
    for person in data.instructors:
        yield made(
            opened_at, Action.INSTRUCTOR_CREATED, "Instructor", person.id, display_name=person.display_name
        )
    for service in data.services:
        yield made(
            opened_at,
            Action.SERVICE_CREATED,
            "Service",
            service.id,
            name=service.name,
            duration_min=service.duration_min,
        )
    for card in data.rules.cards:
        yield made(
            opened_at,
            Action.RATE_CARD_CREATED,
            "RateCard",
            card.id,
            name=card.name,
            valid_from=card.valid_from,
            valid_to=card.valid_to,
        )
    for number, student in enumerate(data.students):
        joined_at = data.joined_at(number)
        yield made(joined_at, Action.STUDENT_CREATED, "Student", student.id, full_name=student.full_name)
    for guardian, joined_at in data.guardians().items():
        yield made(joined_at, Action.GUARDIAN_CREATED, "Guardian", guardian.id, full_name=guardian.full_name)
    for booking in data.bookings:
        yield from booking.steps
    for lesson in data.lessons:
        yield from lesson.steps


def _audit(data: DemoData, number: int, step: Step) -> Row:
    return {
        "org_id": data.rules.org_id,
        "id": demo_id("audit", number),
        "actor_user_id": step.actor.user_id,
        "actor": step.actor.label,
        "action": step.action.value,
        "entity_type": step.entity_type,
        "entity_id": str(step.entity_id),
        "before": plain(step.before) if step.before is not None else None,
        "after": plain(step.after),
        "created_at": step.at,
    }


def _hold_timers(data: DemoData) -> Iterator[Row]:
    for booking in data.bookings:
        if booking.hold_expires_at is not None:
            payload: dict[str, str | int] = {
                "booking_id": str(booking.id),
                "version": 1,
                "status": booking.status.value,
            }
            yield _timer(data, Topic.BOOKING_HOLD_DUE, payload, booking.hold_expires_at, f"hold:{booking.id}")


def _auto_close_timers(data: DemoData) -> Iterator[Row]:
    for booking in data.bookings:
        if booking.status is BookingStatus.IN_PROGRESS:
            topic = Topic.LESSON_AUTO_CLOSE_DUE
            payload: dict[str, str | int] = {"booking_id": str(booking.id)}
            due_at = booking.plan.end_at + AUTO_CLOSE_AFTER
            yield _timer(data, topic, payload, due_at, f"{topic}:{booking.id}")


def _timer(
    data: DemoData, topic: Topic, payload: dict[str, str | int], due_at: datetime, dedupe_key: str
) -> Row:
    """Return an outbox row as the services write it (`bookings/creation.py`, `lessons/service.py`)."""
    return {
        "org_id": data.rules.org_id,
        "id": demo_id("timer", dedupe_key),
        "topic": topic.value,
        "payload": payload,
        "available_at": due_at,
        "dedupe_key": dedupe_key,
        "created_at": data.now,
    }
