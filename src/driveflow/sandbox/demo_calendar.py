"""Eight weeks of bookings of the demo school, four back and four ahead of the day it is made.

The times come from the rule that offers slots, so they respect hours, exceptions, grid and buffer; prices
come from the pricing rule and cancellation fees from the cancellation rule. Which lesson ends how is dealt
from a shuffled deck of outcomes, not drawn each by itself, so that every status turns up in proportion
whatever the day. A lesson that runs right now is planned before all others: with an instructor who works at
this hour, or else as a night drive for which one of them opens extra hours.

Everything follows from the instant given: the same instant gives the same bookings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final
from uuid import UUID

from driveflow.availability.slots import (
    DayException,
    Interval,
    SlotRules,
    free_starts,
    open_intervals,
)
from driveflow.core import clock
from driveflow.core.clock import MINUTES_PER_DAY
from driveflow.sandbox.demo_people import DemoInstructor, DemoStudent

TIME_ZONE: Final = "Australia/Sydney"
SLOT_STEP_MIN: Final = 15
BUFFER_MIN: Final = 15
WEEKS_BACK: Final = 4
WEEKS_AHEAD: Final = 4

LATE_MIN: Final = 5
"""Lessons begin and end at most this much after their time."""

_SEED: Final = 2_026
# The running lesson began at least so long ago, so that there is something on the map.
_LIVE_SINCE_MIN: Final = 10
# How much of an instructor's hours is booked: in the past, and in each week ahead.
_LOAD_PAST: Final = 0.52
_LOAD_AHEAD: Final = (0.5, 0.4, 0.28, 0.16)
# Requests are answered in a day; one for tomorrow morning would have no time for that.
_REQUEST_AHEAD: Final = timedelta(hours=30)


class Outcome(StrEnum):
    """How a booking of the demo stands, finer than its status."""

    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED_EARLY = "cancelled_early"
    CANCELLED_LATE = "cancelled_late"
    CANCELLED_LAST_MINUTE = "cancelled_last_minute"
    CANCELLED_BY_SCHOOL = "cancelled_by_school"
    EXPIRED = "expired"
    RUNNING = "running"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    MOVED = "moved"


GIVES_TIME_BACK: Final = frozenset(
    {
        Outcome.CANCELLED_EARLY,
        Outcome.CANCELLED_LATE,
        Outcome.CANCELLED_LAST_MINUTE,
        Outcome.CANCELLED_BY_SCHOOL,
        Outcome.EXPIRED,
    }
)

_PAST_DECK: Final = (
    *[Outcome.COMPLETED] * 31,
    *[Outcome.NO_SHOW] * 2,
    *[Outcome.CANCELLED_EARLY] * 2,
    *[Outcome.CANCELLED_LATE] * 2,
    Outcome.CANCELLED_LAST_MINUTE,
    Outcome.CANCELLED_BY_SCHOOL,
    Outcome.EXPIRED,
)
_FUTURE_DECK: Final = (
    *[Outcome.CONFIRMED] * 14,
    *[Outcome.REQUESTED] * 3,
    Outcome.MOVED,
    Outcome.CANCELLED_EARLY,
    Outcome.CANCELLED_BY_SCHOOL,
)


@dataclass(frozen=True, slots=True)
class DemoService:
    """A kind of lesson; `weight` is how often it is booked."""

    id: UUID
    name: str
    description: str
    duration_min: int
    weight: int


@dataclass(frozen=True, slots=True)
class PlannedBooking:
    """Who drives with whom, when, and how it ends; instants are aware UTC."""

    number: int
    instructor: DemoInstructor
    student: DemoStudent
    service: DemoService
    start_at: datetime
    end_at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Calendar:
    """The bookings in the order they were planned, and each instructor's exceptions with their notes."""

    bookings: tuple[PlannedBooking, ...]
    exceptions: dict[UUID, dict[DayException, str]]


@dataclass(slots=True)
class _Diary:
    """What is already taken while planning, in epoch minutes."""

    exceptions: dict[UUID, dict[DayException, str]]
    busy: dict[UUID, list[Interval]] = field(default_factory=dict)
    student_days: set[tuple[UUID, date]] = field(default_factory=set)
    bookings: list[PlannedBooking] = field(default_factory=list)

    def hours(self, instructor: DemoInstructor, first_day: date, last_day: date) -> tuple[Interval, ...]:
        """Return when the instructor works on these local dates."""
        return open_intervals(
            TIME_ZONE, instructor.windows, self.exceptions[instructor.id], first_day, last_day
        )

    def add(
        self,
        instructor: DemoInstructor,
        student: DemoStudent,
        service: DemoService,
        start_min: int,
        outcome: Outcome,
    ) -> None:
        """Book it; a cancelled lesson leaves its time to others."""
        end_min = start_min + service.duration_min
        start_at, end_at = clock.from_epoch_min(start_min), clock.from_epoch_min(end_min)
        number = len(self.bookings)
        self.bookings.append(PlannedBooking(number, instructor, student, service, start_at, end_at, outcome))
        self.student_days.add((student.id, clock.local_date(start_at, TIME_ZONE)))
        if outcome not in GIVES_TIME_BACK:
            self.busy.setdefault(instructor.id, []).append((start_min, end_min))


def window_of(now: datetime) -> tuple[date, date]:
    """Return the first and last local day that may have bookings."""
    today = clock.local_date(now, TIME_ZONE)
    return today - timedelta(weeks=WEEKS_BACK), today + timedelta(weeks=WEEKS_AHEAD)


def plan_calendar(
    now: datetime,
    instructors: Sequence[DemoInstructor],
    students: Sequence[DemoStudent],
    services: Sequence[DemoService],
) -> Calendar:
    """Return exceptions and bookings around an aware UTC instant; the first booking is the running lesson."""
    rng = Random(_SEED)  # noqa: S311 - demo data, no secret
    today = clock.local_date(now, TIME_ZONE)
    diary = _Diary(_exceptions(today, instructors))
    _plan_live_lesson(now, diary, instructors, students, services)
    past, future = _deal(rng, _PAST_DECK), _deal(rng, _FUTURE_DECK)
    first_day, last_day = window_of(now)
    for number in range((last_day - first_day).days + 1):
        day = first_day + timedelta(days=number)
        for instructor in instructors:
            hours = diary.hours(instructor, day, day)
            open_h = sum(end - start for start, end in hours) / 60
            for _ in range(int(open_h * _load(day, today) + rng.random())):
                found = _free_lesson(rng, diary, instructor, students, services, day=day)
                if found is None:
                    continue
                student, service, start_min = found
                start_at = clock.from_epoch_min(start_min)
                end_at = start_at + timedelta(minutes=service.duration_min)
                outcome = _outcome(start_at, end_at, now, past, future)
                diary.add(instructor, student, service, start_min, outcome)
    return Calendar(tuple(diary.bookings), diary.exceptions)


def _outcome(
    start_at: datetime, end_at: datetime, now: datetime, past: Iterator[Outcome], future: Iterator[Outcome]
) -> Outcome:
    late = timedelta(minutes=LATE_MIN)
    if end_at + late <= now:
        return next(past)
    if start_at + late <= now:
        return Outcome.RUNNING
    # Who would request, move or cancel a lesson of the next hours is on the phone to the office.
    return Outcome.CONFIRMED if start_at < now + _REQUEST_AHEAD else next(future)


def _load(day: date, today: date) -> float:
    if day <= today:
        return _LOAD_PAST
    return _LOAD_AHEAD[((day - today).days - 1) // 7]


def _deal(rng: Random, deck: Sequence[Outcome]) -> Iterator[Outcome]:
    """Yield the outcomes of a deck in random order, and shuffle again at its end."""
    while True:
        yield from rng.sample(deck, len(deck))


def _free_lesson(
    rng: Random,
    diary: _Diary,
    instructor: DemoInstructor,
    students: Sequence[DemoStudent],
    services: Sequence[DemoService],
    *,
    day: date,
) -> tuple[DemoStudent, DemoService, int] | None:
    """Return a lesson that fits into the instructor's day, or None if this draw does not fit."""
    service = rng.choices(services, [service.weight for service in services])[0]
    own = [student for student in students if student.usual_instructor_id == instructor.id]
    # Now and then somebody drives with a colleague of their usual instructor.
    student = rng.choice(own if rng.random() < 0.85 else students)  # noqa: PLR2004 - a share, said above
    hours = diary.hours(instructor, day, day)
    if (student.id, day) in diary.student_days or not hours:
        return None
    starts = free_starts(
        SlotRules(TIME_ZONE, service.duration_min, SLOT_STEP_MIN, BUFFER_MIN, hours[0][0], hours[-1][1]),
        hours,
        diary.busy.get(instructor.id, ()),
        hours[0][0],
        hours[-1][1],
    )
    return (student, service, rng.choice(starts)) if starts else None


def _plan_live_lesson(
    now: datetime,
    diary: _Diary,
    instructors: Sequence[DemoInstructor],
    students: Sequence[DemoStudent],
    services: Sequence[DemoService],
) -> None:
    service = max(services, key=lambda service: service.weight)
    begun_min = clock.to_epoch_min(now) - _LIVE_SINCE_MIN
    start_min = begun_min - clock.minute_of_day(begun_min, TIME_ZONE) % SLOT_STEP_MIN
    end_min = start_min + service.duration_min
    days = clock.days_touching(TIME_ZONE, start_min, end_min)

    def works(instructor: DemoInstructor) -> bool:
        hours = diary.hours(instructor, *days)
        return any(lower <= start_min and end_min <= upper for lower, upper in hours)

    instructor = next(filter(works, instructors), None)
    if instructor is None:
        instructor = next(
            candidate
            for candidate in instructors
            if not any(change.day in days for change in diary.exceptions[candidate.id])
        )
        night = dict.fromkeys(_hours_for(start_min, end_min), "Night drive for the logbook")
        diary.exceptions[instructor.id].update(night)
    student = next(student for student in students if student.usual_instructor_id == instructor.id)
    diary.add(instructor, student, service, start_min, Outcome.RUNNING)


def _hours_for(start_min: int, end_min: int) -> Iterator[DayException]:
    """Yield the extra hours that hold these epoch minutes: one for each local date they touch."""
    shown: dict[date, list[int]] = {}
    for minute in range(start_min, end_min):
        day = clock.local_date(clock.from_epoch_min(minute), TIME_ZONE)
        shown.setdefault(day, []).append(clock.minute_of_day(minute, TIME_ZONE))
    for day, minutes in shown.items():
        # When clocks go back the lesson's wall times do not end after they begin; lowest to highest do.
        yield DayException(day, True, min(minutes), min(max(minutes) + 1, MINUTES_PER_DAY))  # noqa: FBT003 - a NamedTuple's field


def _exceptions(today: date, instructors: Sequence[DemoInstructor]) -> dict[UUID, dict[DayException, str]]:
    """Return leave, a half day, a sick day and an extra Saturday, by instructor."""
    monday = today - timedelta(days=today.weekday())

    def on(week: int, weekday: int) -> date:
        return monday + timedelta(weeks=week, days=weekday)

    chow, okafor, raman, _, haddad, gallagher = (instructor.id for instructor in instructors)
    changes: dict[UUID, dict[DayException, str]] = {instructor.id: {} for instructor in instructors}
    for weekday in range(5):
        changes[okafor][DayException(on(2, weekday), is_available=False)] = "Annual leave"
    changes[chow][DayException(on(1, 3), False, 13 * 60, 18 * 60)] = "Dentist"  # noqa: FBT003 - as above
    changes[raman][DayException(on(-2, 2), is_available=False)] = "Sick"
    changes[haddad][DayException(on(-1, 1), False, 11 * 60, 14 * 60)] = "Car at the mechanic"  # noqa: FBT003 - as above
    changes[gallagher][DayException(on(1, 5), True, 9 * 60, 13 * 60)] = "Extra Saturday"  # noqa: FBT003 - as above
    return changes
