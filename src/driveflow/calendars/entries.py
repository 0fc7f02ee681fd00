"""Decide what a calendar feed shows of a lesson, and of which lessons.

| feed of       | title                                   | beyond time and place |
|---------------|-----------------------------------------|-----------------------|
| an instructor | student: service                        | the student's phone, the drop-off, the notes |
| a student     | service with instructor                 | the school's name and phone |
| a guardian    | student: service with instructor        | the school's name and phone |
| a school      | student with instructor: service        | nothing |

* Nobody's feed shows another student's data, prices, or what the school keeps about people. Phone and
  notes are for the instructor alone, who needs them on the road; a school's feed is often put on a wall.
* A feed holds the lessons of the past 90 local days and those up to the school's horizon.
* Lessons that were cancelled are not in it. A subscribed calendar replaces all it had by what the feed
  holds, so the lesson goes from the phone when it is next read. A cancelled event that stays would be the
  worse choice: some calendars hide it, some show it like any other, and each expired request would leave
  one behind. Whoever must act on a cancellation gets a message.
* A request that is not confirmed is tentative and says so in its title, as many calendars show no status.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from driveflow.bookings.lifecycle import BookingStatus

PAST: Final = timedelta(days=90)
SHOWN: Final = frozenset(BookingStatus) - {BookingStatus.CANCELLED}
"""The statuses of lessons that a feed holds."""

_REMARKS: Final = {
    BookingStatus.REQUESTED: " (requested)",
    BookingStatus.NO_SHOW: " (missed)",
}


class Reader(StrEnum):
    """Whose feed it is, which decides what it may show."""

    INSTRUCTOR = "instructor"
    STUDENT = "student"
    GUARDIAN = "guardian"
    SCHOOL = "school"


@dataclass(frozen=True, slots=True)
class LessonFacts:
    """A lesson as far as this rule sees it."""

    status: BookingStatus
    student_name: str
    student_phone: str | None
    instructor_name: str
    service_name: str
    pickup_address: str | None
    dropoff_address: str | None
    notes: str | None


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """The school as its students' feeds name it."""

    name: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the calendar; texts may be empty."""

    summary: str
    description: str
    location: str
    tentative: bool


def entry_of(lesson: LessonFacts, reader: Reader, school: SchoolFacts) -> Entry:
    """Return what a reader's feed shows of a lesson that is not cancelled."""
    return Entry(
        summary=_title(lesson, reader) + _REMARKS.get(lesson.status, ""),
        description="\n".join(_details(lesson, reader, school)),
        location=lesson.pickup_address or "",
        tentative=lesson.status is BookingStatus.REQUESTED,
    )


def _title(lesson: LessonFacts, reader: Reader) -> str:
    student, instructor, service = lesson.student_name, lesson.instructor_name, lesson.service_name
    titles = {
        Reader.INSTRUCTOR: f"{student}: {service}",
        Reader.STUDENT: f"{service} with {instructor}",
        Reader.GUARDIAN: f"{student}: {service} with {instructor}",
        Reader.SCHOOL: f"{student} with {instructor}: {service}",
    }
    return titles[reader]


def _details(lesson: LessonFacts, reader: Reader, school: SchoolFacts) -> list[str]:
    if reader is Reader.SCHOOL:
        return []
    if reader is Reader.INSTRUCTOR:
        said = {"Phone": lesson.student_phone, "Ends at": lesson.dropoff_address, "Notes": lesson.notes}
        return [f"{label}: {text}" for label, text in said.items() if text]
    return [text for text in (school.name, school.phone) if text]
