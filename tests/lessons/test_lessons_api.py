from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from driveflow.core.actor import system_actor
from driveflow.core.db import Database
from driveflow.core.errors import ConflictError
from driveflow.trips import service as trips
from support.drives import Drive, booked_drive, northwards, running_drive
from support.schools import School


async def outbox_of(owner: asyncpg.Connection, school: School) -> dict[str, dict[str, Any]]:
    rows = await owner.fetch("SELECT * FROM outbox WHERE org_id = $1 ORDER BY created_at", school.org_id)
    return {row["topic"]: dict(row) for row in rows}


async def actions_on(school: School, entity_type: str) -> list[str]:
    log = await school.get(f"/audit-log?entity_type={entity_type}&limit=200")
    return [row["action"] for row in reversed(log["items"])]


async def close_by_system(drive: Drive, database: Database) -> UUID | None:
    async with database.session(drive.school.org_id) as session:
        lesson = await trips.auto_close_lesson(
            session,
            system_actor(drive.school.org_id),
            UUID(drive.booking["id"]),
            now=drive.school.clock.now,
        )
        return lesson.id if lesson else None


async def test_starting_a_booking_makes_its_lesson(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    drive = await running_drive(school)

    lesson = await school.get(f"/lessons/{drive.lesson_id}")

    assert lesson["booking_id"] == drive.booking["id"]
    assert lesson["instructor_id"] == drive.ready.instructor["id"]
    assert lesson["student_id"] == drive.ready.student["id"]
    assert lesson["started_at"] == drive.booking["start_at"]
    assert lesson["ended_at"] is None
    assert await actions_on(school, "Lesson") == ["LESSON_STARTED"]
    events = await outbox_of(owner_connection, school)
    assert "lesson.started" in events
    planned_end = datetime.fromisoformat(drive.booking["end_at"])
    assert events["lesson.auto_close_due"]["available_at"] == planned_end + timedelta(hours=2)


async def test_starting_twice_is_one_lesson(school: School) -> None:
    drive = await running_drive(school)
    school.clock.advance(minutes=5)

    again = await drive.instructor.post(f"/bookings/{drive.booking['id']}/start", expect=200)

    assert again["lesson_id"] == drive.lesson_id
    assert await actions_on(school, "Lesson") == ["LESSON_STARTED"]


async def test_a_lesson_starts_at_most_half_an_hour_early(school: School) -> None:
    drive = await booked_drive(school)

    refused = await drive.instructor.post(f"/bookings/{drive.booking['id']}/start", expect=409)

    assert refused["code"] == "too_early"
    assert (await school.get("/lessons"))["items"] == []


async def test_completing_ends_the_lesson_with_rating_and_notes(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    drive = await running_drive(school)
    school.clock.advance(minutes=50)

    lesson = await drive.complete(rating=4, notes="Parking went well.")

    assert lesson["duration_sec"] == 3000
    assert lesson["distance_m"] is None
    assert lesson["rating"] == 4
    assert lesson["notes"] == "Parking went well."
    assert lesson["ended_at"] == school.clock.now.isoformat().replace("+00:00", "Z")
    assert (await school.get(f"/bookings/{drive.booking['id']}"))["status"] == "completed"
    assert await actions_on(school, "Lesson") == ["LESSON_STARTED", "LESSON_COMPLETED"]
    assert "lesson.completed" in await outbox_of(owner_connection, school)


async def test_completing_again_only_takes_remarks(school: School) -> None:
    drive = await running_drive(school)
    school.clock.advance(minutes=50)
    first = await drive.complete()
    school.clock.advance(minutes=1)

    same = await drive.complete()
    rated = await drive.complete(rating=5)

    assert same == first
    assert rated["ended_at"] == first["ended_at"]
    assert rated["rating"] == 5
    assert await actions_on(school, "Lesson") == ["LESSON_STARTED", "LESSON_COMPLETED", "LESSON_UPDATED"]


async def test_an_admin_completes_a_lesson_whose_start_was_forgotten(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    drive = await booked_drive(school)
    school.clock.now = datetime.fromisoformat(drive.booking["end_at"]) + timedelta(minutes=10)
    path = f"/bookings/{drive.booking['id']}/complete"
    assert (await school.post(path, {}, expect=422))["code"] == "reason_required"

    done = await school.post(path, {"reason": "Casey's phone was empty."}, expect=200)

    lesson = await school.get(f"/lessons/{done['lesson_id']}")
    assert lesson["started_at"] == drive.booking["start_at"]
    assert lesson["ended_at"] == drive.booking["end_at"]
    assert lesson["duration_sec"] == 3600
    events = await outbox_of(owner_connection, school)
    assert "lesson.completed" in events
    assert "lesson.started" not in events
    log = await school.get(f"/audit-log?entity_type=Lesson&entity_id={lesson['id']}")
    assert log["items"][0]["after"]["reason"] == "Casey's phone was empty."


async def test_a_lesson_nobody_ends_is_closed_as_planned(school: School, database: Database) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    began = school.clock.now
    school.clock.advance(minutes=10)
    await drive.send(trip, northwards(began, 100))
    school.clock.now = datetime.fromisoformat(drive.booking["end_at"]) + timedelta(hours=2)

    closed = await close_by_system(drive, database)

    lesson = await school.get(f"/lessons/{drive.lesson_id}")
    assert str(closed) == lesson["id"]
    assert lesson["ended_at"] == drive.booking["end_at"]
    assert lesson["distance_m"] == pytest.approx(1980, abs=5)
    stopped = await school.get(f"/trips/{trip['id']}")
    assert datetime.fromisoformat(stopped["ended_at"]) == began + timedelta(seconds=198)
    log = await school.get(f"/audit-log?entity_type=Lesson&entity_id={lesson['id']}")
    assert log["items"][0]["actor"] == "system"


async def test_an_open_trip_without_fixes_ends_where_it_began(school: School, database: Database) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    school.clock.now = datetime.fromisoformat(drive.booking["end_at"]) + timedelta(hours=3)

    await close_by_system(drive, database)

    stopped = await school.get(f"/trips/{trip['id']}")
    assert stopped["ended_at"] == stopped["started_at"]
    assert stopped["distance_m"] == 0


async def test_the_timer_leaves_an_ended_lesson_alone(school: School, database: Database) -> None:
    drive = await running_drive(school)
    before = await drive.complete()
    school.clock.advance(hours=4)

    assert await close_by_system(drive, database) is None
    assert await school.get(f"/lessons/{drive.lesson_id}") == before


async def test_the_timer_does_not_close_early(school: School, database: Database) -> None:
    drive = await running_drive(school)

    with pytest.raises(ConflictError) as refused:
        await close_by_system(drive, database)

    assert refused.value.code == "too_early"


async def test_cancelling_a_running_lesson_ends_it_and_its_trip(school: School, database: Database) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    school.clock.advance(minutes=5)
    await school.post(f"/bookings/{drive.booking['id']}/cancel", {"reason": "Flat tyre"}, expect=200)
    refused = await drive.instructor.post(f"/lessons/{drive.lesson_id}/trips", expect=409)
    assert refused["code"] == "lesson_not_running"

    for expected in (UUID(drive.lesson_id), None):
        async with database.session(school.org_id) as session:
            closed = await trips.close_cancelled_lesson(
                session, system_actor(school.org_id), UUID(drive.booking["id"]), now=school.clock.now
            )
            assert (closed.id if closed else None) == expected

    assert (await school.get(f"/lessons/{drive.lesson_id}"))["duration_sec"] == 300
    assert (await school.get(f"/trips/{trip['id']}"))["ended_at"] is not None
    assert await actions_on(school, "Lesson") == ["LESSON_STARTED", "LESSON_UPDATED"]


async def test_cancelling_a_booking_that_never_began_has_no_lesson_to_end(
    school: School, database: Database
) -> None:
    drive = await booked_drive(school)

    async with database.session(school.org_id) as session:
        closed = await trips.close_cancelled_lesson(
            session, system_actor(school.org_id), UUID(drive.booking["id"]), now=school.clock.now
        )

    assert closed is None


async def test_instructor_and_staff_rate_a_lesson_by_its_version(school: School) -> None:
    drive = await running_drive(school)
    lesson = await drive.complete()
    path = f"/lessons/{lesson['id']}"

    rated = await drive.instructor.patch(
        path, {"version": lesson["version"], "rating": 3, "notes": "Mirrors!"}
    )
    stale = await school.patch(path, {"version": lesson["version"], "rating": 5}, expect=409)
    cleared = await school.patch(path, {"version": rated["version"], "rating": None})
    same = await school.patch(path, {"version": cleared["version"], "notes": "Mirrors!"})

    assert rated["rating"] == 3
    assert stale["code"] == "stale_version"
    assert cleared["rating"] is None
    assert cleared["notes"] == "Mirrors!"
    assert same["version"] == cleared["version"]


@pytest.mark.parametrize("rating", [0, 6, "good"])
async def test_a_rating_is_one_to_five(school: School, rating: object) -> None:
    drive = await running_drive(school)

    refused = await school.patch(f"/lessons/{drive.lesson_id}", {"version": 1, "rating": rating}, expect=422)

    assert refused["errors"][0]["field"] == "rating"


async def test_everybody_sees_their_own_lessons_only(school: School) -> None:
    drive = await running_drive(school)
    await drive.complete()
    other = await running_drive(school)
    student = await school.as_role("student", student_id=drive.ready.student["id"])
    guardian_row = await school.add_guardian(drive.ready.student["id"])
    guardian = await school.as_role("guardian", guardian_id=guardian_row["id"])

    assert {row["id"] for row in (await school.get("/lessons"))["items"]} == {
        drive.lesson_id,
        other.lesson_id,
    }
    for client in (drive.instructor, student, guardian):
        assert [row["id"] for row in (await client.get("/lessons"))["items"]] == [drive.lesson_id]
        assert (await client.get(f"/lessons/{drive.lesson_id}"))["id"] == drive.lesson_id
        await client.get(f"/lessons/{other.lesson_id}", expect=404)
    await drive.instructor.patch(f"/lessons/{other.lesson_id}", {"version": 1, "rating": 1}, expect=404)
    await student.patch(f"/lessons/{drive.lesson_id}", {"version": 1, "rating": 5}, expect=403)
    await student.post(f"/bookings/{other.booking['id']}/start", expect=403)


async def test_lessons_are_found_by_time_and_person(school: School) -> None:
    first = await running_drive(school)
    await first.complete()
    second = await running_drive(school, first.ready)
    day = second.booking["start_at"]

    async def ids(query: str) -> list[str]:
        return [row["id"] for row in (await school.get(f"/lessons?{query}"))["items"]]

    assert await ids("") == [second.lesson_id, first.lesson_id]
    assert await ids(f"from={day}") == [second.lesson_id]
    assert await ids(f"to={day}") == [first.lesson_id]
    assert await ids(f"instructor_id={first.ready.instructor['id']}") == [second.lesson_id, first.lesson_id]
    assert await ids(f"student_id={first.ready.instructor['id']}") == []
    assert await ids(f"booking_id={first.booking['id']}") == [first.lesson_id]
    page = await school.get("/lessons?limit=1")
    following = await school.get(f"/lessons?limit=1&cursor={page['next_cursor']}")
    assert [row["id"] for row in page["items"] + following["items"]] == [second.lesson_id, first.lesson_id]


async def test_lessons_of_another_school_are_not_there(school: School, other_school: School) -> None:
    drive = await running_drive(school)

    await other_school.get(f"/lessons/{drive.lesson_id}", expect=404)
    await other_school.patch(f"/lessons/{drive.lesson_id}", {"version": 1, "rating": 1}, expect=404)
    await other_school.get(f"/api/v1/orgs/{school.org_id}/lessons/{drive.lesson_id}", expect=404)
    assert (await other_school.get("/lessons"))["items"] == []
