from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.core import clock
from driveflow.core.errors import InvalidInputError

EXAMPLES = 20_000 if settings.get_current_profile_name() == "soak" else 100
ZONES = sorted(available_timezones() - {"localtime", "Factory"})


def hours(amount: float) -> timedelta:
    return timedelta(hours=amount)


def minutes_by_local_date(zone_name: str, first: datetime, days: int) -> dict[date, list[tuple[int, int]]]:
    """Ask zoneinfo about each minute: (epoch minute, its offset in minutes rounded down), by local date."""
    tz = ZoneInfo(zone_name)
    found = defaultdict(list)
    for number in range(days * 1440):
        instant = first + timedelta(minutes=number)
        wall = instant.astimezone(tz)
        offset = wall.utcoffset()
        assert offset is not None
        found[wall.date()].append((int(instant.timestamp()) // 60, offset // timedelta(minutes=1)))
    return found


def test_the_present_is_an_aware_utc_instant() -> None:
    before = datetime.now(UTC)
    assert before <= clock.utc_now() <= datetime.now(UTC)
    assert clock.utc_now().tzinfo is UTC


def test_a_zone_is_found_by_its_iana_name() -> None:
    assert clock.zone("Australia/Sydney") == ZoneInfo("Australia/Sydney")
    assert clock.zone("Australia/Sydney") is clock.zone("Australia/Sydney")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Sydney",
        "australia/sydney",
        "AEST",
        "+10:00",
        "localtime",
        "Factory",
        "../etc/passwd",
        "a\0b",
        "/UTC",
    ],
)
def test_any_other_name_of_a_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        clock.zone(name)
    assert caught.value.code == "unknown_time_zone"
    assert [field.field for field in caught.value.fields] == ["time_zone"]


@pytest.mark.parametrize(
    ("instant", "epoch_min"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 1, 59, 999_999, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, 23, 59, 30, tzinfo=UTC), -1),
        (datetime(2028, 2, 29, 10, 0, tzinfo=ZoneInfo("Australia/Brisbane")), 30_589_920),
    ],
)
def test_an_epoch_minute_is_the_minute_in_which_an_instant_lies(instant: datetime, epoch_min: int) -> None:
    assert clock.to_epoch_min(instant) == epoch_min
    assert timedelta(0) <= instant - clock.from_epoch_min(epoch_min) < timedelta(minutes=1)
    assert clock.from_epoch_min(epoch_min).tzinfo is UTC


def test_a_naive_time_is_no_instant_and_an_instant_no_wall_time() -> None:
    naive = datetime(2026, 9, 1)  # noqa: DTZ001 - the mistake under test
    with pytest.raises(TypeError):
        clock.to_epoch_min(naive)
    with pytest.raises(TypeError):
        clock.local_date(naive, "Australia/Sydney")
    with pytest.raises(TypeError):
        clock.local_to_utc(datetime(2026, 9, 1, tzinfo=UTC), "Australia/Sydney")


def test_the_local_date_and_minute_are_those_of_the_schools_wall() -> None:
    instant = datetime(2026, 12, 31, 13, 30, tzinfo=UTC)
    assert clock.local_date(instant, "Australia/Sydney") == date(2027, 1, 1)
    assert clock.local_date(instant, "Australia/Brisbane") == date(2026, 12, 31)
    assert clock.local_date(instant.astimezone(ZoneInfo("Asia/Tokyo")), "America/New_York") == date(
        2026, 12, 31
    )
    assert clock.minute_of_day(clock.to_epoch_min(instant), "Australia/Sydney") == 30
    assert clock.minute_of_day(clock.to_epoch_min(instant), "Pacific/Chatham") == 3 * 60 + 15


@pytest.mark.parametrize(
    ("zone_name", "wall", "expected"),
    [
        ("Australia/Sydney", "2026-09-01T09:00", "2026-08-31T23:00Z"),
        ("Australia/Sydney", "2026-10-04T01:59", "2026-10-03T15:59Z"),
        ("Australia/Sydney", "2026-10-04T03:00", "2026-10-03T16:00Z"),
        ("Australia/Brisbane", "2026-10-04T02:30", "2026-10-03T16:30Z"),
        ("Australia/Brisbane", "2027-04-04T02:30", "2027-04-03T16:30Z"),
        ("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-03T15:30Z"),
        ("Pacific/Chatham", "2028-02-29T00:00", "2028-02-28T10:15Z"),
        ("Europe/London", "2027-01-01T00:00", "2027-01-01T00:00Z"),
        ("Australia/Sydney", "2026-09-01T09:00:30.250", "2026-08-31T23:00:30.250Z"),
    ],
)
def test_a_wall_time_names_one_instant(zone_name: str, wall: str, expected: str) -> None:
    assert clock.local_to_utc(datetime.fromisoformat(wall), zone_name) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("zone_name", "wall"),
    [
        ("Australia/Sydney", "2026-10-04T02:00"),
        ("Australia/Sydney", "2026-10-04T02:59:59"),
        ("Australia/Lord_Howe", "2026-10-04T02:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:29"),
        ("Pacific/Chatham", "2026-09-27T02:45"),
        ("Pacific/Apia", "2011-12-30T12:00"),
        ("America/Santiago", "2026-09-06T00:00"),
    ],
)
@pytest.mark.parametrize("utc_offset", [None, hours(10), hours(11)])
def test_a_wall_time_in_a_gap_is_refused(zone_name: str, wall: str, utc_offset: timedelta | None) -> None:
    with pytest.raises(InvalidInputError, match="does not exist in") as caught:
        clock.local_to_utc(datetime.fromisoformat(wall), zone_name, utc_offset=utc_offset)
    assert caught.value.code == "time_does_not_exist"
    assert caught.value.fields[0].field == "start_at"


@pytest.mark.parametrize(
    ("zone_name", "wall", "first", "second", "sentence"),
    [
        ("Australia/Sydney", "2027-04-04T02:00", 11, 10, r"at UTC\+11:00 or UTC\+10:00"),
        (
            "Australia/Sydney",
            "2027-04-04T02:59",
            11,
            10,
            r"2027-04-04 02:59 happens twice in Australia/Sydney",
        ),
        ("Australia/Lord_Howe", "2027-04-04T01:45", 11, 10.5, r"at UTC\+11:00 or UTC\+10:30"),
        ("Pacific/Chatham", "2027-04-04T03:00", 13.75, 12.75, r"at UTC\+13:45 or UTC\+12:45"),
        ("America/New_York", "2026-11-01T01:30", -4, -5, r"at UTC-04:00 or UTC-05:00"),
        ("Europe/London", "2026-10-25T01:30", 1, 0, r"at UTC\+01:00 or UTC\."),
        ("America/Santiago", "2027-04-03T23:30", -3, -4, r"at UTC-03:00 or UTC-04:00"),
    ],
)
def test_a_wall_time_in_a_fold_needs_its_offset(
    zone_name: str, wall: str, first: float, second: float, sentence: str
) -> None:
    time = datetime.fromisoformat(wall)
    for fold in (0, 1):
        with pytest.raises(InvalidInputError, match=sentence) as caught:
            clock.local_to_utc(time.replace(fold=fold), zone_name, field="from")
        assert caught.value.code == "time_is_ambiguous"
        assert caught.value.fields[0].field == "from"
    for offset in (hours(first), hours(second)):
        instant = clock.local_to_utc(time, zone_name, utc_offset=offset)
        assert instant == (time - offset).replace(tzinfo=UTC)
        assert instant.astimezone(ZoneInfo(zone_name)).replace(tzinfo=None) == time


def test_an_offset_the_zone_does_not_have_is_refused() -> None:
    summer = datetime(2027, 1, 1, 9, 0)  # noqa: DTZ001 - a wall time
    assert clock.local_to_utc(summer, "Australia/Sydney", utc_offset=hours(11)) == datetime(
        2026, 12, 31, 22, 0, tzinfo=UTC
    )
    with pytest.raises(InvalidInputError, match=r"Australia/Sydney is at UTC\+11:00\.") as caught:
        clock.local_to_utc(summer, "Australia/Sydney", utc_offset=hours(10))
    assert caught.value.code == "wrong_utc_offset"
    with pytest.raises(InvalidInputError) as caught:
        clock.local_to_utc(
            datetime.fromisoformat("2027-04-04T02:30"), "Australia/Sydney", utc_offset=hours(9)
        )
    assert caught.value.code == "wrong_utc_offset"


@pytest.mark.parametrize("year", [1, 9999])
def test_dates_at_the_ends_of_the_calendar_are_refused_not_overflowed(year: int) -> None:
    far = datetime(year, 6, 1)  # noqa: DTZ001 - a wall time
    far_min = clock.to_epoch_min(far.replace(tzinfo=UTC))
    with pytest.raises(InvalidInputError) as of_wall:
        clock.local_to_utc(far, "Pacific/Kiritimati")
    with pytest.raises(InvalidInputError) as of_instant:
        clock.local_date(far.replace(tzinfo=UTC), "Pacific/Kiritimati")
    with pytest.raises(InvalidInputError) as of_day:
        clock.day_bounds("Pacific/Kiritimati", far.date())
    with pytest.raises(InvalidInputError) as of_range:
        clock.days_touching("Pacific/Kiritimati", far_min, far_min + 1)
    with pytest.raises(InvalidInputError) as of_farthest:
        clock.days_touching("Pacific/Kiritimati", far_min * 2, far_min * 2 + 1)
    codes = {caught.value.code for caught in (of_wall, of_instant, of_day, of_range, of_farthest)}
    assert codes == {"date_out_of_range"}


def test_the_first_and_the_last_day_of_the_range_work() -> None:
    for day in (date(2, 1, 1), date(9998, 12, 31)):
        for zone_name in ("Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"):
            start, end = clock.day_bounds(zone_name, day)
            assert end - start == timedelta(days=1)


SPECIAL_DAYS = [
    ("Australia/Sydney", date(2026, 10, 4), [120 + 21 * 60]),
    ("Australia/Sydney", date(2027, 4, 4), [25 * 60]),
    ("Australia/Sydney", date(2028, 2, 29), [1440]),
    ("Australia/Brisbane", date(2026, 10, 4), [1440]),
    ("Australia/Lord_Howe", date(2026, 10, 4), [1410]),
    ("Australia/Lord_Howe", date(2027, 4, 4), [1470]),
    ("Pacific/Chatham", date(2026, 9, 27), [1380]),
    ("Pacific/Chatham", date(2027, 4, 4), [1500]),
    ("Pacific/Apia", date(2011, 12, 29), [1440]),
    ("Pacific/Apia", date(2011, 12, 30), []),
    ("Pacific/Apia", date(2011, 12, 31), [1440]),
    ("Pacific/Kwajalein", date(1993, 8, 21), []),
    # The day the date line moved the other way: lived through nearly twice.
    ("Pacific/Kwajalein", date(1969, 9, 30), [1440 + 23 * 60]),
    # A gap and a fold at midnight: the date starts at 01:00; 23:00 to 24:00 come twice.
    ("America/Santiago", date(2026, 9, 6), [1380]),
    ("America/Santiago", date(2027, 4, 3), [1500]),
    # 00:01 goes back to 23:01: one minute of the next date lies inside this one.
    ("America/St_Johns", date(2010, 11, 6), [1440, 59]),
    ("America/St_Johns", date(2010, 11, 7), [1, 1440]),
    ("Africa/Casablanca", date(2027, 2, 7), [1500]),
    # Offsets with seconds.
    ("Australia/Sydney", date(1895, 1, 31), [1444]),
]


@pytest.mark.parametrize(("zone_name", "day", "lengths"), SPECIAL_DAYS)
def test_a_day_is_the_minutes_that_a_calendar_on_the_wall_shows_it(
    zone_name: str, day: date, lengths: list[int]
) -> None:
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    expected = minutes_by_local_date(zone_name, first, days=5)[day]
    segments = clock.day_segments(zone_name, day)
    assert [(minute, offset) for start, end, offset in segments for minute in range(start, end)] == expected
    pieces: list[list[int]] = []
    for start, end, _ in segments:
        if pieces and pieces[-1][1] == start:
            pieces[-1][1] = end
        else:
            pieces.append([start, end])
    assert [end - start for start, end in pieces] == lengths


@pytest.mark.parametrize("zone_name", sorted({zone_name for zone_name, _, _ in SPECIAL_DAYS}))
def test_every_minute_lies_in_exactly_one_day(zone_name: str) -> None:
    for first, last in ((date(2010, 10, 1), date(2012, 2, 1)), (date(2026, 6, 1), date(2028, 6, 1))):
        days = [first + timedelta(days=number) for number in range((last - first).days)]
        segments = sorted(segment for day in days for segment in clock.day_segments(zone_name, day))
        assert all(start < end for start, end, _ in segments)
        assert all(left[1] == right[0] for left, right in pairwise(segments))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(ZONES), st.dates(date(1880, 1, 1), date(2100, 1, 1)), st.integers(0, 1439))
def test_any_instant_lies_in_its_local_day_at_its_offset(zone_name: str, day: date, minute: int) -> None:
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
    wall = instant.astimezone(ZoneInfo(zone_name))
    epoch_min = clock.to_epoch_min(instant)
    (offset,) = (
        offset
        for start, end, offset in clock.day_segments(zone_name, wall.date())
        if start <= epoch_min < end
    )
    # Rounded down: the wall clock's seconds play no part.
    assert timedelta(minutes=offset) == (wall.utcoffset() or timedelta(0)) // timedelta(
        minutes=1
    ) * timedelta(minutes=1)
    assert clock.minute_of_day(epoch_min, zone_name) == wall.hour * 60 + wall.minute
    start, end = clock.day_bounds(zone_name, wall.date())
    assert start <= instant < end
    assert clock.days_touching(zone_name, epoch_min, epoch_min + 1) == (wall.date(), wall.date())


def test_the_bounds_of_a_day_are_utc_instants() -> None:
    assert clock.day_bounds("Australia/Sydney", date(2026, 10, 4)) == (
        datetime(2026, 10, 3, 14, 0, tzinfo=UTC),
        datetime(2026, 10, 4, 13, 0, tzinfo=UTC),
    )


def test_a_skipped_day_begins_and_ends_at_the_skip() -> None:
    skip = datetime(2011, 12, 30, 10, 0, tzinfo=UTC)
    assert clock.day_bounds("Pacific/Apia", date(2011, 12, 29))[1] == skip
    assert clock.day_bounds("Pacific/Apia", date(2011, 12, 30)) == (skip, skip)
    assert clock.day_bounds("Pacific/Apia", date(2011, 12, 31))[0] == skip


@pytest.mark.parametrize(
    ("zone_name", "start", "end", "first", "last"),
    [
        ("Australia/Sydney", "2026-10-03T14:00Z", "2026-10-04T13:00Z", "2026-10-04", "2026-10-04"),
        ("Australia/Sydney", "2026-10-03T13:59Z", "2026-10-04T13:01Z", "2026-10-03", "2026-10-05"),
        ("Pacific/Apia", "2011-12-30T09:59Z", "2011-12-30T10:00Z", "2011-12-29", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T09:59Z", "2011-12-30T10:01Z", "2011-12-29", "2011-12-31"),
        # From 00:00 of the 7th, one minute before the 6th comes back, to 23:31 of the 6th.
        ("America/St_Johns", "2010-11-07T02:30Z", "2010-11-07T03:01Z", "2010-11-06", "2010-11-07"),
    ],
)
def test_the_days_a_range_touches_include_those_a_fold_brings_back(
    zone_name: str, start: str, end: str, first: str, last: str
) -> None:
    start_min, end_min = (clock.to_epoch_min(datetime.fromisoformat(text)) for text in (start, end))
    assert clock.days_touching(zone_name, start_min, end_min) == (
        date.fromisoformat(first),
        date.fromisoformat(last),
    )
