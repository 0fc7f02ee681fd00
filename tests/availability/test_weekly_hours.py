"""The rule of what makes a list of weekly windows a plan of hours."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.availability.slots import WeeklyWindow
from driveflow.availability.weekly_hours import checked_plan
from driveflow.core.errors import InvalidInputError

JAN_1, JUN_30, JUL_1, DEC_31 = (
    date(2026, 1, 1),
    date(2026, 6, 30),
    date(2026, 7, 1),
    date(2026, 12, 31),
)


def wrong_fields(*windows: WeeklyWindow) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        checked_plan(windows)
    return [error.field for error in caught.value.fields]


def test_no_window_at_all_is_a_plan() -> None:
    assert checked_plan([]) == []


def test_windows_come_out_in_order_of_weekday_and_time() -> None:
    friday = WeeklyWindow(4, 0, 60)
    monday_early, monday_late = WeeklyWindow(0, 480, 720), WeeklyWindow(0, 780, 1020)
    assert checked_plan([friday, monday_late, monday_early]) == [monday_early, monday_late, friday]


def test_windows_of_one_day_may_touch_but_not_overlap() -> None:
    checked_plan([WeeklyWindow(0, 480, 720), WeeklyWindow(0, 720, 1020)])
    assert wrong_fields(WeeklyWindow(0, 480, 721), WeeklyWindow(0, 720, 1020)) == ["windows.1"]


def test_the_same_hours_on_two_weekdays_do_not_overlap() -> None:
    checked_plan([WeeklyWindow(0, 480, 720), WeeklyWindow(1, 480, 720)])


def test_hours_may_overlap_when_no_date_has_both_in_effect() -> None:
    checked_plan([WeeklyWindow(0, 480, 720, JAN_1, JUN_30), WeeklyWindow(0, 480, 720, JUL_1, DEC_31)])
    checked_plan([WeeklyWindow(0, 480, 720, None, JUN_30), WeeklyWindow(0, 480, 720, JUL_1, None)])


def test_one_date_in_common_is_enough_for_an_overlap() -> None:
    assert wrong_fields(
        WeeklyWindow(0, 480, 720, JAN_1, JUL_1), WeeklyWindow(0, 600, 660, JUL_1, DEC_31)
    ) == ["windows.1"]
    assert wrong_fields(WeeklyWindow(0, 480, 720), WeeklyWindow(0, 600, 660, JUL_1, None)) == ["windows.1"]


def test_each_wrong_window_is_named_once_by_its_place_in_the_input() -> None:
    assert wrong_fields(
        WeeklyWindow(6, 480, 720),
        WeeklyWindow(0, 720, 720),
        WeeklyWindow(1, 480, 720, JUL_1, JUN_30),
        WeeklyWindow(6, 0, 1440),
        WeeklyWindow(6, 500, 600),
    ) == ["windows.1.end_minute", "windows.2.effective_to", "windows.3", "windows.4"]


@given(
    st.lists(
        st.builds(
            lambda day, times, days: WeeklyWindow(day, *sorted(times), *sorted(days)),
            st.integers(0, 1),
            st.lists(st.integers(0, 6), min_size=2, max_size=2, unique=True),
            st.lists(st.dates(JAN_1, date(2026, 1, 20)), min_size=2, max_size=2),
        ),
        max_size=4,
    )
)
def test_a_plan_is_accepted_exactly_when_no_minute_of_a_date_is_open_twice(
    windows: list[WeeklyWindow],
) -> None:
    # The weekday does not matter to whether two windows share dates, so every date is tried on every weekday.
    opened = [
        (window.day_of_week, ordinal, minute)
        for window in windows
        for ordinal in range(
            (window.effective_from or date.min).toordinal(), (window.effective_to or date.max).toordinal() + 1
        )
        for minute in range(window.start_minute, window.end_minute)
    ]
    if len(opened) == len(set(opened)):
        assert sorted(checked_plan(windows), key=hash) == sorted(windows, key=hash)
    else:
        assert all(field.startswith("windows.") for field in wrong_fields(*windows))
