"""Free slots through the API: whose, in which order, of which days, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.schools import Client, Clock, Ready, School

TUESDAY = "2026-08-04"
TUESDAY_8 = datetime(2026, 8, 3, 22, 0, tzinfo=UTC)  # 08:00 in Sydney, when the instructor begins
DAY_OF_SLOTS = 37  # 08:00 to 18:00, an hour each, every 15 minutes


@pytest.fixture
async def ready(school: School) -> Ready:
    return await school.ready()


async def slots(client: Client, ready: Ready, since: str, until: str, **more: str) -> list[dict[str, Any]]:
    """Search and return the slots."""
    query = {"service_id": ready.service["id"], "from": since, "to": until, **more}
    found: dict[str, Any] = await client.get("/slots", params=query)
    assert found["time_zone"] == "Australia/Sydney"
    listed: list[dict[str, Any]] = found["slots"]
    return listed


async def refused(
    client: Client, ready: Ready, since: str, until: str, expect: int, **more: str
) -> dict[str, Any]:
    """Search and return the problem."""
    query = {"service_id": ready.service["id"], "from": since, "to": until, **more}
    problem: dict[str, Any] = await client.get("/slots", params=query, expect=expect)
    return problem


async def test_a_date_means_the_whole_local_day_first_to_last(school: School, ready: Ready) -> None:
    found = await slots(school, ready, TUESDAY, TUESDAY)
    assert len(found) == DAY_OF_SLOTS
    assert found[0] == {
        "instructor_id": ready.instructor["id"],
        "start_at": "2026-08-03T22:00:00Z",
        "end_at": "2026-08-03T23:00:00Z",
    }
    assert found[-1]["start_at"] == "2026-08-04T07:00:00Z"
    assert len(await slots(school, ready, TUESDAY, "2026-08-06")) == 3 * DAY_OF_SLOTS


async def test_an_instant_means_itself_and_the_end_is_excluded(school: School, ready: Ready) -> None:
    found = await slots(school, ready, "2026-08-04T08:00:00+10:00", "2026-08-04T08:30:00+10:00")
    assert [slot["start_at"] for slot in found] == ["2026-08-03T22:00:00Z", "2026-08-03T22:15:00Z"]
    found = await slots(school, ready, "2026-08-03T22:00:01Z", "2026-08-03T22:15:01Z")
    assert [slot["start_at"] for slot in found] == ["2026-08-03T22:15:00Z"]
    found = await slots(school, ready, "2026-08-03T22:00:00.5Z", "2026-08-03T22:15:00.5Z")
    assert [slot["start_at"] for slot in found] == ["2026-08-03T22:15:00Z"]
    assert await slots(school, ready, "2026-08-03T21:59:01Z", "2026-08-03T21:59:30Z") == []


async def test_a_date_and_an_instant_go_together(school: School, ready: Ready) -> None:
    found = await slots(school, ready, TUESDAY, "2026-08-04T08:30:00+10:00")
    assert len(found) == 2
    found = await slots(school, ready, "2026-08-04T16:45:00+10:00", TUESDAY)
    assert [slot["start_at"] for slot in found] == ["2026-08-04T06:45:00Z", "2026-08-04T07:00:00Z"]
    problem = await refused(school, ready, TUESDAY, "2026-08-03T23:59:00+10:00", 422)
    assert problem["errors"] == [{"field": "to", "message": "Must lie after `from`."}]


async def test_what_is_booked_is_not_offered_until_it_is_cancelled(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TUESDAY_8 + timedelta(hours=2))
    assert len(await slots(school, ready, TUESDAY, TUESDAY)) == DAY_OF_SLOTS - 7
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "x"}, expect=200)
    assert len(await slots(school, ready, TUESDAY, TUESDAY)) == DAY_OF_SLOTS


async def test_instructors_come_by_name_each_with_slots_in_order(school: School, ready: Ready) -> None:
    names = {ready.instructor["id"]: "Casey Instructor"}
    for name in ("Zoe", "Abel", "Mia"):
        names[(await school.add_instructor(name, hours=(540, 660)))["id"]] = name
    found = await slots(school, ready, TUESDAY, TUESDAY)
    shown = [names[slot["instructor_id"]] for slot in found]
    assert shown == ["Abel"] * 5 + ["Casey Instructor"] * DAY_OF_SLOTS + ["Mia"] * 5 + ["Zoe"] * 5
    for name in ("Abel", "Casey Instructor"):
        starts = [slot["start_at"] for slot in found if names[slot["instructor_id"]] == name]
        assert starts == sorted(starts)
    abel = next(instructor for instructor, name in names.items() if name == "Abel")
    assert {
        slot["instructor_id"] for slot in await slots(school, ready, TUESDAY, TUESDAY, instructor_id=abel)
    } == {abel}


async def test_instructors_who_do_not_work_are_not_shown(school: School, ready: Ready) -> None:
    await school.patch(f"/instructors/{ready.instructor['id']}", {"active": False, "version": 1})
    await school.add_instructor("Never", hours=None)
    assert await slots(school, ready, TUESDAY, TUESDAY) == []
    await refused(school, ready, TUESDAY, TUESDAY, 404, instructor_id=ready.instructor["id"])


async def test_an_exception_opens_and_closes_a_day(school: School, ready: Ready) -> None:
    path = f"/instructors/{ready.instructor['id']}/exceptions/{TUESDAY}"
    await school.put(path, {"is_available": False, "start_minute": 600, "end_minute": 1080})
    assert len(await slots(school, ready, TUESDAY, TUESDAY)) == 5
    await school.put(path, {"is_available": False})
    assert await slots(school, ready, TUESDAY, TUESDAY) == []
    await school.put(path, {"is_available": True, "start_minute": 1080, "end_minute": 1140})
    assert len(await slots(school, ready, TUESDAY, TUESDAY)) == DAY_OF_SLOTS + 4


async def test_for_a_student_the_lessons_elsewhere_are_in_the_way(school: School, ready: Ready) -> None:
    elsewhere = Ready(await school.add_instructor("Other", hours=None), ready.student, ready.service)
    await school.book(elsewhere, TUESDAY_8, override_hours=True)
    student_id = ready.student["id"]
    assert len(await slots(school, ready, TUESDAY, TUESDAY)) == DAY_OF_SLOTS
    free = await slots(school, ready, TUESDAY, TUESDAY, student_id=student_id)
    assert len(free) == DAY_OF_SLOTS - 4
    student = await school.as_role("student", student_id=student_id)
    assert await slots(student, ready, TUESDAY, TUESDAY) == free
    stranger = await school.add_student("Stranger")
    await refused(student, ready, TUESDAY, TUESDAY, 404, student_id=stranger["id"])
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    assert await slots(instructor, ready, TUESDAY, TUESDAY, student_id=student_id) == free


async def test_a_guardian_searches_for_one_of_several_students(school: School, ready: Ready) -> None:
    sibling = await school.add_student("Sibling")
    made = await school.add_guardian(ready.student["id"])
    await school.post(f"/students/{sibling['id']}/guardians", {"guardian_id": made["id"]})
    guardian = await school.as_role("guardian", guardian_id=made["id"])
    await school.book(ready, TUESDAY_8)
    other = await school.add_instructor("Other")
    params = {"instructor_id": other["id"]}
    assert len(await slots(guardian, ready, TUESDAY, TUESDAY, **params)) == DAY_OF_SLOTS
    busy = await slots(guardian, ready, TUESDAY, TUESDAY, student_id=ready.student["id"], **params)
    assert len(busy) == DAY_OF_SLOTS - 4
    free = await slots(guardian, ready, TUESDAY, TUESDAY, student_id=sibling["id"], **params)
    assert len(free) == DAY_OF_SLOTS


async def test_notice_and_horizon_bound_what_is_offered(school: School, ready: Ready, clock: Clock) -> None:
    today = await slots(school, ready, "2026-08-03", "2026-08-03")
    assert today[0]["start_at"] == "2026-08-03T01:00:00Z"  # it is 10:00, the notice is an hour
    clock.advance(seconds=1)
    today = await slots(school, ready, "2026-08-03", "2026-08-03")
    assert today[0]["start_at"] == "2026-08-03T01:15:00Z"
    last = await slots(school, ready, "2026-10-31", "2026-11-02")
    assert last[-1]["start_at"] == "2026-11-01T00:00:00Z"  # 90 days of 24 hours after 10:00
    assert await slots(school, ready, "2026-11-02", "2026-11-10") == []
    assert await slots(school, ready, "2026-07-01", "2026-07-20") == []


@pytest.mark.parametrize(
    ("since", "until", "status"),
    [
        ("2026-08-04", "2026-09-03", 200),
        ("2026-08-04", "2026-09-04", 422),
        ("2026-08-04T00:00:00Z", "2026-09-04T00:00:00Z", 200),
        ("2026-08-04T00:00:00Z", "2026-09-04T00:00:01Z", 422),
        ("2026-08-04", "2026-08-03", 422),
        ("2026-08-04T00:00:00Z", "2026-08-04T00:00:00Z", 422),
        ("2026-08-04T00:00:00", "2026-08-05", 422),
        ("tomorrow", "2026-08-05", 422),
        ("1785801600", "2026-08-05", 422),
        ("2026-02-29", "2026-03-01", 422),
        ("0001-01-01", "0001-01-02", 422),
        ("9999-12-31", "9999-12-31", 422),
        ("1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", 422),
    ],
)
async def test_at_most_31_days_are_searched_and_they_must_make_sense(
    school: School, ready: Ready, since: str, until: str, status: int
) -> None:
    query = {"service_id": ready.service["id"], "from": since, "to": until}
    answer = await school.request("GET", "/slots", params=query, expect=status)
    if status == 422:
        assert {error["field"] for error in answer.json()["errors"]} <= {"from", "to"}


async def test_what_is_unknown_or_another_schools_is_not_found(
    school: School, ready: Ready, other_school: School
) -> None:
    foreign = await other_school.ready()
    await refused(school, ready, TUESDAY, TUESDAY, 404, instructor_id=foreign.instructor["id"])
    await refused(school, foreign, TUESDAY, TUESDAY, 404)
    # A student of another school has no lessons here: nothing is in the way, and nothing is told.
    anyone = await slots(school, ready, TUESDAY, TUESDAY, student_id=foreign.student["id"])
    assert len(anyone) == DAY_OF_SLOTS


async def test_a_service_that_is_not_offered_has_no_slots(school: School, ready: Ready) -> None:
    await school.patch(
        f"/services/{ready.service['id']}", {"active": False, "version": ready.service["version"]}
    )
    assert (await refused(school, ready, TUESDAY, TUESDAY, 409))["code"] == "service_inactive"
