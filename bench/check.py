"""Same answers first: DriveFlow against the peer on slots and weeks, and one winner among racing POSTs.

The questions are those of the peer's own check.py.
"""

import json
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from bench import ids

SCHOOLS = (0, 1, 2, 3, 57)
DAYS = (7, 31, 59)  # 2026-03-09, 04-02 (the clocks go back in its week) and 04-30
SERVICES = (0, 1, 3)
RACERS = 16
RACES = 4
POINTS = 50
# DriveFlow prints no milliseconds, and names things by snake_case; the facts are these.
Slot = tuple[str, datetime, datetime]
Row = tuple[str, datetime, datetime, str, str, str, str, int, str | None]


def check_answers(driveflow: str, peer: str) -> int:
    """Return how many questions both answered alike; raises AssertionError at the first that they did not."""
    asked = 0
    for school in SCHOOLS:
        for day in DAYS:
            for service in SERVICES:
                ours, theirs = (
                    _our_slots(driveflow, school, service, day),
                    _peer_slots(peer, school, service, day),
                )
                _assert_same(f"slots of school {school}, service {service}, day {day}", ours, theirs)
                asked += 1
            week, peer_week = _our_week(driveflow, school, day), _peer_week(peer, school, day)
            _assert_same(f"week of school {school}, day {day}", week, peer_week)
            asked += 1
    return asked


def check_race(driveflow: str) -> None:
    """Raise AssertionError unless one of many racing POSTs wins each slot and all others get 409."""
    for hour in range(RACES):
        body = {
            "student_id": str(ids.student(0, hour)),
            "instructor_id": str(ids.instructor(0, 0)),
            "service_id": str(ids.service(0, 1)),
            "start_at": f"2090-05-0{hour + 1}T00:00:00Z",
        }
        with ThreadPoolExecutor(RACERS) as pool:
            posts = [pool.submit(_post, driveflow, 0, "/bookings", body) for _ in range(RACERS)]
            answers = Counter(post.result()[0] for post in posts)
        if answers != {HTTPStatus.CREATED: 1, HTTPStatus.CONFLICT: RACERS - 1}:
            raise AssertionError(f"{RACERS} racing POSTs of one slot answered {dict(answers)}")


def check_points(driveflow: str) -> None:
    """Raise AssertionError unless a batch of points is accepted whole (the server's time must allow it)."""
    trip, school = ids.point_trips()[0]
    points = [
        {"ts": f"2031-01-01T00:00:{second:02}.000Z", "lat": -33.8, "lng": 151.2, "speed_kph": 40.5}
        for second in range(POINTS)
    ]
    status, answer = _post(driveflow, school, f"/trips/{trip}/points", points)
    if status >= HTTPStatus.BAD_REQUEST or answer.get("accepted") != POINTS:
        raise AssertionError(f"{POINTS} points answered {status}: {answer}")


def _our_slots(base: str, school: int, service: int, day: int) -> list[Slot]:
    since, until = ids.midnight(school, day), ids.midnight(school, day + 7)
    query = f"service_id={ids.service(school, service)}&from={since}&to={until}"
    answer = _get(f"{base}/api/v1/orgs/{ids.org(school)}/slots?{query}", school)
    return sorted(
        (slot["instructor_id"], _instant(slot["start_at"]), _instant(slot["end_at"]))
        for slot in answer["slots"]
    )


def _peer_slots(base: str, school: int, service: int, day: int) -> list[Slot]:
    query = f"serviceId={ids.service(school, service)}&from={_date(day)}&days=7"
    answer = _get(f"{base}/orgs/{ids.org(school)}/slots?{query}")
    return sorted(
        (slot["instructorId"], _instant(slot["startAt"]), _instant(slot["endAt"])) for slot in answer["slots"]
    )


def _our_week(base: str, school: int, day: int) -> list[Row]:
    query = f"from={_date(day)}T00:00:00Z&to={_date(day + 7)}T00:00:00Z&limit=1000"
    answer = _get(f"{base}/api/v1/orgs/{ids.org(school)}/bookings?{query}", school)
    return [
        (
            row["id"],
            _instant(row["start_at"]),
            _instant(row["end_at"]),
            row["status"],
            row["student_name"],
            row["instructor_name"],
            row["service_name"],
            row["price_cents"],
            row["pickup_address"],
        )
        for row in answer["items"]
    ]


def _peer_week(base: str, school: int, day: int) -> list[Row]:
    answer = _get(f"{base}/orgs/{ids.org(school)}/bookings?from={_date(day)}")
    return [
        (
            row["id"],
            _instant(row["startAt"]),
            _instant(row["endAt"]),
            row["status"],
            row["student"],
            row["instructor"],
            row["service"],
            row["priceCents"],
            row["pickupAddress"],
        )
        for row in answer["bookings"]
    ]


def _assert_same(question: str, ours: list[Any], theirs: list[Any]) -> None:
    if ours != theirs:
        only_ours, only_theirs = [x for x in ours if x not in theirs], [x for x in theirs if x not in ours]
        raise AssertionError(
            f"{question}: DriveFlow has {len(ours)}, the peer {len(theirs)}; "
            f"only DriveFlow: {only_ours[:2]}, only the peer: {only_theirs[:2]}"
        )


def _date(day: int) -> date:
    return ids.day(day).date()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _get(url: str, school: int | None = None) -> dict[str, Any]:
    headers = {} if school is None else _key(school)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:  # noqa: S310 - our own server
        found: dict[str, Any] = json.load(answer)
        return found


def _post(base: str, school: int, path: str, body: object) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{base}/api/v1/orgs/{ids.org(school)}{path}",
        json.dumps(body).encode(),
        {**_key(school), "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def _key(school: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {ids.api_key(ids.org(school))}"}
