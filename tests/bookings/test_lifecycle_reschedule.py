"""Who may move a booking to another time, in which status and until when."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from driveflow.bookings.lifecycle import (
    Allowed,
    BookingFacts,
    BookingStatus,
    RefusalKind,
    Refused,
    Who,
    may_reschedule,
)
from driveflow.core.actor import Actor, Role, system_actor

ORG = UUID(int=1)
STUDENT = UUID(int=2)
INSTRUCTOR = UUID(int=3)
OTHER = UUID(int=4)
START = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

MOVERS = {
    Actor(ORG, Role.OWNER): Who.STAFF,
    Actor(ORG, Role.ADMIN): Who.STAFF,
    Actor(ORG, Role.STUDENT, student_ids=frozenset({STUDENT})): Who.STUDENT,
    Actor(ORG, Role.GUARDIAN, student_ids=frozenset({OTHER, STUDENT})): Who.GUARDIAN,
}
OWN_INSTRUCTOR = Actor(ORG, Role.INSTRUCTOR, instructor_id=INSTRUCTOR)
STRANGERS = (
    Actor(ORG, Role.INSTRUCTOR, instructor_id=OTHER),
    Actor(ORG, Role.STUDENT, student_ids=frozenset({OTHER})),
    Actor(ORG, Role.GUARDIAN),
)
MOVABLE = (BookingStatus.REQUESTED, BookingStatus.CONFIRMED)
FIXED = tuple(status for status in BookingStatus if status not in MOVABLE)


def booking(status: BookingStatus) -> BookingFacts:
    return BookingFacts(status, START, START + timedelta(hours=1), INSTRUCTOR, STUDENT)


@pytest.mark.parametrize("status", MOVABLE)
def test_student_guardian_and_staff_move_a_booking_until_its_start(status: BookingStatus) -> None:
    for actor, who in MOVERS.items():
        assert may_reschedule(booking(status), actor, START - SECOND) == Allowed(who)
        for now in (START, START + SECOND):
            assert may_reschedule(booking(status), actor, now) == Refused(
                RefusalKind.CONFLICT,
                "too_late",
                "The lesson should have begun already; it cannot be moved.",
            )


@pytest.mark.parametrize("status", FIXED)
def test_a_lesson_that_began_or_a_booking_that_ended_is_not_moved(status: BookingStatus) -> None:
    for actor in (*MOVERS, OWN_INSTRUCTOR):
        assert may_reschedule(booking(status), actor, START - SECOND) == Refused(
            RefusalKind.CONFLICT,
            "invalid_transition",
            f"A booking that is {status.replace('_', ' ')} cannot be moved.",
        )


@pytest.mark.parametrize("actor", [OWN_INSTRUCTOR, system_actor(ORG)])
@pytest.mark.parametrize("status", MOVABLE)
def test_the_instructor_and_the_system_do_not_move_a_booking(status: BookingStatus, actor: Actor) -> None:
    assert may_reschedule(booking(status), actor, START - SECOND) == Refused(
        RefusalKind.FORBIDDEN,
        "forbidden",
        f"As {actor.role} you may not move a booking; ask the school.",
    )


@pytest.mark.parametrize("status", BookingStatus)
def test_who_is_not_involved_moves_nothing(status: BookingStatus) -> None:
    for actor in STRANGERS:
        assert may_reschedule(booking(status), actor, START - SECOND) == Refused(
            RefusalKind.FORBIDDEN, "forbidden", "You have no part in this booking."
        )
