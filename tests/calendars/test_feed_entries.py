"""What each reader's feed shows of a lesson, and what it never shows."""

from dataclasses import replace

import pytest

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.calendars.entries import SHOWN, LessonFacts, Reader, SchoolFacts, entry_of

SCHOOL = SchoolFacts("Harbour Driving", "+61299990000")
LESSON = LessonFacts(
    status=BookingStatus.CONFIRMED,
    student_name="Alex Student",
    student_phone="+61400000001",
    instructor_name="Casey Instructor",
    service_name="60-min Lesson",
    pickup_address="1 High St",
    dropoff_address="2 Low Rd",
    notes="Afraid of roundabouts",
)


@pytest.mark.parametrize(
    ("reader", "summary", "description"),
    [
        (
            Reader.INSTRUCTOR,
            "Alex Student: 60-min Lesson",
            "Phone: +61400000001\nEnds at: 2 Low Rd\nNotes: Afraid of roundabouts",
        ),
        (Reader.STUDENT, "60-min Lesson with Casey Instructor", "Harbour Driving\n+61299990000"),
        (
            Reader.GUARDIAN,
            "Alex Student: 60-min Lesson with Casey Instructor",
            "Harbour Driving\n+61299990000",
        ),
        (Reader.SCHOOL, "Alex Student with Casey Instructor: 60-min Lesson", ""),
    ],
)
def test_each_reader_gets_a_title_and_details_of_its_own(
    reader: Reader, summary: str, description: str
) -> None:
    entry = entry_of(LESSON, reader, SCHOOL)
    assert (entry.summary, entry.description, entry.location) == (summary, description, "1 High St")
    assert not entry.tentative


def test_what_is_not_known_leaves_no_empty_line() -> None:
    bare = replace(LESSON, student_phone=None, dropoff_address=None, notes=None, pickup_address=None)
    entry = entry_of(bare, Reader.INSTRUCTOR, SCHOOL)
    assert (entry.description, entry.location) == ("", "")
    assert entry_of(bare, Reader.STUDENT, SchoolFacts("Harbour", None)).description == "Harbour"


def test_a_request_is_tentative_and_a_missed_lesson_says_so() -> None:
    requested = entry_of(replace(LESSON, status=BookingStatus.REQUESTED), Reader.STUDENT, SCHOOL)
    assert (requested.summary, requested.tentative) == (
        "60-min Lesson with Casey Instructor (requested)",
        True,
    )
    missed = entry_of(replace(LESSON, status=BookingStatus.NO_SHOW), Reader.SCHOOL, SCHOOL)
    assert missed.summary.endswith(" (missed)")
    assert not missed.tentative


def test_cancelled_lessons_are_not_shown() -> None:
    assert set(BookingStatus) - SHOWN == {BookingStatus.CANCELLED}


@pytest.mark.parametrize("reader", [reader for reader in Reader if reader is not Reader.INSTRUCTOR])
@pytest.mark.parametrize("status", sorted(SHOWN))
def test_phone_and_notes_are_for_the_instructor_only(reader: Reader, status: BookingStatus) -> None:
    entry = entry_of(replace(LESSON, status=status), reader, SCHOOL)
    shown = f"{entry.summary} {entry.description} {entry.location}"
    for secret in ("+61400000001", "roundabouts", "Low Rd"):
        assert secret not in shown
