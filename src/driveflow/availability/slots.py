"""The rule of when a lesson can be booked: weekly hours, changed by exceptions, less what is taken.

All times are epoch minutes (whole minutes since 1970-01-01T00:00Z), all intervals are half-open, durations
are elapsed minutes; only hours of work are written in the school's wall time.

**Open.** A minute is open for an instructor when the school's wall clock then shows a minute inside one of
the instructor's weekly windows `[start_minute, end_minute)` for the weekday of the local date, and that date
lies in the window's effective dates (inclusive; a missing one is no limit). Then the date's exception, of
which there is at most one, changes the date: `is_available=False` takes its minutes away,
`is_available=True` adds them. An exception without a start begins at 00:00, one without an end ends at 24:00;
so one without both closes, or opens, the whole date. When clocks go back, a wall time inside a window is open
both times; when they go forward, the skipped time is simply not there.

**Offered.** A lesson starting at `t` is offered when all of this holds:

* every minute of `[t, t + duration)` is open: open time that touches, as at midnight, is joined, so a lesson
  may cross midnight or a change of the clocks;
* `t` is on the grid: the wall clock's minute of the day is divisible by the step;
* `t` is not before the earliest start (the school's notice) nor after the latest (its horizon);
* `[t - buffer, t + duration + buffer)` touches nothing the instructor already has;
* `[t, t + duration)` touches nothing the student already has, where a student is given.

`free_starts` lists the offered starts of a range, fast; `refusal` says why one start is not offered. They are
written separately and agree: `t` is in `free_starts` exactly when `refusal` is None. Both want the open time
of all dates the lesson may touch: those of `clock.days_touching(zone, range_start, range_end + duration)`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from driveflow.core import clock
from driveflow.core.clock import MINUTES_PER_DAY

Interval = tuple[int, int]
"""The epoch minutes from the first (included) to the second (not included)."""


class WeeklyWindow(NamedTuple):
    """Hours of work on one weekday: 0 is Monday, 0 <= start_minute < end_minute <= 1440, wall time."""

    day_of_week: int
    start_minute: int
    end_minute: int
    effective_from: date | None = None
    effective_to: date | None = None


class DayException(NamedTuple):
    """A change of one local date's hours: the minutes are added if `is_available`, else taken away."""

    day: date
    is_available: bool
    start_minute: int | None = None
    end_minute: int | None = None


@dataclass(frozen=True, slots=True)
class SlotRules:
    """What is asked of a start: the grid's zone, lengths (duration, step > 0), first and last start."""

    zone: str
    duration_min: int
    step_min: int
    buffer_min: int
    earliest_min: int
    latest_min: int


class RefusalReason(StrEnum):
    """Why a start is not offered."""

    INSTRUCTOR_BUSY = "instructor_busy"
    STUDENT_BUSY = "student_busy"
    TOO_CLOSE = "too_close"
    TOO_SOON = "too_soon"
    TOO_FAR = "too_far"
    OUTSIDE_HOURS = "outside_hours"
    OFF_GRID = "off_grid"


@dataclass(frozen=True, slots=True)
class SlotRefusal:
    """Why a start is not offered, for a program and as a sentence for a person."""

    reason: RefusalReason
    sentence: str


class _DayPart(NamedTuple):
    """A piece of a local date with one UTC offset; by that offset 00:00 is epoch minute `midnight_min`."""

    start_min: int
    end_min: int
    midnight_min: int
    weekday: int
    day: date


class _GridSpan(NamedTuple):
    """A stretch of time whose starts on the grid are the epoch minutes with remainder `phase` by the step."""

    start_min: int
    end_min: int
    phase: int


def booking_range(now: datetime, min_notice_minutes: int, horizon_days: int) -> Interval:
    """Return the earliest and the latest start (both included) that notice and horizon allow at `now`.

    Both are elapsed time, a day being 24 hours; the earliest is rounded up to a full minute, the latest down.
    """
    latest_min = clock.to_epoch_min(now + timedelta(days=horizon_days))
    now_min = clock.to_epoch_min(now)
    if clock.from_epoch_min(now_min) < now:
        now_min += 1
    return now_min + min_notice_minutes, latest_min


def open_intervals(
    zone_name: str,
    windows: Iterable[WeeklyWindow],
    exceptions: Iterable[DayException],
    first_day: date,
    last_day: date,
) -> tuple[Interval, ...]:
    """Return an instructor's open time on the local dates first_day..last_day, in order and joined."""
    return _open_intervals(zone_name, tuple(windows), tuple(exceptions), first_day, last_day)


def free_starts(
    rules: SlotRules,
    open_intervals: Iterable[Interval],
    busy: Iterable[Interval],
    range_start_min: int,
    range_end_min: int,
    *,
    student_busy: Iterable[Interval] = (),
) -> list[int]:
    """Return the offered starts t with range_start_min <= t < range_end_min, in order.

    `open_intervals` come from the function of that name; busy intervals may overlap, and come in any order.
    """
    step, duration, buffer = rules.step_min, rules.duration_min, rules.buffer_min
    first = max(range_start_min, rules.earliest_min)
    end = min(range_end_min, rules.latest_min + 1)
    if first >= end:
        return []

    # What is in the way of a lesson forbids a run of starts, from the first one that would reach into it.
    reach = duration + buffer - 1
    forbidden = [(lower - reach, upper + buffer) for lower, upper in busy if lower < upper]
    forbidden += [(lower - duration + 1, upper) for lower, upper in student_busy if lower < upper]
    closed_from = first
    for lower, upper in open_intervals:
        forbidden.append((closed_from, lower))
        closed_from = upper - duration + 1
    forbidden.append((closed_from, end))
    forbidden.sort()

    starts: list[int] = []
    for span_start, span_end, phase in _grid(
        rules.zone, step, first // MINUTES_PER_DAY, (end - 1) // MINUTES_PER_DAY
    ):
        t = max(first, span_start)
        stop = min(end, span_end)
        for lower, upper in forbidden:
            if t < lower:
                starts.extend(range(t + (phase - t) % step, min(lower, stop), step))
            t = max(t, upper)
    return starts


def refusal(  # noqa: PLR0911 - one return for each condition, in the order promised
    rules: SlotRules,
    open_intervals: Iterable[Interval],
    busy: Iterable[Interval],
    start_min: int,
    *,
    student_busy: Iterable[Interval] = (),
) -> SlotRefusal | None:
    """Return why a lesson starting exactly then would not be offered, or None if it would.

    Overlaps come first: whoever may waive hours, notice or grid learns from any other reason than
    `instructor_busy` and `student_busy` that nobody is booked twice.
    """
    end_min = start_min + rules.duration_min
    taken = list(busy)
    if _overlaps(taken, start_min, end_min):
        return SlotRefusal(RefusalReason.INSTRUCTOR_BUSY, "The instructor already has a lesson at this time.")
    if _overlaps(student_busy, start_min, end_min):
        return SlotRefusal(RefusalReason.STUDENT_BUSY, "The student already has a lesson at this time.")
    if _overlaps(taken, start_min - rules.buffer_min, end_min + rules.buffer_min):
        return SlotRefusal(
            RefusalReason.TOO_CLOSE,
            f"The instructor needs {rules.buffer_min} minutes before and after each lesson.",
        )
    if start_min < rules.earliest_min:
        return SlotRefusal(
            RefusalReason.TOO_SOON, "The lesson starts sooner than the school's notice allows."
        )
    if start_min > rules.latest_min:
        return SlotRefusal(
            RefusalReason.TOO_FAR, "The lesson starts later than the school takes bookings for."
        )
    if not any(lower <= start_min and end_min <= upper for lower, upper in open_intervals):
        return SlotRefusal(
            RefusalReason.OUTSIDE_HOURS, "The instructor does not work during all of this time."
        )
    if clock.minute_of_day(start_min, rules.zone) % rules.step_min:
        return SlotRefusal(
            RefusalReason.OFF_GRID, f"Lessons start every {rules.step_min} minutes, counted from midnight."
        )
    return None


# Many instructors, and the searches of a day, share few patterns of hours.
@lru_cache(maxsize=2048)
def _open_intervals(
    zone_name: str,
    windows: tuple[WeeklyWindow, ...],
    exceptions: tuple[DayException, ...],
    first_day: date,
    last_day: date,
) -> tuple[Interval, ...]:
    changes = {change.day: change for change in exceptions}
    pieces: list[Interval] = []
    for part in _calendar(zone_name, first_day, last_day):
        hours = [
            (window.start_minute, window.end_minute)
            for window in windows
            if window.day_of_week == part.weekday
            and (window.effective_from is None or window.effective_from <= part.day)
            and (window.effective_to is None or part.day <= window.effective_to)
        ]
        if part.day in changes:
            hours = _changed_hours(hours, changes[part.day])
        for start_minute, end_minute in hours:
            lower = max(part.midnight_min + start_minute, part.start_min)
            upper = min(part.midnight_min + end_minute, part.end_min)
            if lower < upper:
                pieces.append((lower, upper))
    return _joined(pieces)


@lru_cache(maxsize=512)
def _calendar(zone_name: str, first_day: date, last_day: date) -> tuple[_DayPart, ...]:
    parts = []
    for number in range((last_day - first_day).days + 1):
        day = first_day + timedelta(days=number)
        for start_min, end_min, offset_min in clock.day_segments(zone_name, day):
            midnight_min = clock.day_number(day) * MINUTES_PER_DAY - offset_min
            parts.append(_DayPart(start_min, end_min, midnight_min, day.weekday(), day))
    return tuple(sorted(parts))


@lru_cache(maxsize=512)
def _grid(zone_name: str, step_min: int, first_utc_day: int, last_utc_day: int) -> tuple[_GridSpan, ...]:
    """Return the grid's spans over whole UTC days, as numbers since the epoch: one if the phase stays."""
    days = clock.days_touching(
        zone_name, first_utc_day * MINUTES_PER_DAY, (last_utc_day + 1) * MINUTES_PER_DAY
    )
    spans: list[_GridSpan] = []
    for start_min, end_min, midnight_min, _, _ in _calendar(zone_name, *days):
        phase = midnight_min % step_min
        if spans and spans[-1].phase == phase:
            start_min = spans.pop().start_min  # noqa: PLW2901 - the span before goes on
        spans.append(_GridSpan(start_min, end_min, phase))
    return tuple(spans)


def _changed_hours(hours: Sequence[Interval], change: DayException) -> list[Interval]:
    start = 0 if change.start_minute is None else change.start_minute
    end = MINUTES_PER_DAY if change.end_minute is None else change.end_minute
    if change.is_available:
        return [*hours, (start, end)]
    # What is left of each window before and after; the empty pieces fall away later.
    return [
        piece for lower, upper in hours for piece in ((lower, min(upper, start)), (max(lower, end), upper))
    ]


def _joined(pieces: list[Interval]) -> tuple[Interval, ...]:
    joined: list[Interval] = []
    for lower, upper in sorted(pieces):
        if joined and lower <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], upper))
        else:
            joined.append((lower, upper))
    return tuple(joined)


def _overlaps(intervals: Iterable[Interval], start_min: int, end_min: int) -> bool:
    return any(lower < end_min and start_min < upper for lower, upper in intervals if lower < upper)
