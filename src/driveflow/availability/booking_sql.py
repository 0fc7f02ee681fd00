"""What a booking reads of working hours, as SQL for the statements of `bookings/sql.py`.

Hours come as one text per instructor: schools repeat few patterns, so the text is the key under which its
parsed form is remembered.
"""

from datetime import date
from functools import lru_cache

from driveflow.availability.slots import DayException, WeeklyWindow

_WINDOWS_TEXT = """
string_agg(
    concat_ws(',', a.day_of_week, a.start_minute, a.end_minute,
        coalesce(a.effective_from::text, '-'), coalesce(a.effective_to::text, '-')),
    ';' ORDER BY a.day_of_week, a.start_minute, a.id)
"""
_EXCEPTIONS_TEXT = """
string_agg(
    concat_ws(',', x.date, x.is_available::int,
        coalesce(x.start_minute::text, '-'), coalesce(x.end_minute::text, '-')),
    ';' ORDER BY x.date)
"""

WINDOWS = f"""
SELECT {_WINDOWS_TEXT} FROM instructor_availabilities a
WHERE a.org_id = {{org}} AND a.instructor_id = {{instructor}}
"""
EXCEPTIONS = f"""
SELECT {_EXCEPTIONS_TEXT} FROM availability_exceptions x
WHERE x.org_id = {{org}} AND x.instructor_id = {{instructor}}
    AND x.date BETWEEN {{first_day}} AND {{last_day}}
"""

# For all instructors of a school one pass costs half of a probe for each.
WINDOWS_OF_ALL = f"""
SELECT a.instructor_id, {_WINDOWS_TEXT} AS windows FROM instructor_availabilities a
WHERE a.org_id = {{org}} GROUP BY a.instructor_id
"""
EXCEPTIONS_OF_ALL = f"""
SELECT x.instructor_id, {_EXCEPTIONS_TEXT} AS exceptions FROM availability_exceptions x
WHERE x.org_id = {{org}} AND x.date BETWEEN {{first_day}} AND {{last_day}} GROUP BY x.instructor_id
"""


@lru_cache(maxsize=4096)
def parse_windows(text: str | None) -> tuple[WeeklyWindow, ...]:
    """Return the weekly windows of WINDOWS."""
    return tuple(
        WeeklyWindow(int(day), int(start), int(end), _day(effective_from), _day(effective_to))
        for day, start, end, effective_from, effective_to in _rows(text)
    )


@lru_cache(maxsize=4096)
def parse_exceptions(text: str | None) -> tuple[DayException, ...]:
    """Return the exceptions of EXCEPTIONS."""
    return tuple(
        DayException(date.fromisoformat(day), available == "1", _minute(start), _minute(end))
        for day, available, start, end in _rows(text)
    )


def _rows(text: str | None) -> list[list[str]]:
    return [row.split(",") for row in text.split(";")] if text else []


def _day(text: str) -> date | None:
    return None if text == "-" else date.fromisoformat(text)


def _minute(text: str) -> int | None:
    return None if text == "-" else int(text)
