from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from driveflow.availability.slots import (
    DayException,
    RefusalReason,
    SlotRefusal,
    SlotRules,
    WeeklyWindow,
    booking_range,
    free_starts,
    open_intervals,
    refusal,
)
from driveflow.core import clock

EXAMPLES = 20_000 if settings.get_current_profile_name() == "soak" else 500

# Dates at which something happens to the clocks of a zone.
CHANGES = {
    "Australia/Sydney": ["2026-10-04", "2027-04-04"],
    "Australia/Lord_Howe": ["2026-10-04", "2027-04-04"],
    "Australia/Brisbane": ["2026-10-04"],
    "Pacific/Chatham": ["2026-09-27", "2027-04-04"],
    "Pacific/Apia": ["2011-12-30", "2012-04-01"],
    "America/New_York": ["2026-11-01", "2027-03-14"],
    "America/Santiago": ["2026-09-06", "2027-04-04"],
    "America/St_Johns": ["2010-11-07", "2011-03-13"],
    "Europe/London": ["2026-10-25", "2027-03-28"],
    "Africa/Casablanca": ["2027-02-07", "2027-03-14"],
}
ORDINARY = ["2028-02-29", "2026-12-31"]

EVERY_DAY_9_TO_17 = [WeeklyWindow(day, 540, 1020) for day in range(7)]
EVERY_HOUR = [WeeklyWindow(day, 0, 1440) for day in range(7)]


@dataclass(frozen=True)
class Search:
    rules: SlotRules
    windows: list[WeeklyWindow]
    exceptions: list[DayException]
    busy: list[tuple[int, int]]
    student_busy: list[tuple[int, int]]
    range_start: int
    range_end: int


# The definition, asked minute by minute of zoneinfo, with nothing of the module under test.


@lru_cache(maxsize=200_000)
def wall(zone_name: str, minute: int) -> tuple[date, int]:
    shown = datetime.fromtimestamp(minute * 60, ZoneInfo(zone_name))
    return shown.date(), shown.hour * 60 + shown.minute


def open_minutes_of_day(
    windows: Iterable[WeeklyWindow], exceptions: Iterable[DayException], day: date
) -> set[int]:
    minutes: set[int] = set()
    for window in windows:
        since, until = window.effective_from or date.min, window.effective_to or date.max
        if window.day_of_week == day.weekday() and since <= day <= until:
            minutes.update(range(window.start_minute, window.end_minute))
    for change in exceptions:
        if change.day == day:
            changed = range(change.start_minute or 0, change.end_minute or 1440)
            minutes = minutes.union(changed) if change.is_available else minutes.difference(changed)
    return minutes


def open_minutes(
    zone_name: str, windows: Iterable[WeeklyWindow], exceptions: Iterable[DayException], minutes: range
) -> dict[int, date]:
    """Return the open ones of the epoch minutes, each with its local date."""
    days: dict[date, set[int]] = {}
    found = {}
    for minute in minutes:
        day, of_day = wall(zone_name, minute)
        if day not in days:
            days[day] = open_minutes_of_day(windows, exceptions, day)
        if of_day in days[day]:
            found[minute] = day
    return found


def expected_reasons(search: Search) -> Callable[[int], RefusalReason | None]:
    rules = search.rules
    minutes = range(
        search.range_start - rules.buffer_min, search.range_end + rules.duration_min + rules.buffer_min
    )

    def counter(chosen: Container[int]) -> Callable[[int, int], int]:
        """Return a function that counts the chosen minutes of a half-open interval."""
        sums = list(accumulate([minute in chosen for minute in minutes], initial=0))
        return lambda start, end: sums[end - minutes.start] - sums[start - minutes.start]

    busy = counter({minute for start, end in search.busy for minute in range(start, end)})
    student_busy = counter({minute for start, end in search.student_busy for minute in range(start, end)})
    opened = counter(open_minutes(rules.zone, search.windows, search.exceptions, minutes))

    def reason(t: int) -> RefusalReason | None:
        end = t + rules.duration_min
        answer = None
        if busy(t, end):
            answer = RefusalReason.INSTRUCTOR_BUSY
        elif student_busy(t, end):
            answer = RefusalReason.STUDENT_BUSY
        elif busy(t - rules.buffer_min, end + rules.buffer_min):
            answer = RefusalReason.TOO_CLOSE
        elif t < rules.earliest_min:
            answer = RefusalReason.TOO_SOON
        elif t > rules.latest_min:
            answer = RefusalReason.TOO_FAR
        elif opened(t, end) < rules.duration_min:
            answer = RefusalReason.OUTSIDE_HOURS
        elif wall(rules.zone, t)[1] % rules.step_min:
            answer = RefusalReason.OFF_GRID
        return answer

    return reason


# How the module is used.


def open_time(search: Search) -> tuple[tuple[int, int], ...]:
    days = clock.days_touching(
        search.rules.zone, search.range_start, search.range_end + search.rules.duration_min
    )
    return open_intervals(search.rules.zone, search.windows, search.exceptions, *days)


def starts_of(search: Search) -> list[int]:
    return free_starts(
        search.rules,
        open_time(search),
        search.busy,
        search.range_start,
        search.range_end,
        student_busy=search.student_busy,
    )


def refusal_of(search: Search, t: int) -> SlotRefusal | None:
    return refusal(search.rules, open_time(search), search.busy, t, student_busy=search.student_busy)


def day_search(zone_name: str, day: str, windows: list[WeeklyWindow], **rules: int) -> Search:
    """Return a search of one local date, unlimited by notice and horizon."""
    start, end = clock.day_bounds(zone_name, date.fromisoformat(day))
    values = {"duration_min": 60, "step_min": 60, "buffer_min": 0, "earliest_min": 0, "latest_min": 10**8}
    return Search(
        SlotRules(zone_name, **(values | rules)),
        windows,
        exceptions=[],
        busy=[],
        student_busy=[],
        range_start=clock.to_epoch_min(start),
        range_end=clock.to_epoch_min(end),
    )


def shown(search: Search) -> list[str]:
    """Return the offered starts as the school's wall shows them, with the offset."""
    tz = ZoneInfo(search.rules.zone)
    return [clock.from_epoch_min(t).astimezone(tz).strftime("%H:%M%z") for t in starts_of(search)]


def at(search: Search, text: str) -> int:
    """Return the epoch minute of a wall time on the first date of the search's zone."""
    return clock.to_epoch_min(clock.local_to_utc(datetime.fromisoformat(text), search.rules.zone))


# Generated searches.

half_hours = st.integers(0, 47).map(lambda number: number * 30)
minute_spans = st.builds(
    lambda start, length: (start, min(start + length, 1440)),
    half_hours | st.integers(0, 1439),
    half_hours.map(lambda minutes: minutes + 30) | st.integers(1, 1440),
)


def near(day: date) -> st.SearchStrategy[date]:
    return st.integers(-2, 3).map(lambda days: day + timedelta(days=days))


def windows_near(day: date) -> st.SearchStrategy[list[WeeklyWindow]]:
    effective = st.none() | near(day)
    window = st.builds(
        lambda weekday, span, since, until: WeeklyWindow(weekday, span[0], span[1], since, until),
        st.integers(0, 6),
        minute_spans,
        effective,
        effective,
    )
    same_each_day = st.lists(minute_spans, min_size=1, max_size=3).map(
        lambda spans: [WeeklyWindow(weekday, start, end) for weekday in range(7) for start, end in spans]
    )
    return st.lists(window, max_size=10) | st.just(EVERY_HOUR) | same_each_day


def exceptions_near(day: date) -> st.SearchStrategy[list[DayException]]:
    exception = st.builds(
        lambda changed, is_available, span: DayException(changed, is_available, span[0], span[1]),
        near(day),
        st.booleans(),
        st.just((None, None)) | minute_spans,
    )
    return st.lists(exception, max_size=3, unique_by=lambda change: change.day)


zones_and_days = st.sampled_from(
    [(zone_name, date.fromisoformat(day)) for zone_name, days in CHANGES.items() for day in days + ORDINARY]
)


@st.composite
def searches(draw: st.DrawFn) -> Search:
    zone_name, day = draw(zones_and_days)
    midnight = clock.day_number(day) * 1440
    range_start = midnight + draw(st.integers(-1440, 1440))
    length = draw(st.integers(1, 2000) | st.just(2000))
    busy = st.lists(
        st.tuples(st.integers(-300, 2300), st.sampled_from([45, 60, 90]) | st.integers(0, 240)).map(
            lambda drawn: (range_start + drawn[0], range_start + drawn[0] + drawn[1])
        ),
        max_size=8,
    )
    earliest = range_start + draw(st.integers(-2000, 500))
    rules = SlotRules(
        zone_name,
        duration_min=draw(st.sampled_from([30, 45, 60, 90, 120]) | st.integers(1, 200)),
        step_min=draw(st.sampled_from([1, 5, 7, 15, 20, 30, 45, 50, 60])),
        buffer_min=draw(st.sampled_from([0, 10, 15, 30]) | st.integers(0, 60)),
        earliest_min=earliest,
        latest_min=earliest + draw(st.integers(1500, 5000) | st.integers(-10, 1500)),
    )
    return Search(
        rules,
        draw(windows_near(day)),
        draw(exceptions_near(day)),
        draw(busy),
        draw(st.just([]) | busy),
        range_start,
        range_start + length,
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(searches())
def test_the_offered_starts_and_the_reasons_are_those_of_the_definition(search: Search) -> None:
    reason = expected_reasons(search)
    reasons = {t: reason(t) for t in range(search.range_start, search.range_end)}
    offered = starts_of(search)
    event("starts offered" if offered else "no start offered")
    assert offered == [t for t, why in reasons.items() if why is None]

    opened = open_time(search)
    for t, why in reasons.items():
        if t % 10 and why == reasons.get(t - 1) == reasons.get(t + 1):
            continue  # ask where the reason changes, and here and there
        refused = refusal(search.rules, opened, search.busy, t, student_busy=search.student_busy)
        assert (refused.reason if refused else None) == why


@settings(max_examples=EXAMPLES // 5, deadline=None)
@given(st.data(), zones_and_days, st.integers(0, 3))
def test_open_time_is_that_of_the_definition(
    data: st.DataObject, zone_and_day: tuple[str, date], days: int
) -> None:
    zone_name, first = zone_and_day
    windows = data.draw(windows_near(first))
    exceptions = data.draw(exceptions_near(first))
    last = first + timedelta(days=days)

    intervals = open_intervals(zone_name, windows, exceptions, first, last)

    midnight = clock.day_number(first) * 1440
    around = range(midnight - 1440, midnight + (days + 2) * 1440)
    found = open_minutes(zone_name, windows, exceptions, around)
    expected = [minute for minute, day in found.items() if first <= day <= last]
    assert [minute for start, end in intervals for minute in range(start, end)] == expected
    assert all(start < end for start, end in intervals)
    assert all(left[1] < right[0] for left, right in pairwise(intervals))


# Weekly hours and exceptions.


def test_lessons_fit_into_the_windows_of_the_weekday() -> None:
    windows = [WeeklyWindow(1, 540, 720), WeeklyWindow(1, 780, 870), WeeklyWindow(2, 0, 1440)]
    tuesday = day_search("Australia/Sydney", "2026-09-01", windows, step_min=30)
    assert shown(tuesday) == [
        f"{time}+1000" for time in ("09:00", "09:30", "10:00", "10:30", "11:00", "13:00", "13:30")
    ]


def test_a_window_holds_from_its_first_to_its_last_effective_date() -> None:
    window = WeeklyWindow(1, 540, 600, date(2026, 9, 8), date(2026, 9, 15))
    offered = {
        day: bool(starts_of(day_search("Australia/Sydney", f"2026-09-{day:02}", [window])))
        for day in (1, 8, 15, 22)
    }
    assert offered == {1: False, 8: True, 15: True, 22: False}


@pytest.mark.parametrize(
    ("exception", "hours"),
    [
        (DayException(date(2026, 9, 1), is_available=False), []),
        (DayException(date(2026, 9, 1), False, 600, 720), [9, 12]),
        (DayException(date(2026, 9, 1), True, 720, 840), [9, 10, 11, 12, 13]),
        (DayException(date(2026, 9, 1), is_available=True), list(range(24))),
        (DayException(date(2026, 9, 2), is_available=False), [9, 10, 11, 12]),
    ],
)
def test_an_exception_changes_its_own_date(exception: DayException, hours: list[int]) -> None:
    search = day_search("Australia/Sydney", "2026-09-01", [WeeklyWindow(1, 540, 780)])
    assert shown(replace(search, exceptions=[exception])) == [f"{hour:02}:00+1000" for hour in hours]


def test_an_exception_opens_a_date_without_weekly_hours() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", [])
    assert starts_of(search) == []
    exception = DayException(date(2026, 9, 1), True, 540, 660)
    assert shown(replace(search, exceptions=[exception])) == ["09:00+1000", "10:00+1000"]


def test_windows_that_touch_at_midnight_join() -> None:
    windows = [WeeklyWindow(1, 1320, 1440), WeeklyWindow(2, 0, 60)]
    search = day_search("Australia/Sydney", "2026-09-01", windows, duration_min=90, step_min=30)
    assert shown(search) == ["22:00+1000", "22:30+1000", "23:00+1000", "23:30+1000"]


def test_a_lesson_may_run_into_the_new_year_and_over_the_29th_of_february() -> None:
    for day in ("2026-12-31", "2028-02-29"):
        search = day_search("Australia/Brisbane", day, EVERY_HOUR)
        assert len(starts_of(search)) == 24
        assert shown(search)[-1] == "23:00+1000"
    closed_new_year = DayException(date(2027, 1, 1), is_available=False)
    search = day_search("Australia/Brisbane", "2026-12-31", EVERY_HOUR, duration_min=61)
    assert shown(replace(search, exceptions=[closed_new_year]))[-1] == "22:00+1000"


# The clocks.


@pytest.mark.parametrize(
    ("zone_name", "day", "step", "expected"),
    [
        ("Australia/Sydney", "2026-10-04", 60, "00:00+1000 01:00+1000 03:00+1100 04:00+1100"),
        (
            "Australia/Sydney",
            "2027-04-04",
            60,
            "00:00+1100 01:00+1100 02:00+1100 02:00+1000 03:00+1000 04:00+1000",
        ),
        ("Australia/Brisbane", "2026-10-04", 60, "00:00+1000 01:00+1000 02:00+1000 03:00+1000 04:00+1000"),
        ("Australia/Lord_Howe", "2026-10-04", 60, "00:00+1030 01:00+1030 03:00+1100 04:00+1100"),
        (
            "Australia/Lord_Howe",
            "2027-04-04",
            30,
            """00:00+1100 00:30+1100 01:00+1100 01:30+1100 01:30+1030
            02:00+1030 02:30+1030 03:00+1030 03:30+1030 04:00+1030""",
        ),
        ("Pacific/Chatham", "2026-09-27", 60, "00:00+1245 01:00+1245 02:00+1245 04:00+1345"),
        ("America/Santiago", "2026-09-06", 60, "01:00-0300 02:00-0300 03:00-0300 04:00-0300"),
    ],
)
def test_the_grid_follows_the_wall_clock_over_a_change(
    zone_name: str, day: str, step: int, expected: str
) -> None:
    until_five = [WeeklyWindow(6, 0, 300)]
    assert shown(day_search(zone_name, day, until_five, step_min=step)) == expected.split()


def test_no_time_of_the_gap_is_ever_offered() -> None:
    in_the_gap = [WeeklyWindow(6, 120, 180)]
    assert (
        starts_of(day_search("Australia/Sydney", "2026-10-04", in_the_gap, duration_min=1, step_min=1)) == []
    )
    assert (
        len(starts_of(day_search("Australia/Sydney", "2026-10-11", in_the_gap, duration_min=1, step_min=1)))
        == 60
    )


def test_a_skipped_date_has_no_starts() -> None:
    search = day_search("Pacific/Apia", "2011-12-30", EVERY_HOUR)
    assert starts_of(search) == []
    assert open_intervals("Pacific/Apia", EVERY_HOUR, [], date(2011, 12, 30), date(2011, 12, 30)) == ()


@pytest.mark.parametrize(
    ("day", "hours_open", "last"),
    [
        ("2026-09-06", 5, "03:00+1000"),
        ("2026-10-04", 4, "03:00+1100"),
        ("2027-04-04", 6, "03:00+1000"),
    ],
)
def test_a_lesson_over_a_change_lasts_its_elapsed_minutes(day: str, hours_open: int, last: str) -> None:
    until_five = [WeeklyWindow(6, 0, 300)]
    search = day_search("Australia/Sydney", day, until_five, duration_min=120)
    starts = starts_of(search)
    assert starts == [search.range_start + hour * 60 for hour in range(hours_open - 1)]
    assert shown(search)[-1] == last


def test_the_grid_starts_anew_each_midnight() -> None:
    search = day_search("Australia/Brisbane", "2026-09-01", EVERY_HOUR, duration_min=10, step_min=500)
    two_days = replace(search, range_end=search.range_end + 1440)
    assert shown(two_days) == ["00:00+1000", "08:20+1000", "16:40+1000"] * 2


# What is taken, notice and horizon.


def test_a_lesson_may_touch_a_busy_time_but_not_reach_into_it() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17, step_min=30)
    noon = at(search, "2026-09-01T12:00")
    taken = replace(search, busy=[(noon, noon + 60)])
    missing = [time for time in shown(search) if time not in shown(taken)]
    assert missing == ["11:30+1000", "12:00+1000", "12:30+1000"]


def test_the_buffer_keeps_the_instructor_free_before_and_after_but_not_the_student() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17, step_min=30, buffer_min=15)
    noon = at(search, "2026-09-01T12:00")
    taken = replace(search, busy=[(noon, noon + 60)])
    missing = [time for time in shown(search) if time not in shown(taken)]
    assert missing == ["11:00+1000", "11:30+1000", "12:00+1000", "12:30+1000", "13:00+1000"]
    learning = replace(search, student_busy=[(noon, noon + 60)])
    missing = [time for time in shown(search) if time not in shown(learning)]
    assert missing == ["11:30+1000", "12:00+1000", "12:30+1000"]


def test_an_empty_busy_time_takes_nothing() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17, buffer_min=30)
    noon = at(search, "2026-09-01T12:00")
    empty = replace(search, busy=[(noon, noon)], student_busy=[(noon + 30, noon + 30)])
    assert starts_of(empty) == starts_of(search)


def test_busy_times_may_overlap_and_come_in_any_order() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17)
    nine = at(search, "2026-09-01T09:00")
    busy = [(nine + 300, nine + 330), (nine, nine + 240), (nine + 60, nine + 90)]
    assert shown(replace(search, busy=busy)) == ["13:00+1000", "15:00+1000", "16:00+1000"]


def test_the_earliest_and_the_latest_start_are_both_allowed() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17)
    rules = replace(
        search.rules, earliest_min=at(search, "2026-09-01T11:00"), latest_min=at(search, "2026-09-01T13:00")
    )
    assert shown(replace(search, rules=rules)) == ["11:00+1000", "12:00+1000", "13:00+1000"]
    assert starts_of(replace(search, rules=replace(rules, latest_min=rules.earliest_min - 1))) == []


@pytest.mark.parametrize(
    ("now", "earliest"),
    [("2026-09-01T00:00:00Z", "2026-09-01T02:00Z"), ("2026-09-01T00:00:00.000001Z", "2026-09-01T02:01Z")],
)
def test_notice_is_rounded_up_and_the_horizon_down(now: str, earliest: str) -> None:
    assert booking_range(datetime.fromisoformat(now), min_notice_minutes=120, horizon_days=60) == (
        clock.to_epoch_min(datetime.fromisoformat(earliest)),
        clock.to_epoch_min(datetime(2026, 10, 31, tzinfo=UTC)),
    )


# Refusals.


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-09-01T10:00", None),
        ("2026-09-01T12:00", RefusalReason.INSTRUCTOR_BUSY),
        ("2026-09-01T14:30", RefusalReason.STUDENT_BUSY),
        ("2026-09-01T11:00", RefusalReason.TOO_CLOSE),
        ("2026-09-01T09:00", RefusalReason.TOO_SOON),
        ("2026-09-02T11:00", RefusalReason.TOO_FAR),
        ("2026-09-01T16:30", RefusalReason.OUTSIDE_HOURS),
        ("2026-09-01T10:15", RefusalReason.OFF_GRID),
    ],
)
def test_a_refusal_carries_its_reason_and_a_sentence(time: str, reason: RefusalReason | None) -> None:
    search = day_search("Australia/Sydney", "2026-09-01", EVERY_DAY_9_TO_17, step_min=30, buffer_min=15)
    noon = at(search, "2026-09-01T12:00")
    search = replace(
        search,
        rules=replace(search.rules, earliest_min=noon - 120, latest_min=noon + 22 * 60),
        busy=[(noon, noon + 60)],
        student_busy=[(noon + 180, noon + 240)],
    )
    refused = refusal_of(search, at(search, time))
    assert (refused.reason if refused else None) == reason
    if refused:
        assert refused.sentence.endswith(".")
        assert len(refused.sentence) < 100


def test_an_overlap_is_reported_before_anything_that_may_be_waived() -> None:
    search = day_search("Australia/Sydney", "2026-09-01", [], latest_min=0)
    midnight = search.range_start
    assert (refused := refusal_of(search, midnight + 1))
    assert refused.reason is RefusalReason.TOO_FAR
    assert (refused := refusal_of(replace(search, student_busy=[(midnight, midnight + 5)]), midnight + 1))
    assert refused.reason is RefusalReason.STUDENT_BUSY
    assert (refused := refusal_of(replace(search, busy=[(midnight, midnight + 5)]), midnight + 1))
    assert refused.reason is RefusalReason.INSTRUCTOR_BUSY
