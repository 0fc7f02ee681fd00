"""Slots and bookings on the days of the year on which the clock or the calendar does something unusual."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from driveflow.core.db import Database
from support.schools import Clock, Ready, School, open_school

MakeSchool = Callable[..., Awaitable[School]]


@pytest.fixture
def make_school(http: httpx.AsyncClient, database: Database, clock: Clock) -> MakeSchool:
    """A function that opens a school in a zone, a week before a day."""

    async def make(zone: str, day: str, *, slot_step_minutes: int = 30) -> School:
        clock.now = datetime.fromisoformat(f"{day}T00:00Z") - timedelta(days=7)
        return await open_school(
            http,
            database,
            clock,
            time_zone=zone,
            slot_step_minutes=slot_step_minutes,
            min_notice_minutes=0,
        )

    return make


async def night_shift(school: School, duration_min: int, hours: tuple[int, int] = (0, 300)) -> Ready:
    """An instructor who works in the small hours, a student, and a service."""
    return Ready(
        await school.add_instructor(hours=hours),
        await school.add_student(),
        await school.add_service(duration_min=duration_min),
    )


async def starts_on(school: School, ready: Ready, zone: str, day: str) -> list[str]:
    """The starts of a local day as the school's wall clock shows them, with the offset."""
    found = await school.get("/slots", params={"service_id": ready.service["id"], "from": day, "to": day})
    assert found["time_zone"] == zone
    shown = []
    for slot in found["slots"]:
        start, end = (datetime.fromisoformat(slot[key]) for key in ("start_at", "end_at"))
        assert end - start == timedelta(minutes=ready.service["duration_min"])
        shown.append(start.astimezone(ZoneInfo(zone)).strftime("%H:%M%z"))
    return shown


# The hours are 00:00 to 05:00; listed are the starts for one hour, every full hour, as the wall shows them.
@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        # 02:00 to 03:00 does not exist: the hour from 01:00 ends when the wall shows 03:00.
        ("Australia/Sydney", "2026-10-04", ["00:00+1000", "01:00+1000", "03:00+1100", "04:00+1100"]),
        # 02:00 to 03:00 comes twice, and is worked twice.
        (
            "Australia/Sydney",
            "2027-04-04",
            ["00:00+1100", "01:00+1100", "02:00+1100", "02:00+1000", "03:00+1000", "04:00+1000"],
        ),
        (
            "Australia/Brisbane",
            "2026-10-04",
            ["00:00+1000", "01:00+1000", "02:00+1000", "03:00+1000", "04:00+1000"],
        ),
        # 02:00 to 02:30 does not exist, so neither does the start at 02:00.
        ("Australia/Lord_Howe", "2026-10-04", ["00:00+1030", "01:00+1030", "03:00+1100", "04:00+1100"]),
        # 01:30 to 02:00 comes twice.
        (
            "Australia/Lord_Howe",
            "2027-04-04",
            ["00:00+1100", "01:00+1100", "02:00+1030", "03:00+1030", "04:00+1030"],
        ),
        # 02:45 to 03:45 does not exist.
        ("Pacific/Chatham", "2026-09-27", ["00:00+1245", "01:00+1245", "02:00+1245", "04:00+1345"]),
        # 02:45 to 03:45 comes twice: 03:00 does.
        (
            "Pacific/Chatham",
            "2027-04-04",
            ["00:00+1345", "01:00+1345", "02:00+1345", "03:00+1345", "03:00+1245", "04:00+1245"],
        ),
        (
            "Australia/Sydney",
            "2028-02-29",
            ["00:00+1100", "01:00+1100", "02:00+1100", "03:00+1100", "04:00+1100"],
        ),
        (
            "Australia/Sydney",
            "2026-12-31",
            ["00:00+1100", "01:00+1100", "02:00+1100", "03:00+1100", "04:00+1100"],
        ),
    ],
)
async def test_the_small_hours_are_offered_as_the_wall_clock_shows_them_and_each_can_be_booked(
    make_school: MakeSchool, zone: str, day: str, starts: list[str]
) -> None:
    school = await make_school(zone, day, slot_step_minutes=60)
    ready = await night_shift(school, 60)
    assert await starts_on(school, ready, zone, day) == starts
    booked = {}
    for text in starts:
        # One after the other with the buffer of nothing: all but those that overlap in elapsed time fit.
        start_at = datetime.strptime(f"{day}T{text}", "%Y-%m-%dT%H:%M%z")
        response = await school.request("POST", "/bookings", json=ready.booking(start_at))
        assert response.status_code in {201, 409}
        if response.status_code == 201:
            booked[start_at.astimezone(UTC)] = response.json()
    for start_at, booking in booked.items():
        assert datetime.fromisoformat(booking["start_at"]) == start_at
        assert datetime.fromisoformat(booking["end_at"]) - start_at == timedelta(hours=1)
    assert len(booked) >= len(starts) - 1
    left = await starts_on(school, ready, zone, day)
    assert not set(left) & {start.astimezone(ZoneInfo(zone)).strftime("%H:%M%z") for start in booked}


@pytest.mark.parametrize(
    ("zone", "day", "start", "ends_on_the_wall"),
    [
        ("Australia/Sydney", "2026-10-04", "01:30+10:00", "2026-10-04T04:00+1100"),
        ("Australia/Sydney", "2027-04-04", "01:30+11:00", "2027-04-04T02:00+1000"),
        ("Australia/Sydney", "2027-04-04", "02:30+11:00", "2027-04-04T03:00+1000"),
        ("Australia/Lord_Howe", "2026-10-04", "01:30+10:30", "2026-10-04T03:30+1100"),
        ("Australia/Lord_Howe", "2027-04-04", "01:00+11:00", "2027-04-04T02:00+1030"),
        ("Pacific/Chatham", "2026-09-27", "02:00+12:45", "2026-09-27T04:30+1345"),
        ("Australia/Sydney", "2028-02-29", "23:00+11:00", "2028-03-01T00:30+1100"),
        ("Australia/Sydney", "2026-12-31", "23:00+11:00", "2027-01-01T00:30+1100"),
    ],
)
async def test_ninety_minutes_last_ninety_minutes_whatever_the_wall_clock_does(
    make_school: MakeSchool, zone: str, day: str, start: str, ends_on_the_wall: str
) -> None:
    school = await make_school(zone, day)
    ready = await night_shift(school, 90, hours=(0, 1440))
    booking = await school.post(
        "/bookings", {**ready.booking(school.clock.now), "start_at": f"{day}T{start}"}
    )
    start_at, end_at = (datetime.fromisoformat(booking[key]) for key in ("start_at", "end_at"))
    assert end_at - start_at == timedelta(minutes=90)
    assert start_at == datetime.fromisoformat(f"{day}T{start}")
    assert end_at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M%z") == ends_on_the_wall
    assert booking["time_zone"] == zone


async def test_both_hours_of_a_fold_can_be_booked_by_their_offset(make_school: MakeSchool) -> None:
    school = await make_school("Australia/Sydney", "2027-04-04")
    ready = await night_shift(school, 60)
    for offset in ("+11:00", "+10:00"):
        body = {**ready.booking(school.clock.now), "start_at": f"2027-04-04T02:00:00{offset}"}
        await school.post("/bookings", body)
        await school.post("/bookings", body, expect=409)


@pytest.mark.parametrize("start_at", ["2026-10-04T02:30:00", "2027-04-04T02:30:00", "2026-02-29T10:00:00Z"])
async def test_a_time_that_may_not_exist_or_may_exist_twice_is_refused_without_its_offset(
    school: School, start_at: str
) -> None:
    ready = await school.ready()
    problem = await school.post(
        "/bookings", {**ready.booking(school.clock.now), "start_at": start_at}, expect=422
    )
    assert [error["field"] for error in problem["errors"]] == ["start_at"]


async def test_a_weekly_series_keeps_the_offset_of_its_first_date_in_a_fold(make_school: MakeSchool) -> None:
    school = await make_school("Australia/Sydney", "2027-03-28")
    ready = await night_shift(school, 60)
    body = {
        **ready.booking(school.clock.now),
        "start_at": "2027-03-28T02:00:00+11:00",
        "repeat": {"weeks": 3},
    }
    series = await school.post("/bookings", body)
    assert [item["start_at"] for item in series["items"]] == [
        "2027-03-27T15:00:00Z",
        "2027-04-03T15:00:00Z",
        "2027-04-10T16:00:00Z",
    ]
