"""The rule of what makes a list of weekly windows a plan of hours.

A window is part of one weekday: it begins before it ends, and its first effective date is not after its last.
Two windows of the same weekday may touch but not overlap, unless no date has both in effect: so hours of
summer and of winter may differ, and each minute of a date is open once. The plan is kept in order of weekday
and time, whatever order it was written in.
"""

from collections.abc import Sequence
from datetime import date

from driveflow.availability.slots import WeeklyWindow
from driveflow.core.errors import FieldError, InvalidInputError


def checked_plan(windows: Sequence[WeeklyWindow]) -> list[WeeklyWindow]:
    """Return the windows in order of weekday and time.

    Raises InvalidInputError that names each wrong one as `windows.N`, N counting from 0 as they were given.
    """
    wrong = [error for number, window in enumerate(windows) for error in _flaws(number, window)]
    for number, window in enumerate(windows):
        for earlier, other in enumerate(windows[:number]):
            if _overlap(window, other):
                wrong.append(FieldError(f"windows.{number}", f"Overlaps windows.{earlier}."))
                break
    if wrong:
        raise InvalidInputError(f"{wrong[0].field}: {wrong[0].message}", *wrong)
    return sorted(windows, key=_order)


def _flaws(number: int, window: WeeklyWindow) -> list[FieldError]:
    flaws = []
    if window.start_minute >= window.end_minute:
        flaws.append(FieldError(f"windows.{number}.end_minute", "Must be after start_minute."))
    if _first(window) > _last(window):
        flaws.append(FieldError(f"windows.{number}.effective_to", "Must not be before effective_from."))
    return flaws


def _overlap(window: WeeklyWindow, other: WeeklyWindow) -> bool:
    return (
        window.day_of_week == other.day_of_week
        and window.start_minute < other.end_minute
        and other.start_minute < window.end_minute
        and _first(window) <= _last(other)
        and _first(other) <= _last(window)
    )


def _order(window: WeeklyWindow) -> tuple[int, int, int, date, date]:
    return (window.day_of_week, window.start_minute, window.end_minute, _first(window), _last(window))


def _first(window: WeeklyWindow) -> date:
    return window.effective_from or date.min


def _last(window: WeeklyWindow) -> date:
    return window.effective_to or date.max
