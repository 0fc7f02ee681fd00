"""The rule of times: quiet hours, and when reminders are due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.core.clock import zone
from driveflow.messaging.quiet_hours import (
    LEAD,
    Means,
    QuietHours,
    Reminder,
    plan_reminders,
    reminder_holds,
    send_at,
    window_at,
)

SYDNEY = "Australia/Sydney"
NIGHT = QuietHours(21 * 60, 8 * 60, SYDNEY)
NOON_BREAK = QuietHours(12 * 60, 13 * 60, SYDNEY)
NONE = QuietHours(0, 0, SYDNEY)
INSTANTS = st.integers(0, 2 * 366 * 24 * 60).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


def at(text: str, place: str = SYDNEY) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone(place)).astimezone(UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "window"),
    [
        (NIGHT, "2026-08-03T20:59", None),
        (NIGHT, "2026-08-03T21:00", ("2026-08-03T21:00", "2026-08-04T08:00")),
        (NIGHT, "2026-08-04T00:00", ("2026-08-03T21:00", "2026-08-04T08:00")),
        (NIGHT, "2026-08-04T07:59", ("2026-08-03T21:00", "2026-08-04T08:00")),
        (NIGHT, "2026-08-04T08:00", None),
        (NOON_BREAK, "2026-08-04T12:30", ("2026-08-04T12:00", "2026-08-04T13:00")),
        (NOON_BREAK, "2026-08-04T13:00", None),
        (NONE, "2026-08-04T00:00", None),
        # The clocks go forward at 2:00 and back at 3:00: the window still ends when they show 8:00.
        (NIGHT, "2026-10-04T01:30", ("2026-10-03T21:00", "2026-10-04T08:00")),
        (NIGHT, "2027-04-04T04:00", ("2027-04-03T21:00", "2027-04-04T08:00")),
    ],
)
def test_quiet_hours_are_a_window_of_the_schools_day(
    quiet: QuietHours, now: str, window: tuple[str, str] | None
) -> None:
    found = window_at(quiet, at(now))
    assert (None if found is None else (found.start_at, found.end_at)) == (
        None if window is None else (at(window[0]), at(window[1]))
    )


@given(INSTANTS, st.integers(0, 1439), st.integers(0, 1439))
def test_the_end_of_quiet_hours_is_never_quiet(now: datetime, start: int, end: int) -> None:
    quiet = QuietHours(start, end, "Australia/Lord_Howe")
    later = send_at(quiet, now, by_phone=True, begins_at=None)
    assert later >= now
    window = window_at(quiet, later)
    # Ends that lie in a gap or fold of the clocks may shift by the change itself.
    assert window is None or later - window.start_at >= timedelta(hours=-1)
    assert later - now <= timedelta(hours=25)


def test_mail_goes_at_once_and_phones_wait() -> None:
    night = at("2026-08-03T23:00")
    assert send_at(NIGHT, night, by_phone=False, begins_at=None) == night
    assert send_at(NIGHT, night, by_phone=True, begins_at=None) == at("2026-08-04T08:00")
    noon = at("2026-08-03T12:00")
    assert send_at(NIGHT, noon, by_phone=True, begins_at=None) == noon


@pytest.mark.parametrize(
    ("begins", "waits"),
    [("2026-08-04T07:00", False), ("2026-08-04T08:59", False), ("2026-08-04T09:00", True)],
)
def test_what_concerns_a_lesson_close_to_the_night_does_not_wait(begins: str, waits: bool) -> None:
    night = at("2026-08-03T23:00")
    expected = at("2026-08-04T08:00") if waits else night
    assert send_at(NIGHT, night, by_phone=True, begins_at=at(begins)) == expected


def test_a_lesson_that_has_begun_is_no_reason_to_wake_anybody() -> None:
    night = at("2026-08-03T23:00")
    assert send_at(NIGHT, night, by_phone=True, begins_at=night) == at("2026-08-04T08:00")


def test_reminders_are_due_some_minutes_before_the_lesson() -> None:
    start, now = at("2026-08-05T14:00"), at("2026-08-03T10:00")
    assert plan_reminders(NIGHT, [1440, 120, 120], start, now) == (
        Reminder(1440, at("2026-08-04T14:00"), Means.ANY),
        Reminder(120, at("2026-08-05T12:00"), Means.ANY),
    )


def test_a_reminder_whose_time_is_past_is_dropped() -> None:
    start, now = at("2026-08-05T14:00"), at("2026-08-04T14:00")
    assert plan_reminders(NIGHT, [1440, 120], start, now) == (
        Reminder(120, at("2026-08-05T12:00"), Means.ANY),
    )


def test_a_reminder_in_quiet_hours_reaches_phones_after_them_and_mail_on_time() -> None:
    start, now = at("2026-08-05T22:00"), at("2026-08-03T10:00")
    assert plan_reminders(NIGHT, [1440], start, now) == (
        Reminder(1440, at("2026-08-04T22:00"), Means.MAIL),
        Reminder(1440, at("2026-08-05T08:00"), Means.PHONE),
    )


def test_a_reminder_that_would_come_too_late_reaches_phones_the_evening_before() -> None:
    start, now = at("2026-08-05T08:30"), at("2026-08-03T10:00")
    assert plan_reminders(NIGHT, [120], start, now) == (
        Reminder(120, at("2026-08-04T20:59"), Means.PHONE),
        Reminder(120, at("2026-08-05T06:30"), Means.MAIL),
    )
    late = at("2026-08-04T22:00")
    assert plan_reminders(NIGHT, [120], start, late) == (Reminder(120, at("2026-08-05T06:30"), Means.MAIL),)


def test_reminders_that_come_to_the_same_minute_are_one() -> None:
    start, now = at("2026-08-05T08:00"), at("2026-08-03T10:00")
    phones = [one for one in plan_reminders(NIGHT, [600, 120], start, now) if one.means is Means.PHONE]
    assert phones == [Reminder(120, at("2026-08-04T20:59"), Means.PHONE)]


@given(
    INSTANTS,
    st.lists(st.integers(15, 20_160), max_size=5),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_no_phone_reminder_rings_at_night_or_after_the_lesson(
    start_at: datetime, minutes: list[int], start: int, end: int
) -> None:
    quiet = QuietHours(start, end, "Australia/Brisbane")
    planned = plan_reminders(quiet, minutes, start_at, start_at - timedelta(days=30))
    assert planned == tuple(sorted(planned, key=lambda one: one.at))
    for one in planned:
        assert one.at < start_at
        if one.means is not Means.MAIL:
            assert window_at(quiet, one.at) is None or end - start == 1
        if one.means is Means.PHONE and one.at > start_at - one.minutes_before * timedelta(minutes=1):
            assert one.at + LEAD <= start_at


@pytest.mark.parametrize(
    ("confirmed", "start", "now", "reason"),
    [
        (True, "2026-08-05T10:00", "2026-08-05T08:00", None),
        (False, "2026-08-05T10:00", "2026-08-05T08:00", "the booking is not confirmed any more"),
        (True, "2026-08-05T11:00", "2026-08-05T08:00", "the booking was moved"),
        (True, "2026-08-05T10:00", "2026-08-05T10:00", "the lesson has begun"),
    ],
)
def test_a_reminder_goes_only_for_the_lesson_that_it_speaks_of(
    confirmed: bool, start: str, now: str, reason: str | None
) -> None:
    told = reminder_holds(
        is_confirmed=confirmed, start_at=at(start), reminded_of=at("2026-08-05T10:00"), now=at(now)
    )
    assert told == reason
