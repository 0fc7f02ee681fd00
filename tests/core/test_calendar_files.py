"""Calendar files: what a reader's calendar finds in them, and that their zones keep the clocks' changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar

from driveflow.core.clock import zone
from driveflow.core.ical import booking_event, booking_event_ics, calendar

_BOOKING = UUID("01890000-0000-7000-8000-000000000001")
_NOW = datetime(2026, 8, 1, 3, 4, 5, tzinfo=UTC)


def lesson(start_at: datetime, time_zone: str = "Australia/Sydney", **more: Any) -> dict[str, Any]:
    return {
        "booking_id": _BOOKING,
        "sequence": 0,
        "start_at": start_at,
        "end_at": start_at + timedelta(hours=1),
        "time_zone": time_zone,
        "summary": "Driving lesson",
        "description": "With Casey; bring glasses",
        "location": "1 High St, Bondi",
        "organizer_name": "Bondi Driving",
        "organizer_email": "office@bondi.example",
        "cancelled": False,
        "now": _NOW,
        **more,
    }


def read(file: bytes) -> tuple[Any, Any]:
    parsed: Any = Calendar.from_ical(file)
    [event] = parsed.events
    return parsed, event


def test_a_file_publishes_the_lesson_in_the_schools_zone() -> None:
    file = booking_event_ics(**lesson(datetime(2026, 8, 4, 0, 0, tzinfo=UTC)))
    parsed, event = read(file)
    assert parsed["method"] == "PUBLISH"
    assert event["uid"] == str(_BOOKING)
    assert event["sequence"] == 0
    assert event["dtstart"].to_ical() == b"20260804T100000"
    assert event["dtstart"].params["tzid"] == "Australia/Sydney"
    assert event.start == datetime(2026, 8, 4, 10, 0, tzinfo=zone("Australia/Sydney"))
    assert event["organizer"] == "mailto:office@bondi.example"
    assert event["organizer"].params["cn"] == "Bondi Driving"
    assert event["location"] == "1 High St, Bondi"
    assert max(map(len, file.split(b"\r\n"))) <= 75
    assert file == booking_event_ics(**lesson(datetime(2026, 8, 4, 0, 0, tzinfo=UTC)))


def test_a_cancelled_lesson_is_withdrawn_under_the_same_uid_with_a_higher_sequence() -> None:
    parsed, event = read(
        booking_event_ics(**lesson(datetime(2026, 8, 4, tzinfo=UTC), cancelled=True, sequence=3))
    )
    assert parsed["method"] == "CANCEL"
    assert (event["uid"], event["sequence"], event["status"]) == (str(_BOOKING), 3, "CANCELLED")


def test_texts_cannot_add_lines_to_a_file() -> None:
    wanted = lesson(datetime(2026, 8, 4, tzinfo=UTC), summary="A\r\nATTACH:x", organizer_email="")
    parsed, event = read(booking_event_ics(**wanted))
    assert "attach" not in event
    assert "organizer" not in event
    assert len(parsed.events) == 1


@pytest.mark.parametrize(
    ("time_zone", "day"),
    [
        ("Australia/Sydney", datetime(2026, 10, 3, 12, tzinfo=UTC)),
        ("Australia/Sydney", datetime(2027, 4, 3, 12, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 12, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2027, 4, 3, 12, tzinfo=UTC)),
        ("Australia/Brisbane", datetime(2026, 12, 31, 12, tzinfo=UTC)),
        ("Pacific/Chatham", datetime(2026, 9, 26, 12, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 28, 20, tzinfo=UTC)),
        ("UTC", datetime(2026, 3, 28, 20, tzinfo=UTC)),
    ],
)
def test_the_zone_in_a_file_agrees_with_the_clocks_around_their_changes(
    time_zone: str, day: datetime
) -> None:
    for minutes in range(0, 24 * 60, 15):
        start_at = day + timedelta(minutes=minutes)
        parsed, event = read(booking_event_ics(**lesson(start_at, time_zone)))
        if time_zone == "UTC":
            assert not parsed.timezones
            continue
        [definition] = parsed.timezones
        # By the file alone: the observance whose onset, in wall time, is the latest before the event.
        wall = event["dtstart"].dt.replace(tzinfo=None)
        told = max(
            (part for part in definition.subcomponents if wall >= part.DTSTART), key=lambda p: p.DTSTART
        )
        shown = start_at.astimezone(zone(time_zone))
        if shown.fold:
            continue  # RFC 5545 reads a wall time that happens twice as the first
        assert told["tzoffsetto"].td == shown.utcoffset(), (start_at, definition.to_ical())
    onsets = (
        {part.DTSTART: part["tzoffsetfrom"].td for part in definition.subcomponents[1:]}
        if time_zone != "UTC"
        else {}
    )
    for onset, offset_from in onsets.items():
        before = (onset - offset_from).replace(tzinfo=UTC) - timedelta(seconds=1)
        assert before.astimezone(zone(time_zone)).utcoffset() == offset_from
        assert (before + timedelta(seconds=1)).astimezone(zone(time_zone)).utcoffset() != offset_from


def test_a_feed_names_itself_and_each_zone_once() -> None:
    first = datetime(2026, 8, 4, tzinfo=UTC)
    events = [booking_event(**lesson(first)), booking_event(**lesson(first + timedelta(days=400)))]
    parsed: Any = Calendar.from_ical(calendar(events, name="Lessons of Alex"))
    assert parsed["x-wr-calname"] == "Lessons of Alex"
    assert "method" not in parsed
    [definition] = parsed.timezones
    assert definition["tzid"] == "Australia/Sydney"
    assert len(definition.subcomponents) == 1 + 2 * 2
    assert b"VTIMEZONE" not in calendar([], name="Nothing")
