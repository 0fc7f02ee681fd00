from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.trips import device_tokens
from support.drives import Drive, northwards, running_drive
from support.schools import School


async def tracked_drive(school: School) -> tuple[Drive, dict[str, Any]]:
    drive = await running_drive(school)
    trip = await drive.trip()
    school.clock.advance(minutes=1)
    return drive, trip


def report(trip: dict[str, Any], school: School, **more: object) -> dict[str, Any]:
    """Return the parameters of one fix, as Traccar Client 8 sends them."""
    return {
        "id": trip["device_token"],
        "lat": -33.9,
        "lon": 151.2,
        "timestamp": int(school.clock.now.timestamp()),
        "speed": 20,
        "accuracy": 5,
        **more,
    }


async def stored_points(school: School, trip: dict[str, Any]) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = (await school.get(f"/trips/{trip['id']}/points"))["items"]
    return points


async def test_a_report_in_the_query_is_stored_without_a_key(school: School) -> None:
    _, trip = await tracked_drive(school)

    answer = await school.http.get("/gps/osmand", params=report(trip, school))

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert await stored_points(school, trip) == [
        {
            "ts": school.clock.now.isoformat().replace("+00:00", "Z"),
            "lat": -33.9,
            "lng": 151.2,
            "speed_kph": 37.04,
            "accuracy_m": 5.0,
        }
    ]


async def test_a_report_may_be_posted_in_query_form_or_both(school: School) -> None:
    _, trip = await tracked_drive(school)
    second = report(trip, school, timestamp=int(school.clock.now.timestamp()) - 5)
    third = report(trip, school, timestamp=int(school.clock.now.timestamp()) - 10)
    token = {"id": third.pop("id")}

    answers = [
        await school.http.post("/gps/osmand", params=report(trip, school)),
        await school.http.post("/gps/osmand", data=second),
        await school.http.post("/gps/osmand", params=token, data=third),
    ]

    assert [answer.json()["accepted"] for answer in answers] == [1, 1, 1]
    assert len(await stored_points(school, trip)) == 3


async def test_a_report_in_json_is_stored(school: School) -> None:
    _, trip = await tracked_drive(school)
    body = {
        "device_id": trip["device_token"],
        "location": {
            "timestamp": school.clock.now.isoformat(),
            "coords": {"latitude": -33.9, "longitude": 151.2, "speed": 10, "accuracy": 4, "heading": 90},
            "is_moving": True,
        },
    }

    first = await school.http.post("/gps/osmand", json=body)
    again = await school.http.post("/gps/osmand", json=body)

    assert first.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert again.json() == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert (await stored_points(school, trip))[0]["speed_kph"] == 36.0


async def test_a_refused_fix_is_answered_with_200_so_that_the_phone_goes_on(school: School) -> None:
    _, trip = await tracked_drive(school)

    answer = await school.http.get("/gps/osmand", params=report(trip, school, accuracy=2000))

    assert answer.status_code == 200
    assert answer.json()["rejected"][0]["reason"] == "inaccurate"


async def test_a_heartbeat_without_a_position_is_fine(school: School) -> None:
    _, trip = await tracked_drive(school)

    answer = await school.http.get("/gps/osmand", params={"id": trip["device_token"]})
    unknown = await school.http.get("/gps/osmand", params={"id": device_tokens.new_token(school.org_id)})

    assert answer.json() == {"accepted": 0, "duplicates": 0, "rejected": []}
    assert unknown.status_code == 404


async def test_a_stopped_trip_takes_what_the_phone_had_buffered_and_ignores_the_rest(school: School) -> None:
    drive, trip = await tracked_drive(school)
    await drive.send(trip, northwards(school.clock.now - timedelta(seconds=40), 10))
    buffered = report(trip, school)
    school.clock.advance(minutes=10)
    await drive.complete()
    school.clock.advance(hours=1)

    late = await school.http.get("/gps/osmand", params=buffered)
    after = await school.http.get("/gps/osmand", params=report(trip, school))

    assert late.json()["accepted"] == 1
    assert after.status_code == 200
    assert after.json()["rejected"][0]["reason"] == "after_trip"


async def test_a_token_stops_working_when_the_trip_gets_a_new_one(school: School) -> None:
    drive, trip = await tracked_drive(school)
    renewed = await drive.instructor.post(f"/lessons/{drive.lesson_id}/trips", expect=200)

    old = await school.http.get("/gps/osmand", params=report(trip, school))
    new = await school.http.get("/gps/osmand", params=report(renewed, school))

    assert old.status_code == 404
    assert new.status_code == 200


@pytest.mark.parametrize(
    "token",
    ["123456", "dft_", "dft_x", "dft_é", "dfk_" + "A" * 54, "dft_" + "A" * 54, "dft_" + "A" * 53 + "!"],
)
async def test_an_unknown_token_is_not_found(school: School, token: str) -> None:
    _, trip = await tracked_drive(school)

    answer = await school.http.get("/gps/osmand", params=report(trip, school, id=token))

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_another_schools_token_reaches_only_its_own_trip(school: School, other_school: School) -> None:
    _, ours = await tracked_drive(school)
    other_school.clock.now = school.clock.now - timedelta(days=1)
    _, theirs = await tracked_drive(other_school)

    answer = await school.http.get("/gps/osmand", params=report(theirs, other_school))

    assert answer.json()["accepted"] == 1
    assert await stored_points(school, ours) == []


@pytest.mark.parametrize(
    ("params", "field"),
    [({}, "id"), ({"id": "x", "lat": "1"}, "timestamp"), ({"id": "x", "lat": "n"}, "timestamp")],
)
async def test_a_malformed_report_names_what_is_wrong(
    school: School, params: dict[str, str], field: str
) -> None:
    answer = await school.http.get("/gps/osmand", params=params)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'"\xff', "application/json", 400),
        (b"[" * 50, "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 422),
        (b"a=1&" * 200, "application/x-www-form-urlencoded", 422),
    ],
)
async def test_an_unreadable_body_is_refused(school: School, content: bytes, kind: str, status: int) -> None:
    answer = await school.http.post("/gps/osmand", content=content, headers={"Content-Type": kind})

    assert answer.status_code == status, answer.text


async def test_guessing_tokens_is_limited_by_address_and_a_real_token_is_not(
    school: School, database: Database
) -> None:
    _, trip = await tracked_drive(school)
    app = create_app(
        Settings(_env_file=None, rate_limit_address_per_min=5), database, clock=school.clock, access_log=False
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://driveflow.test"
    ) as phone:
        for _ in range(10):
            assert (await phone.get("/gps/osmand", params=report(trip, school))).status_code == 200
        guesses = [
            (await phone.get("/gps/osmand", params={"id": f"guess-{number}"})).status_code
            for number in range(8)
        ]
        still = await phone.get("/gps/osmand", params=report(trip, school))

    assert guesses == [404] * 5 + [429] * 3
    assert still.status_code == 200


def test_a_token_carries_its_school_and_nothing_else_readable() -> None:
    org_id = uuid4()

    token = device_tokens.new_token(org_id)

    assert device_tokens.org_of_token(token) == org_id
    assert len(token) == 58
    assert token != device_tokens.new_token(org_id)
    assert len(device_tokens.hash_of(token)) == 32
