import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import asyncpg
import gpxpy
import pytest

from support.drives import Drive, northwards, running_drive
from support.schools import School


async def recorded_drive(
    school: School, count: int = 100
) -> tuple[Drive, dict[str, Any], list[dict[str, Any]]]:
    """Return a running lesson ten minutes in, its running trip, and the fixes sent so far."""
    drive = await running_drive(school)
    trip = await drive.trip()
    points = northwards(school.clock.now, count)
    school.clock.advance(minutes=10)
    assert await drive.send(trip, points) == {"accepted": count, "duplicates": 0, "rejected": []}
    return drive, trip, points


async def test_a_lesson_is_recorded_from_start_to_end(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    drive, trip, _ = await recorded_drive(school)
    assert trip["ended_at"] is None
    school.clock.advance(minutes=40)

    stopped = await drive.instructor.post(f"/trips/{trip['id']}/stop", expect=200)
    lesson = await drive.complete(rating=5)

    assert stopped["distance_m"] == pytest.approx(1980, abs=5)
    assert stopped["duration_sec"] == 198
    assert lesson["distance_m"] == stopped["distance_m"]
    assert lesson["duration_sec"] == 3000
    log = await school.get("/audit-log?entity_type=Trip")
    assert [row["action"] for row in log["items"]] == ["TRIP_STOPPED", "TRIP_STARTED"]
    assert log["items"][0]["after"]["distance_m"] == stopped["distance_m"]
    topics = await owner_connection.fetch(
        "SELECT payload FROM outbox WHERE org_id = $1 AND topic = 'trip.stopped'", school.org_id
    )
    assert len(topics) == 1
    assert trip["id"] in topics[0]["payload"]


async def test_stopping_again_changes_nothing(school: School) -> None:
    drive, trip, _ = await recorded_drive(school)
    first = await drive.instructor.post(f"/trips/{trip['id']}/stop", expect=200)
    school.clock.advance(minutes=5)

    assert await drive.instructor.post(f"/trips/{trip['id']}/stop", expect=200) == first


async def test_completing_stops_the_open_trip_and_adds_all_trips_up(school: School) -> None:
    drive, first, _ = await recorded_drive(school)
    await drive.instructor.post(f"/trips/{first['id']}/stop", expect=200)
    school.clock.advance(minutes=1)
    second = await drive.trip()
    points = northwards(school.clock.now, 51)
    school.clock.advance(minutes=5)
    await drive.send(second, points)

    lesson = await drive.complete()

    trips = await school.get(f"/lessons/{drive.lesson_id}/trips")
    assert [trip["id"] for trip in trips] == [first["id"], second["id"]]
    assert trips[1]["ended_at"] == lesson["ended_at"]
    assert lesson["distance_m"] == trips[0]["distance_m"] + trips[1]["distance_m"]
    assert trips[1]["distance_m"] == pytest.approx(1000, abs=5)


async def test_starting_while_a_trip_runs_returns_it_with_a_new_token(school: School) -> None:
    drive = await running_drive(school)
    first = await drive.trip()

    again = await drive.instructor.post(f"/lessons/{drive.lesson_id}/trips", expect=200)

    assert again["id"] == first["id"]
    assert again["device_token"] != first["device_token"]
    assert len(await school.get(f"/lessons/{drive.lesson_id}/trips")) == 1


async def test_phones_that_start_at_once_share_one_trip(school: School) -> None:
    drive = await running_drive(school)
    path = f"/lessons/{drive.lesson_id}/trips"

    answers = await asyncio.gather(*(drive.instructor.request("POST", path) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_trip_needs_a_lesson_that_runs(school: School) -> None:
    drive = await running_drive(school)
    await drive.complete()

    refused = await drive.instructor.post(f"/lessons/{drive.lesson_id}/trips", expect=409)

    assert refused["code"] == "lesson_not_running"


async def test_sending_a_batch_again_stores_nothing_twice(school: School) -> None:
    drive, trip, points = await recorded_drive(school)

    assert await drive.send(trip, points) == {"accepted": 0, "duplicates": 100, "rejected": []}
    assert await drive.send(trip, points[:50]) == {"accepted": 0, "duplicates": 50, "rejected": []}
    assert len((await school.get(f"/trips/{trip['id']}/points"))["items"]) == 100


async def test_the_same_batch_from_many_requests_at_once_is_stored_once(school: School) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    points = northwards(school.clock.now, 100)
    school.clock.advance(minutes=10)

    answers = await asyncio.gather(*(drive.send(trip, points) for _ in range(8)))

    assert sum(answer["accepted"] for answer in answers) == 100
    assert sum(answer["duplicates"] for answer in answers) == 700


async def test_bad_fixes_are_refused_one_by_one_with_their_reason(school: School) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    points = northwards(school.clock.now, 8)
    school.clock.advance(seconds=60)
    points[1]["lat"] = 91.0
    points[2]["accuracy_m"] = 500
    points[3]["ts"] = "2026-01-01T00:00:00Z"
    points[4]["lng"] = 150.0
    points[5]["ts"] = (school.clock.now + timedelta(hours=1)).isoformat()
    points[6]["ts"] = "0001-01-01T00:00:00+10:00"

    answer = await drive.send(trip, points)

    assert answer["accepted"] == 2
    assert [(row["index"], row["reason"]) for row in answer["rejected"]] == [
        (1, "out_of_range"),
        (2, "inaccurate"),
        (3, "before_trip"),
        (4, "impossible_speed"),
        (5, "in_future"),
        (6, "before_trip"),
    ]
    assert answer["rejected"][2]["message"] == "The fix is from before the trip."


@pytest.mark.parametrize("ts", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
async def test_a_batch_from_the_end_of_the_calendar_is_refused_calmly(school: School, ts: str) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()

    answer = await drive.send(trip, [{"ts": ts, "lat": -33.9, "lng": 151.2}])

    assert len(answer["rejected"]) == 1


async def test_two_phones_record_one_trip(school: School) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    began = school.clock.now
    school.clock.advance(minutes=10)
    track = northwards(began, 100)

    first = await drive.send(trip, track[::2])
    second = await drive.send(trip, track[1::2])

    assert first["accepted"] + second["accepted"] == 100
    stored = (await school.get(f"/trips/{trip['id']}/points"))["items"]
    assert [datetime.fromisoformat(point["ts"]) for point in stored] == [
        datetime.fromisoformat(point["ts"]) for point in track
    ]


async def test_a_batch_must_fit_the_fixes_stored_around_it(school: School) -> None:
    drive, trip, _ = await recorded_drive(school)
    last = school.clock.now
    far_away = {"ts": (last - timedelta(minutes=6, seconds=40)).isoformat(), "lat": -34.9, "lng": 151.2}
    await drive.send(trip, northwards(last, 2))

    answer = await drive.send(trip, [far_away])

    assert answer["rejected"][0]["reason"] == "impossible_speed"


async def test_late_batches_of_a_stopped_trip_count(school: School) -> None:
    drive, trip, points = await recorded_drive(school, count=250)
    missing = northwards(datetime.fromisoformat(points[-1]["ts"]) + timedelta(seconds=2), 40)
    for point in missing:
        point["lat"] = round(point["lat"] + points[-1]["lat"] + 33.9 + 0.00018, 6)
    stopped = await drive.instructor.post(f"/trips/{trip['id']}/stop", expect=200)
    completed = await drive.complete()
    school.clock.advance(hours=5)

    late = await drive.send(trip, missing)
    beyond = await drive.send(trip, northwards(school.clock.now, 3))

    assert late["accepted"] == 40
    assert [row["reason"] for row in beyond["rejected"]] == ["after_trip"] * 3
    after = await school.get(f"/trips/{trip['id']}")
    lesson = await school.get(f"/lessons/{drive.lesson_id}")
    assert after["distance_m"] == pytest.approx(stopped["distance_m"] + 800, abs=25)
    assert after["duration_sec"] == 578
    assert after["ended_at"] == stopped["ended_at"]
    assert completed["distance_m"] == stopped["distance_m"]
    assert lesson["distance_m"] == after["distance_m"]


async def test_a_late_batch_leaves_the_distance_of_a_running_lesson_open(school: School) -> None:
    drive, trip, points = await recorded_drive(school)
    await drive.instructor.post(f"/trips/{trip['id']}/stop", expect=200)
    between = {
        **points[0],
        "ts": (datetime.fromisoformat(points[0]["ts"]) + timedelta(seconds=1)).isoformat(),
    }

    assert (await drive.send(trip, [between]))["accepted"] == 1

    assert (await school.get(f"/lessons/{drive.lesson_id}"))["distance_m"] is None


async def test_many_late_batches_at_once_all_count(school: School) -> None:
    drive, trip, _ = await recorded_drive(school, count=1)
    began = datetime.fromisoformat(trip["started_at"])
    await drive.complete()
    track = northwards(began, 280)

    answers = await asyncio.gather(*(drive.send(trip, track[i : i + 40]) for i in range(0, 280, 40)))

    assert sum(answer["accepted"] for answer in answers) == 279
    after = await school.get(f"/trips/{trip['id']}")
    assert after["distance_m"] == pytest.approx(5580, abs=10)
    assert (await school.get(f"/lessons/{drive.lesson_id}"))["distance_m"] == after["distance_m"]


async def test_a_stop_measures_every_batch_that_was_acknowledged(school: School) -> None:
    drive, trip, _ = await recorded_drive(school, count=1)
    began = datetime.fromisoformat(trip["started_at"])
    track = northwards(began, 280)
    path = f"/trips/{trip['id']}/stop"

    _, *answers = await asyncio.gather(
        drive.instructor.post(path, expect=200),
        *(drive.send(trip, track[i : i + 40]) for i in range(0, 280, 40)),
    )

    assert sum(answer["accepted"] for answer in answers) == 279
    assert (await school.get(f"/trips/{trip['id']}"))["distance_m"] == pytest.approx(5580, abs=10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lat": "north"}, "3.lat"),
        ({"lat": None}, "3.lat"),
        ({"ts": "yesterday"}, "3.ts"),
        ({"ts": "2026-08-03T10:00:00"}, "3.ts"),
        ({"ts": 1785715200}, "3.ts"),
        ({"speed_kph": []}, "3.speed_kph"),
        ({"altitude": 3}, "3"),
    ],
)
async def test_a_malformed_fix_is_named(school: School, change: dict[str, Any], field: str) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    points = northwards(school.clock.now, 4)
    points[3].update(change)

    refused = await drive.send(trip, points, expect=422)

    assert refused["code"] == "invalid_input"
    assert refused["errors"][0]["field"] == field


async def test_a_batch_holds_one_to_a_thousand_fixes(school: School) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()
    track = northwards(school.clock.now, 1001, step_sec=1)
    school.clock.advance(minutes=17)

    assert (await drive.send(trip, track, expect=422))["errors"][0]["field"] == "body"
    assert (await drive.send(trip, [], expect=422))["errors"][0]["field"] == "body"
    assert (await drive.send(trip, track[:1000]))["accepted"] == 1000


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[", "application/json", 400),
        (b'[{"\xff": 1}]', "application/json", 400),
        (b"[" * 100_000, "application/json", 422),
        (b"{}", "application/json", 422),
        (b'[{"ts": "2026-08-04T00:00:00Z", "lat": 1e999, "lng": 1}]', "application/json", 422),
        (b"[]", "text/plain", 415),
        (b"[]", "", 415),
    ],
)
async def test_what_is_not_a_batch_is_refused(school: School, content: bytes, kind: str, status: int) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()

    answer = await drive.instructor.request(
        "POST", f"/trips/{trip['id']}/points", content=content, headers={"Content-Type": kind}
    )

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_tracks_json_comes_in_pages(school: School) -> None:
    _, trip, points = await recorded_drive(school)
    path = f"/trips/{trip['id']}/points"

    whole = await school.get(path)
    first = await school.get(f"{path}?limit=60")
    rest = await school.get(f"{path}?limit=60&cursor={first['next_cursor']}")

    assert whole["next_cursor"] is None
    assert rest["next_cursor"] is None
    assert first["items"] + rest["items"] == whole["items"]
    assert whole["items"][0] == {
        "ts": points[0]["ts"].replace("+00:00", "Z"),
        "lat": -33.9,
        "lng": 151.2,
        "speed_kph": 36.0,
        "accuracy_m": None,
    }


async def test_a_track_is_written_as_gpx(school: School) -> None:
    _, trip, points = await recorded_drive(school)

    answer = await school.request(
        "GET",
        f"/trips/{trip['id']}/points",
        expect=200,
        headers={"Accept": "text/html;q=0.5, application/gpx+xml"},
    )

    assert answer.headers["content-type"].startswith("application/gpx+xml")
    assert answer.headers["vary"] == "Accept"
    assert trip["id"] in answer.headers["content-disposition"]
    assert ET.fromstring(answer.text).attrib["version"] == "1.1"  # noqa: S314 - our own document
    track = gpxpy.parse(answer.text).tracks[0]
    assert len(track.segments[0].points) == 100
    assert track.segments[0].points[0].time == datetime.fromisoformat(points[0]["ts"])
    assert track.length_2d() == pytest.approx(1980, rel=0.01)


async def test_a_track_is_written_as_geojson(school: School) -> None:
    _, trip, _ = await recorded_drive(school)

    answer = await school.request(
        "GET", f"/trips/{trip['id']}/points", expect=200, headers={"Accept": "application/geo+json"}
    )

    feature = answer.json()
    assert answer.headers["content-type"] == "application/geo+json"
    assert feature["geometry"]["type"] == "LineString"
    assert feature["geometry"]["coordinates"][0] == [151.2, -33.9]
    assert len(feature["properties"]["coordTimes"]) == 100
    assert feature["properties"]["lesson_id"] == trip["lesson_id"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/gpx+xml;q=0.2, application/json;q=0.9", "application/json"),
        ("application/gpx+xml;q=high, application/json", "application/json"),
        ("application/gpx+xml;q=0", "application/json"),
        ("application/json;q=0.1, APPLICATION/GEO+JSON; q=0.8", "application/geo+json"),
    ],
)
async def test_the_format_is_what_the_client_likes_best(school: School, accept: str, kind: str) -> None:
    drive = await running_drive(school)
    trip = await drive.trip()

    answer = await school.request(
        "GET", f"/trips/{trip['id']}/points", expect=200, headers={"Accept": accept}
    )

    assert answer.headers["content-type"] == kind


async def test_learners_see_their_own_trips_and_write_none(school: School) -> None:
    drive, trip, _ = await recorded_drive(school)
    stranger = await running_drive(school)
    student = await school.as_role("student", student_id=drive.ready.student["id"])
    guardian_row = await school.add_guardian(drive.ready.student["id"])
    guardian = await school.as_role("guardian", guardian_id=guardian_row["id"])
    other = await school.as_role("student", student_id=stranger.ready.student["id"])

    for reader in (student, guardian):
        assert (await reader.get(f"/trips/{trip['id']}"))["id"] == trip["id"]
        assert len((await reader.get(f"/trips/{trip['id']}/points"))["items"]) == 100
        assert len(await reader.get(f"/lessons/{drive.lesson_id}/trips")) == 1
        await reader.post(f"/lessons/{drive.lesson_id}/trips", expect=403)
        await reader.post(f"/trips/{trip['id']}/stop", expect=403)
        await reader.post(f"/trips/{trip['id']}/points", northwards(school.clock.now, 1), expect=403)
    await other.get(f"/trips/{trip['id']}", expect=404)
    await other.get(f"/trips/{trip['id']}/points", expect=404)
    await other.get(f"/lessons/{drive.lesson_id}/trips", expect=404)


async def test_instructors_record_their_own_lessons_only(school: School) -> None:
    drive, trip, _ = await recorded_drive(school)
    stranger = (await running_drive(school)).instructor
    points = northwards(school.clock.now, 1)

    await stranger.post(f"/lessons/{drive.lesson_id}/trips", expect=404)
    await stranger.post(f"/trips/{trip['id']}/stop", expect=404)
    await stranger.post(f"/trips/{trip['id']}/points", points, expect=404)
    await stranger.get(f"/trips/{trip['id']}/points", expect=404)
    assert (await school.post(f"/trips/{trip['id']}/points", points, expect=200))["accepted"] == 1


async def test_trips_of_another_school_are_not_there(school: School, other_school: School) -> None:
    drive, trip, _ = await recorded_drive(school)
    points = northwards(school.clock.now, 1)

    for prefix in ("", f"/api/v1/orgs/{school.org_id}"):
        await other_school.get(f"{prefix}/trips/{trip['id']}", expect=404)
        await other_school.get(f"{prefix}/trips/{trip['id']}/points", expect=404)
        await other_school.post(f"{prefix}/trips/{trip['id']}/points", points, expect=404)
        await other_school.post(f"{prefix}/trips/{trip['id']}/stop", expect=404)
        await other_school.post(f"{prefix}/lessons/{drive.lesson_id}/trips", expect=404)
    nobody = await school.http.post(f"/api/v1/orgs/{school.org_id}/trips/{trip['id']}/points", json=points)
    assert nobody.status_code == 401


async def test_a_trip_across_midnight_of_the_month_is_one_track(school: School) -> None:
    school.clock.now = datetime(2026, 8, 30, 23, 30, tzinfo=UTC)
    drive = await running_drive(school)
    school.clock.advance(minutes=29)
    trip = await drive.trip()
    points = northwards(school.clock.now, 100)
    school.clock.advance(minutes=10)
    await drive.send(trip, points[50:])
    await drive.send(trip, points[:50])

    assert len((await school.get(f"/trips/{trip['id']}/points"))["items"]) == 100
