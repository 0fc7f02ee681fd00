"""The made-up people, prices and bookings of the demo school, at ordinary and at awkward moments."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest

from driveflow.availability.slots import open_intervals
from driveflow.bookings.lifecycle import HOLDS_TIME
from driveflow.catalog.pricing import applicable_card, overlapping_default
from driveflow.core import clock, contacts
from driveflow.sandbox.demo_bookings import DemoSchoolRules, tell_booking
from driveflow.sandbox.demo_calendar import TIME_ZONE, Calendar, Outcome, plan_calendar
from driveflow.sandbox.demo_catalog import DEMO_SERVICES, demo_cards, demo_prices
from driveflow.sandbox.demo_people import (
    LEARNER_AGE_YEARS,
    DemoGuardian,
    DemoInstructor,
    DemoStudent,
    demo_id,
    demo_instructors,
    demo_students,
)
from driveflow.sandbox.demo_school import ORG_ID
from support.schools import MONDAY_10_SYDNEY

NOW = MONDAY_10_SYDNEY
# In Sydney: a working morning, a Sunday night, the hours of the clock changes, New Year's Eve.
MOMENTS = (
    NOW,
    datetime(2026, 8, 2, 13, 55, 30, tzinfo=UTC),
    datetime(2026, 10, 3, 16, 20, tzinfo=UTC),
    datetime(2027, 4, 3, 15, 50, tzinfo=UTC),
    datetime(2026, 12, 31, 13, 58, tzinfo=UTC),
    datetime(2028, 2, 29, 3, 0, 0, 1, tzinfo=UTC),
)


def _plan(now: datetime) -> Calendar:
    instructors = demo_instructors()
    students = demo_students(clock.local_date(now, TIME_ZONE), instructors)
    return plan_calendar(now, instructors, students, DEMO_SERVICES)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_any_moment_has_a_running_lesson_and_every_outcome(now: datetime) -> None:
    calendar = _plan(now)
    live = calendar.bookings[0]
    assert live.outcome is Outcome.RUNNING
    assert live.start_at <= now - timedelta(minutes=10)
    assert now < live.end_at
    assert {booking.outcome for booking in calendar.bookings} == set(Outcome)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_nobody_is_in_two_lessons_and_nobody_outside_hours(now: datetime) -> None:
    calendar = _plan(now)
    rules = _rules(now)
    told = [tell_booking(Random(plan.number), plan, rules, now) for plan in calendar.bookings]
    holding = [booking.plan for booking in told if booking.status in HOLDS_TIME]
    for who in ("instructor", "student"):
        days: dict[UUID, list[tuple[datetime, datetime]]] = {}
        for plan in holding:
            days.setdefault(getattr(plan, who).id, []).append((plan.start_at, plan.end_at))
        for lessons in days.values():
            assert all(first[1] <= second[0] for first, second in pairwise(sorted(lessons)))
    for plan in calendar.bookings:
        span = clock.to_epoch_min(plan.start_at), clock.to_epoch_min(plan.end_at)
        days_touched = clock.days_touching(TIME_ZONE, *span)
        changes = calendar.exceptions[plan.instructor.id]
        hours = open_intervals(TIME_ZONE, plan.instructor.windows, changes, *days_touched)
        assert any(lower <= span[0] and span[1] <= upper for lower, upper in hours)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_no_step_of_a_story_lies_in_the_future_or_out_of_order(now: datetime) -> None:
    rules = _rules(now)
    for plan in _plan(now).bookings:
        booking = tell_booking(Random(plan.number), plan, rules, now)
        moments = [step.at for step in booking.steps]
        assert moments == sorted(moments)
        assert moments[-1] <= now
        assert (booking.hold_expires_at is not None) == (plan.outcome is Outcome.REQUESTED)
        if booking.hold_expires_at is not None:
            assert now < booking.hold_expires_at < plan.start_at


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1), date(2026, 12, 31)])
def test_the_rate_cards_follow_each_other_and_cover_all_eight_weeks(today: date) -> None:
    cards = demo_cards(today)
    assert overlapping_default(cards, cards[0]) is None
    for number in range(-35, 400):
        assert applicable_card(cards, today + timedelta(days=number)) is not None
    later = replace(cards[1], is_default=False)
    assert applicable_card((cards[0], later), today) == cards[0]


def test_the_people_can_be_neither_reached_nor_confused() -> None:
    instructors = demo_instructors()
    students = demo_students(NOW.date(), instructors)
    people: list[DemoInstructor | DemoStudent | DemoGuardian] = [*instructors, *students]
    people += {guardian for student in students for guardian in student.guardians}
    assert len({person.email for person in people}) == len({person.id for person in people}) == len(people)
    for person in people:
        assert person.email.endswith(".example")
        assert contacts.email_address(person.email) == person.email
        assert contacts.phone_number(person.phone, "AUD") == person.phone
        assert person.phone.startswith("+6149157")
    youngest = max(student.dob for student in students)
    assert (NOW.date() - youngest).days >= LEARNER_AGE_YEARS * 365.25
    assert contacts.business_number("23638204971") == "23638204971"


def _rules(now: datetime) -> DemoSchoolRules:
    cards = demo_cards(clock.local_date(now, TIME_ZONE))
    return DemoSchoolRules(ORG_ID, demo_id("user", "owner"), cards, demo_prices(cards))
