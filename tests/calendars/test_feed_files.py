"""The file of a feed: valid iCalendar that a parser reads back, whatever people are called."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from driveflow.calendars.entries import Entry
from driveflow.calendars.reading import FeedContent, ShownLesson
from driveflow.core.clock import zone

CHANGED = datetime(2026, 8, 1, 3, 4, 5, tzinfo=UTC)
# All that a request can bring in: no control characters but line ends and tabs, no half surrogates.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1, max_size=200
)


def lesson(
    start_at: datetime, *, minutes: int = 60, time_zone: str = "Australia/Sydney", **more: Any
) -> ShownLesson:
    values: dict[str, Any] = {"summary": "Lesson", "description": "", "location": "", "tentative": False}
    return ShownLesson(
        id=more.pop("id", None) or uuid4(),
        version=more.pop("version", 1),
        start_at=start_at,
        end_at=start_at + timedelta(minutes=minutes),
        time_zone=time_zone,
        updated_at=CHANGED,
        entry=Entry(**(values | more)),
    )


def file_of(*lessons: ShownLesson, name: str = "Harbour Driving") -> bytes:
    return FeedContent(name, "etag", CHANGED, lessons).file()


def read(file: bytes) -> Any:
    return Calendar.from_ical(file)


def test_a_feed_is_a_calendar_with_its_zone_and_no_method() -> None:
    booking_id = UUID("01890000-0000-7000-8000-000000000001")
    start = datetime(2026, 8, 4, 0, 0, tzinfo=UTC)
    parsed = read(file_of(lesson(start, id=booking_id, version=3, location="1 High St, Bondi")))
    assert "method" not in parsed
    assert parsed["x-wr-calname"] == parsed["name"] == "Harbour Driving"
    [zone_component] = parsed.timezones
    assert zone_component["tzid"] == "Australia/Sydney"
    [event] = parsed.events
    assert event["uid"] == str(booking_id)
    assert event["sequence"] == 2
    assert event["dtstart"].params["tzid"] == "Australia/Sydney"
    assert (event.start, event.end) == (start, start + timedelta(hours=1))
    assert event["dtstamp"].dt == event["last-modified"].dt == CHANGED
    assert event["status"] == "CONFIRMED"
    assert event["location"] == "1 High St, Bondi"
    assert "organizer" not in event


def test_a_request_is_tentative() -> None:
    [event] = read(file_of(lesson(CHANGED, tentative=True))).events
    assert event["status"] == "TENTATIVE"


def test_a_feed_without_lessons_is_valid_and_empty() -> None:
    parsed = read(file_of())
    assert (parsed.events, parsed.timezones) == ([], [])
    assert parsed["version"] == "2.0"


def test_the_same_lessons_give_the_same_bytes() -> None:
    lessons = [lesson(CHANGED + timedelta(days=day)) for day in range(5)]
    assert file_of(*lessons) == file_of(*lessons)


# The last hour before, the change itself, and the hours after; both halves of the fold.
@pytest.mark.parametrize(
    ("time_zone", "first_start"),
    [
        ("Australia/Sydney", datetime(2026, 10, 3, 14, 0, tzinfo=UTC)),
        ("Australia/Sydney", datetime(2027, 4, 3, 13, 0, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 13, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2027, 4, 3, 13, 0, tzinfo=UTC)),
        ("Australia/Brisbane", datetime(2026, 10, 3, 14, 0, tzinfo=UTC)),
    ],
)
def test_a_calendar_that_knows_only_the_files_zone_finds_each_lesson_on_days_of_changed_clocks(
    time_zone: str, first_start: datetime
) -> None:
    starts = [first_start + timedelta(minutes=30 * half) for half in range(8)]
    parsed = read(file_of(*(lesson(start, minutes=30, time_zone=time_zone) for start in starts)))
    [component] = parsed.timezones
    offsets = sorted(
        (observance["dtstart"].dt - observance["tzoffsetfrom"].td, observance["tzoffsetto"].td)
        for observance in component.subcomponents
    )

    for start, event in zip(starts, parsed.events, strict=True):
        known = [offset for onset, offset in offsets if onset <= start.replace(tzinfo=None)]
        wall = (start + known[-1]).replace(tzinfo=None)
        assert start.astimezone(zone(time_zone)).replace(tzinfo=None) == wall, "the file's zone is right"
        written = event["dtstart"].to_ical().decode()
        # The second time that a clock shows an hour is written in UTC: local, it would mean the first.
        assert written in {f"{wall:%Y%m%dT%H%M%S}", f"{start:%Y%m%dT%H%M%SZ}"}
        assert written.endswith("Z") or event["dtstart"].params["tzid"] == time_zone
        # As instants: Python holds times of a fold to be equal to none in another zone.
        assert [moment.astimezone(UTC) for moment in (event.start, event.end)] == [
            start,
            start + timedelta(minutes=30),
        ]


@given(texts, texts, texts, texts)
def test_any_text_is_read_back_as_it_was_in_lines_of_75_octets(
    summary: str, description: str, location: str, name: str
) -> None:
    file = file_of(lesson(CHANGED, summary=summary, description=description, location=location), name=name)
    assert file.endswith(b"END:VCALENDAR\r\n")
    lines = file.split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    for line in lines:
        assert len(line) <= 75
        line.decode()  # no letter is cut in two
    parsed = read(file)
    [event] = parsed.events
    assert [event[field] for field in ("summary", "description", "location")] == [
        summary,
        description,
        location,
    ]
    assert parsed["name"] == name


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;b", rb"SUMMARY:a\;b"),
        ("a,b", rb"SUMMARY:a\,b"),
        ("a\\b", rb"SUMMARY:a\\b"),
        ("a\nb", rb"SUMMARY:a\nb"),
        ("a\r\nATTENDEE:mailto:x@y.example", rb"SUMMARY:a\nATTENDEE:mailto:x@y.example"),
        ('"a":b', b'SUMMARY:"a":b'),
    ],
)
def test_separators_are_escaped_and_texts_cannot_add_lines(text: str, written: bytes) -> None:
    file = file_of(lesson(CHANGED, summary=text))
    assert written in file.split(b"\r\n")
    assert "attendee" not in read(file).events[0]
