"""Calendar feeds from their making to the phone that subscribes: who may, what is in them, when they end."""

import base64
import re
import secrets
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from icalendar import Calendar
from structlog.testing import capture_logs

from driveflow.calendars import reading, service
from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.cast import Cast, cast_of, trail
from support.schools import MONDAY_10_SYDNEY, Client, Clock, Ready, School

ALIKE = re.compile(r'"request_id":"[^"]*"')


@pytest.fixture
async def cast(school: School) -> Cast:
    return await cast_of(school)


@pytest.fixture
async def ready(school: School, cast: Cast) -> Ready:
    """The cast's instructor, who works every day, the cast's student, and a service."""
    week = [{"day_of_week": day, "start_minute": 480, "end_minute": 1080} for day in range(7)]
    await school.put(f"/instructors/{cast.instructor_row['id']}/availability", week)
    return Ready(cast.instructor_row, cast.student_row, await school.add_service("60-min Lesson"))


async def booked(school: School, ready: Ready, *, days: float = 1, **more: Any) -> dict[str, Any]:
    start_at = MONDAY_10_SYDNEY + timedelta(days=days)
    return await school.book(ready, start_at, override_hours=True, **more)


async def make_feed(client: Client, **whose: str) -> str:
    """Make a feed and return its path."""
    made = await client.post("/calendar-feeds", whose)
    url: str = made["url"]
    assert url.startswith("http://localhost:8000/calendar/dfc_")
    return url.removeprefix("http://localhost:8000")


async def fetch(http: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    return await http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def events_of(http: httpx.AsyncClient, path: str) -> list[Any]:
    answer = await fetch(http, path)
    assert answer.status_code == 200, answer.text
    parsed: Any = Calendar.from_ical(answer.content)
    return list(parsed.events)


async def summaries(http: httpx.AsyncClient, path: str) -> list[str]:
    return [str(event["summary"]) for event in await events_of(http, path)]


async def test_each_person_subscribes_to_their_own_lessons_and_the_school_to_all(
    school: School, cast: Cast, ready: Ready, http: httpx.AsyncClient
) -> None:
    other, stranger = await school.add_instructor("Bo Other"), await school.add_student("Eve Else")
    others = Ready(other, stranger, ready.service)
    notes: dict[str, Any] = {"notes": "Bring glasses", "pickup_address": "1 High St"}
    own = await cast.student.post("/bookings", ready.booking(MONDAY_10_SYDNEY + timedelta(days=1), **notes))
    await booked(school, others, days=2, **notes)

    [event] = await events_of(http, await make_feed(cast.instructor))
    assert event["uid"] == own["id"]
    assert event["summary"] == "Own Student: 60-min Lesson (requested)"
    assert event["description"] == "Notes: Bring glasses"
    assert event["location"] == "1 High St"
    assert event.start == MONDAY_10_SYDNEY + timedelta(days=1)
    assert await summaries(http, await make_feed(cast.student)) == [
        "60-min Lesson with Own Instructor (requested)"
    ]
    assert await summaries(http, await make_feed(cast.guardian)) == [
        "Own Student: 60-min Lesson with Own Instructor (requested)"
    ]
    for client in (school, cast.admin):
        path = await make_feed(client)
        assert await summaries(http, path) == [
            "Own Student with Own Instructor: 60-min Lesson (requested)",
            "Eve Else with Bo Other: 60-min Lesson",
        ]
        assert b"glasses" not in (await fetch(http, path)).content
    # Staff make feeds for others, and hand the address over.
    path = await make_feed(cast.admin, student_id=others.student["id"])
    assert await summaries(http, path) == ["60-min Lesson with Bo Other"]
    path = await make_feed(cast.admin, instructor_id=others.instructor["id"])
    assert await summaries(http, path) == ["Eve Else: 60-min Lesson"]


async def test_the_students_phone_is_in_the_instructors_feed_only(
    school: School, http: httpx.AsyncClient
) -> None:
    student = await school.add_student("Alex", phone="0400 000 111")
    ready = Ready(await school.add_instructor(), student, await school.add_service())
    await booked(school, ready)
    instructors = await make_feed(school, instructor_id=ready.instructor["id"])
    assert b"+61400000111" in (await fetch(http, instructors)).content
    for path in (await make_feed(school), await make_feed(school, student_id=student["id"])):
        assert b"400000111" not in (await fetch(http, path)).content


async def test_a_feed_is_served_privately_and_only_when_it_has_changed(
    school: School, cast: Cast, ready: Ready, http: httpx.AsyncClient, clock: Clock
) -> None:
    booking = await booked(school, ready)
    path = await make_feed(cast.student)
    first = await fetch(http, path)
    assert first.headers["content-type"] == "text/calendar; charset=utf-8"
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["content-disposition"] == 'inline; filename="lessons.ics"'
    assert parsedate_to_datetime(first.headers["last-modified"]) == clock.now
    etag = first.headers["etag"]

    clock.advance(hours=5)
    again = await fetch(http, path)
    assert (again.content, again.headers["etag"]) == (first.content, etag)
    for mark in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        known = await fetch(http, path, If_None_Match=mark)
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert (await fetch(http, path, If_None_Match='"other"')).status_code == 200
    # A date alone proves nothing: a name may have changed without the lesson.
    since = await fetch(http, path, If_Modified_Since=first.headers["last-modified"])
    assert since.status_code == 200

    await school.patch(f"/bookings/{booking['id']}", {"version": 1, "pickup_address": "2 New St"})
    changed = await fetch(http, path, If_None_Match=etag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert parsedate_to_datetime(changed.headers["last-modified"]) == clock.now
    row = await school.get(f"/instructors/{ready.instructor['id']}")
    await school.patch(
        f"/instructors/{row['id']}", {"version": row["version"], "display_name": "Renamed Instructor"}
    )
    renamed = await fetch(http, path, If_None_Match=changed.headers["etag"])
    assert renamed.status_code == 200
    assert b"Renamed Instructor" in renamed.content


async def test_a_move_keeps_the_uid_and_raises_the_sequence_and_a_cancellation_takes_the_lesson_out(
    school: School, cast: Cast, ready: Ready, http: httpx.AsyncClient
) -> None:
    booking = await booked(school, ready)
    path = await make_feed(cast.instructor)
    [before] = await events_of(http, path)
    move = {"start_at": (MONDAY_10_SYDNEY + timedelta(days=3)).isoformat(), "version": 1}
    await school.post(f"/bookings/{booking['id']}/reschedule", move | {"override_hours": True}, expect=200)
    [after] = await events_of(http, path)
    assert after["uid"] == before["uid"]
    assert after["sequence"] > before["sequence"]
    assert after.start == MONDAY_10_SYDNEY + timedelta(days=3)
    assert after["status"] == "CONFIRMED"
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    assert await events_of(http, path) == []


async def test_a_feed_holds_ninety_past_days_and_reaches_to_the_horizon(
    school: School, cast: Cast, ready: Ready, http: httpx.AsyncClient, clock: Clock
) -> None:
    await booked(school, ready, days=1)
    await school.patch("", {"version": 1, "horizon_days": 30})
    path = await make_feed(cast.instructor)
    for days, shown in ((0, 1), (-29, 1), (-30, 0), (91, 1), (92, 0)):
        clock.now = MONDAY_10_SYDNEY + timedelta(days=days)
        assert len(await events_of(http, path)) == shown, days


async def test_of_more_lessons_than_a_calendar_takes_those_nearest_to_today_are_served(
    school: School,
    ready: Ready,
    http: httpx.AsyncClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bookings = [await booked(school, ready, days=days) for days in range(1, 7)]
    clock.advance(days=3)
    monkeypatch.setattr(reading, "MAX_LESSONS", 3)
    events = await events_of(http, await make_feed(school))
    assert [event["uid"] for event in events] == [booking["id"] for booking in bookings[1:4]]


async def test_a_token_that_is_wrong_foreign_revoked_or_malformed_gets_the_same_404(
    school: School, other_school: School, cast: Cast, http: httpx.AsyncClient
) -> None:
    revoked = await make_feed(cast.student)
    assert (await fetch(http, revoked)).status_code == 200
    [feed] = (await cast.student.get("/calendar-feeds"))["items"]
    await cast.student.delete(f"/calendar-feeds/{feed['id']}")
    await cast.student.delete(f"/calendar-feeds/{feed['id']}")
    live = await make_feed(school)
    raw = base64.urlsafe_b64decode(live.removeprefix("/calendar/dfc_").removesuffix(".ics") + "==")

    def path(org_id: UUID, secret: bytes) -> str:
        return f"/calendar/dfc_{base64.urlsafe_b64encode(org_id.bytes + secret).decode().rstrip('=')}.ics"

    assert path(school.org_id, raw[16:]) == live
    answers = [
        await fetch(http, wrong)
        for wrong in (
            revoked,
            path(school.org_id, secrets.token_bytes(24)),
            path(other_school.org_id, raw[16:]),
            path(uuid4(), raw[16:]),
            "/calendar/dfc_short.ics",
            "/calendar/dfc_!!!.ics",
            f"/calendar/{school.key}.ics",
            live.replace("dfc_", "dfk_"),
        )
    ]
    seen = {(answer.status_code, ALIKE.sub("", answer.text)) for answer in answers}
    assert len(seen) == 1
    assert answers[0].json()["code"] == "not_found"
    assert (await fetch(http, live)).status_code == 200


async def test_the_secret_is_shown_once_and_kept_nowhere(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first = await school.post("/calendar-feeds", {}, headers=key)
    assert await school.post("/calendar-feeds", {}, headers=key) == {**first, "url": None}
    token = first["url"].rpartition("/")[2].removesuffix(".ics")
    assert first["hint"] == token[-4:]
    [listed] = (await school.get("/calendar-feeds"))["items"]
    assert listed == {name: value for name, value in first.items() if name != "url"}
    for table in ("calendar_feeds", "audit_logs", "outbox"):
        rows = await owner_connection.fetchval(
            f"SELECT string_agg(t::text, '') FROM {table} t WHERE org_id = $1", school.org_id
        )
        assert token not in (rows or "")
    assert [row[0] for row in await trail(school, "CalendarFeed", first["id"])] == ["CALENDAR_FEED_CREATED"]
    await school.delete(f"/calendar-feeds/{first['id']}")
    assert [row[0] for row in await trail(school, "CalendarFeed", first["id"])][1:] == [
        "CALENDAR_FEED_REVOKED"
    ]


async def test_the_log_names_the_route_and_not_the_secret(
    school: School, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    path = await make_feed(school)
    app = create_app(Settings(_env_file=None), database, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
        with capture_logs() as logs:
            assert (await fetch(http, path)).status_code == 200
    [line] = [line for line in logs if line["event"] == "request"]
    assert line["path"] == "/calendar/{token}.ics"
    assert path not in f"{logs}{caplog.text}"


async def test_instructors_students_and_guardians_handle_their_own_feeds_only(
    school: School, cast: Cast, ready: Ready
) -> None:
    stranger = await school.add_student("Stranger")
    other = await school.add_instructor("Other")
    for client in cast.outside_office:
        await client.post("/calendar-feeds", {"student_id": stranger["id"]}, expect=404)
        await client.post("/calendar-feeds", {"instructor_id": other["id"]}, expect=404)
    await cast.instructor.post("/calendar-feeds", {"student_id": ready.student["id"]}, expect=404)
    await cast.student.post("/calendar-feeds", {"instructor_id": ready.instructor["id"]}, expect=404)
    both = {"student_id": stranger["id"], "instructor_id": other["id"]}
    assert (await school.post("/calendar-feeds", both, expect=422))["errors"][0]["field"] == "student_id"

    made = {
        "instructor": await cast.instructor.post("/calendar-feeds", {}),
        "student": await cast.student.post("/calendar-feeds", {"student_id": ready.student["id"]}),
        "guardian": await cast.guardian.post("/calendar-feeds", {}),
        "school": await school.post("/calendar-feeds", {}),
    }
    clients = {"instructor": cast.instructor, "student": cast.student, "guardian": cast.guardian}
    for name, client in clients.items():
        seen = [feed["id"] for feed in (await client.get("/calendar-feeds"))["items"]]
        # A guardian also sees what a student under her care has; not the other way round.
        wanted = ["student", "guardian"] if name == "guardian" else [name]
        assert seen == [made[who]["id"] for who in wanted]
        for foreign in set(made) - set(wanted):
            await client.delete(f"/calendar-feeds/{made[foreign]['id']}", expect=404)
    listed = [feed["reader"] for feed in (await school.get("/calendar-feeds"))["items"]]
    assert listed == ["instructor", "student", "guardian", "school"]
    for feed in made.values():
        await school.delete(f"/calendar-feeds/{feed['id']}")
    assert (await school.get("/calendar-feeds"))["items"] == []


async def test_a_guardian_of_two_says_which_and_loses_the_feed_with_the_link(
    school: School, cast: Cast, http: httpx.AsyncClient
) -> None:
    second = await school.add_student("Second Child")
    await school.post(f"/students/{second['id']}/guardians", {"guardian_id": cast.guardian_row["id"]})
    guardian = await school.as_role("guardian", guardian_id=cast.guardian_row["id"])
    problem = await guardian.post("/calendar-feeds", {}, expect=422)
    assert problem["errors"][0]["field"] == "student_id"
    path = await make_feed(guardian, student_id=second["id"])
    assert (await fetch(http, path)).status_code == 200
    await school.delete(f"/students/{second['id']}/guardians/{cast.guardian_row['id']}")
    assert (await fetch(http, path)).status_code == 404


async def test_a_members_feed_of_the_school_ends_with_the_membership(
    school: School, http: httpx.AsyncClient, owner_connection: asyncpg.Connection
) -> None:
    member = await school.post("/members", {"email": f"{secrets.token_hex(4)}@x.example", "role": "admin"})
    made = await school.post("/calendar-feeds", {})
    await owner_connection.execute(
        "UPDATE calendar_feeds SET user_id = $1 WHERE id = $2", UUID(member["user_id"]), UUID(made["id"])
    )
    path = made["url"].removeprefix("http://localhost:8000")
    assert (await fetch(http, path)).status_code == 200
    await school.patch(f"/members/{member['id']}", {"role": "instructor"})
    assert (await fetch(http, path)).status_code == 404
    await school.patch(f"/members/{member['id']}", {"role": "admin"})
    assert (await fetch(http, path)).status_code == 200
    await school.delete(f"/members/{member['id']}")
    assert (await fetch(http, path)).status_code == 404


async def test_forgotten_feeds_do_not_pile_up(
    school: School, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_FEEDS", 2)
    feeds = [await cast.student.post("/calendar-feeds", {}) for _ in range(2)]
    assert (await cast.student.post("/calendar-feeds", {}, expect=409))["code"] == "too_many_feeds"
    await cast.guardian.post("/calendar-feeds", {})
    await school.post("/calendar-feeds", {})
    await cast.student.delete(f"/calendar-feeds/{feeds[0]['id']}")
    await cast.student.post("/calendar-feeds", {})


async def test_guesses_count_against_their_address_and_a_good_token_has_its_own_rate(
    cast: Cast, database: Database, clock: Clock
) -> None:
    path = await make_feed(cast.student)
    limited = Settings(_env_file=None, rate_limit_address_per_min=3, rate_limit_key_per_min=100)
    app = create_app(limited, database, clock=clock, access_log=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
        assert (await fetch(http, path)).status_code == 200
        guesses = [(await fetch(http, f"/calendar/dfc_{number}.ics")).status_code for number in range(4)]
        assert guesses == [404, 404, 404, 429]
        assert (await fetch(http, path)).status_code == 200
