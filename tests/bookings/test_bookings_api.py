"""Bookings through the API: making, reading, moving and cancelling them."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from support.schools import Clock, Ready, School

TOMORROW_9 = datetime(2026, 8, 3, 23, 0, tzinfo=UTC)  # Tuesday 09:00 in Sydney


@pytest.fixture
async def ready(school: School) -> Ready:
    return await school.ready()


async def test_staff_book_a_confirmed_lesson_with_its_price_snapshot(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9, pickup_address="1 Example St", notes="first lesson")
    assert booking["status"] == "confirmed"
    assert booking["hold_expires_at"] is None
    assert (booking["start_at"], booking["end_at"]) == ("2026-08-03T23:00:00Z", "2026-08-04T00:00:00Z")
    assert booking["time_zone"] == "Australia/Sydney"
    assert (booking["price_cents"], booking["platform_fee_cents"], booking["instructor_share_cents"]) == (
        9500,
        475,
        9025,
    )
    assert booking["cancellation_tiers"][0] == {"hours_before": 24, "fee_percent": 0}
    assert await school.get(f"/bookings/{booking['id']}") == booking


async def test_a_second_booking_of_the_slot_is_refused_with_its_reason(school: School, ready: Ready) -> None:
    await school.book(ready, TOMORROW_9)
    other = Ready(ready.instructor, await school.add_student("Second Student"), ready.service)
    problem = await school.book(other, TOMORROW_9 + timedelta(minutes=30), expect=409)
    assert problem["code"] == "instructor_busy"
    assert problem["status"] == 409
    same_student = Ready(await school.add_instructor("Other"), ready.student, ready.service)
    problem = await school.book(same_student, TOMORROW_9, expect=409)
    assert problem["code"] == "student_busy"


@pytest.mark.parametrize(
    ("start_at", "code"),
    [
        (datetime(2026, 8, 3, 20, 0, tzinfo=UTC), "outside_hours"),
        (datetime(2026, 8, 3, 23, 10, tzinfo=UTC), "off_grid"),
        (datetime(2026, 8, 3, 0, 15, tzinfo=UTC), "too_soon"),
        (datetime(2026, 8, 2, 23, 0, tzinfo=UTC), "too_soon"),
        (datetime(2027, 8, 2, 23, 0, tzinfo=UTC), "too_far"),
    ],
)
async def test_a_time_that_slots_do_not_offer_is_refused_unless_staff_override_it(
    school: School, ready: Ready, start_at: datetime, code: str
) -> None:
    problem = await school.book(ready, start_at, expect=409)
    assert problem["code"] == code
    booking = await school.book(ready, start_at, override_hours=True)
    trail = await school.get(f"/bookings/{booking['id']}/events")
    assert trail[0]["after"]["override_hours"] is True


async def test_a_student_requests_and_staff_confirm(school: School, ready: Ready, clock: Clock) -> None:
    student = await school.as_role("student", student_id=ready.student["id"])
    booking = await student.post("/bookings", ready.booking(TOMORROW_9))
    assert booking["status"] == "requested"
    assert booking["hold_expires_at"] == (clock.now + timedelta(minutes=30)).isoformat().replace(
        "+00:00", "Z"
    )
    await student.post(f"/bookings/{booking['id']}/confirm", expect=403)
    confirmed = await school.post(f"/bookings/{booking['id']}/confirm", expect=200)
    assert (confirmed["status"], confirmed["version"], confirmed["hold_expires_at"]) == ("confirmed", 2, None)
    again = await school.post(f"/bookings/{booking['id']}/confirm", expect=200)
    assert again["version"] == 2
    actions = [event["action"] for event in await school.get(f"/bookings/{booking['id']}/events")]
    assert actions == ["BOOKING_CREATED", "BOOKING_CONFIRMED"]


async def test_a_student_books_for_nobody_else_and_never_overrides(school: School, ready: Ready) -> None:
    student = await school.as_role("student", student_id=ready.student["id"])
    stranger = Ready(ready.instructor, await school.add_student("Stranger"), ready.service)
    await student.post("/bookings", stranger.booking(TOMORROW_9), expect=404)
    problem = await student.post("/bookings", ready.booking(TOMORROW_9, override_hours=True), expect=403)
    assert problem["code"] == "forbidden"


async def test_a_guardian_books_only_when_the_school_allows_it(school: School, ready: Ready) -> None:
    link = await school.add_guardian(ready.student["id"], can_book=False)
    guardian_id = link.get("guardian_id") or link["id"]
    guardian = await school.as_role("guardian", guardian_id=guardian_id)
    await guardian.post("/bookings", ready.booking(TOMORROW_9), expect=403)
    await school.patch(f"/students/{ready.student['id']}/guardians/{guardian_id}", {"can_book": True})
    booking = await guardian.post("/bookings", ready.booking(TOMORROW_9))
    assert booking["status"] == "requested"


async def test_an_instructor_books_own_lessons_only(school: School, ready: Ready) -> None:
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    assert (await instructor.post("/bookings", ready.booking(TOMORROW_9)))["status"] == "requested"
    colleague = Ready(await school.add_instructor("Colleague"), ready.student, ready.service)
    await instructor.post("/bookings", colleague.booking(TOMORROW_9 + timedelta(hours=2)), expect=403)


async def test_a_service_without_a_price_cannot_be_booked(school: School, ready: Ready) -> None:
    free = Ready(ready.instructor, ready.student, await school.add_service(price_cents=None))
    assert (await school.book(free, TOMORROW_9, expect=409))["code"] == "no_price"


async def test_inactive_instructors_and_services_take_no_bookings(school: School, ready: Ready) -> None:
    await school.patch(
        f"/services/{ready.service['id']}", {"active": False, "version": ready.service["version"]}
    )
    assert (await school.book(ready, TOMORROW_9, expect=409))["code"] == "service_inactive"
    other = Ready(ready.instructor, ready.student, await school.add_service())
    await school.patch(
        f"/instructors/{ready.instructor['id']}", {"active": False, "version": ready.instructor["version"]}
    )
    assert (await school.book(other, TOMORROW_9, expect=409))["code"] == "instructor_inactive"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"start_at": "2026-08-04T09:00:00"}, "start_at"),
        ({"start_at": "2026-08-03T23:00:30Z"}, "start_at"),
        ({"student_id": "nobody"}, "student_id"),
        ({"pickup_lat": 91, "pickup_lng": 0}, "pickup_lat"),
        ({"surprise": 1}, "surprise"),
        ({"repeat": {"weeks": 99}}, "repeat.weeks"),
        ({"notes": "a\u0000b"}, "notes"),
    ],
)
async def test_wrong_input_names_its_field(
    school: School, ready: Ready, change: dict[str, object], field: str
) -> None:
    body = {**ready.booking(TOMORROW_9), **change}
    problem = await school.post("/bookings", body, expect=422)
    assert problem["errors"][0]["field"] == field


async def test_a_series_answers_per_date(school: School, ready: Ready) -> None:
    taken = Ready(ready.instructor, await school.add_student("Earlier Bird"), ready.service)
    await school.book(taken, TOMORROW_9 + timedelta(weeks=2))
    series = await school.post("/bookings", {**ready.booking(TOMORROW_9), "repeat": {"weeks": 4}})
    assert [item["booked"] for item in series["items"]] == [True, True, False, True]
    assert series["items"][2]["code"] == "instructor_busy"
    assert (series["booked"], series["refused"]) == (3, 1)
    ids = {item["booking"]["series_id"] for item in series["items"] if item["booked"]}
    assert len(ids) == 1
    page = await school.get("/bookings", params={"student_id": ready.student["id"]})
    assert len(page["items"]) == 3


async def test_a_series_keeps_its_wall_time_over_the_change_of_clocks(
    school: School, ready: Ready, clock: Clock
) -> None:
    clock.now = datetime(2026, 9, 20, 0, 0, tzinfo=UTC)
    start = datetime(2026, 9, 28, 23, 0, tzinfo=UTC)  # Tuesday 09:00, clocks change on 4 October
    series = await school.post("/bookings", {**ready.booking(start), "repeat": {"weeks": 2}})
    assert [item["local_start"] for item in series["items"]] == ["2026-09-29T09:00:00", "2026-10-06T09:00:00"]
    assert [item["start_at"] for item in series["items"]] == ["2026-09-28T23:00:00Z", "2026-10-05T22:00:00Z"]


async def test_a_series_skips_a_wall_time_that_the_clocks_skip(school: School, clock: Clock) -> None:
    clock.now = datetime(2026, 9, 20, 0, 0, tzinfo=UTC)
    ready = Ready(
        await school.add_instructor(hours=(0, 1440)), await school.add_student(), await school.add_service()
    )
    start = datetime(2026, 9, 26, 16, 30, tzinfo=UTC)  # Sunday 02:30, a week before 02:30 does not exist
    series = await school.post("/bookings", {**ready.booking(start), "repeat": {"weeks": 3}})
    assert [item["code"] for item in series["items"]] == [None, "time_does_not_exist", None]


async def test_cancelling_costs_what_the_quote_said(school: School, ready: Ready, clock: Clock) -> None:
    student = await school.as_role("student", student_id=ready.student["id"])
    booking = await school.book(ready, TOMORROW_9)
    clock.now = TOMORROW_9 - timedelta(hours=24)
    assert (await student.get(f"/bookings/{booking['id']}/cancellation-quote"))["fee_cents"] == 0
    clock.now = TOMORROW_9 - timedelta(hours=3)
    quote = await student.get(f"/bookings/{booking['id']}/cancellation-quote")
    assert (quote["fee_cents"], quote["percent"], quote["is_late"], quote["by"]) == (
        4750,
        50,
        True,
        "student",
    )
    cancelled = await student.post(f"/bookings/{booking['id']}/cancel", {"reason": "sick"}, expect=200)
    assert (cancelled["status"], cancelled["fee_cents"], cancelled["cancelled_by"]) == (
        "cancelled",
        4750,
        "student",
    )
    again = await student.post(f"/bookings/{booking['id']}/cancel", {}, expect=200)
    assert again["version"] == cancelled["version"]
    assert (await school.book(ready, TOMORROW_9))["status"] == "confirmed"


async def test_the_school_cancels_free_of_charge_and_must_say_why(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9)
    problem = await school.post(f"/bookings/{booking['id']}/cancel", {}, expect=422)
    assert problem["errors"][0]["field"] == "reason"
    cancelled = await school.post(
        f"/bookings/{booking['id']}/cancel", {"reason": "car broke down"}, expect=200
    )
    assert (cancelled["fee_cents"], cancelled["cancelled_by"]) == (0, "school")


async def test_staff_cancel_for_a_student_at_the_students_fee_and_may_waive_it(
    school: School, ready: Ready, clock: Clock
) -> None:
    first = await school.book(ready, TOMORROW_9)
    second = await school.book(ready, TOMORROW_9 + timedelta(minutes=60))
    clock.now = TOMORROW_9 - timedelta(hours=3)
    quote = await school.get(f"/bookings/{first['id']}/cancellation-quote", params={"for_student": True})
    assert quote["fee_cents"] == 4750
    call = {"reason": "called in sick", "for_student": True}
    charged = await school.post(f"/bookings/{first['id']}/cancel", call, expect=200)
    assert (charged["fee_cents"], charged["cancelled_by"]) == (4750, "student")
    waived = await school.post(f"/bookings/{second['id']}/cancel", {**call, "waive_fee": True}, expect=200)
    assert (waived["fee_cents"], waived["fee_waived_by"]) == (0, str(school.owner_user_id))
    later = await school.post(f"/bookings/{first['id']}/waive-fee", {"reason": "goodwill"}, expect=200)
    assert (later["fee_cents"], later["fee_waived_by"]) == (0, str(school.owner_user_id))
    again = await school.post(f"/bookings/{first['id']}/waive-fee", {"reason": "goodwill"}, expect=200)
    assert again["version"] == later["version"]
    student = await school.as_role("student", student_id=ready.student["id"])
    await student.post(f"/bookings/{first['id']}/waive-fee", {"reason": "please"}, expect=403)
    third = await school.book(ready, TOMORROW_9)
    await student.post(f"/bookings/{third['id']}/cancel", call, expect=403)
    problem = await school.post(f"/bookings/{third['id']}/waive-fee", {"reason": "x"}, expect=409)
    assert problem["code"] == "no_fee"


async def test_final_statuses_refuse_other_moves(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9)
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "x"}, expect=200)
    for move in ("confirm", "start", "no-show"):
        problem = await school.post(f"/bookings/{booking['id']}/{move}", expect=409)
        assert problem["code"] == "invalid_transition"
    problem = await school.post(
        f"/bookings/{booking['id']}/reschedule",
        {"start_at": (TOMORROW_9 + timedelta(hours=3)).isoformat(), "version": 2},
        expect=409,
    )
    assert problem["code"] == "invalid_transition"


async def test_a_no_show_costs_the_full_price_after_a_quarter_of_an_hour(
    school: School, ready: Ready, clock: Clock
) -> None:
    booking = await school.book(ready, TOMORROW_9)
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    clock.now = TOMORROW_9 + timedelta(minutes=14)
    assert (await instructor.post(f"/bookings/{booking['id']}/no-show", expect=409))["code"] == "too_early"
    clock.advance(minutes=1)
    missed = await instructor.post(f"/bookings/{booking['id']}/no-show", expect=200)
    assert (missed["status"], missed["fee_cents"]) == ("no_show", 9500)


async def test_a_booking_moves_with_its_version_and_keeps_its_price(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9)
    colleague = await school.add_instructor("Colleague")
    later = (TOMORROW_9 + timedelta(hours=3)).isoformat()
    path = f"/bookings/{booking['id']}/reschedule"
    stale = await school.post(path, {"start_at": later, "version": 7}, expect=409)
    assert (stale["code"], stale["current_version"]) == ("stale_version", 1)
    moved = await school.post(
        path, {"start_at": later, "instructor_id": colleague["id"], "version": 1}, expect=200
    )
    assert (moved["start_at"], moved["instructor_id"], moved["version"], moved["price_cents"]) == (
        "2026-08-04T02:00:00Z",
        colleague["id"],
        2,
        9500,
    )
    same = await school.post(path, {"start_at": later, "version": 2}, expect=200)
    assert same["version"] == 2


async def test_a_booking_may_move_onto_its_own_time_but_onto_nobody_elses(
    school: School, ready: Ready
) -> None:
    booking = await school.book(ready, TOMORROW_9)
    other = Ready(ready.instructor, await school.add_student("Other"), ready.service)
    await school.book(other, TOMORROW_9 + timedelta(hours=2))
    path = f"/bookings/{booking['id']}/reschedule"
    half = (TOMORROW_9 + timedelta(minutes=30)).isoformat()
    await school.post(path, {"start_at": half, "version": 1}, expect=200)
    taken = (TOMORROW_9 + timedelta(hours=2)).isoformat()
    assert (await school.post(path, {"start_at": taken, "version": 2}, expect=409))[
        "code"
    ] == "instructor_busy"


async def test_students_cannot_move_late_but_staff_can(school: School, ready: Ready, clock: Clock) -> None:
    booking = await school.book(ready, TOMORROW_9)
    student = await school.as_role("student", student_id=ready.student["id"])
    clock.now = TOMORROW_9 - timedelta(hours=5)
    move = {"start_at": (TOMORROW_9 + timedelta(days=1)).isoformat(), "version": 1}
    problem = await student.post(f"/bookings/{booking['id']}/reschedule", move, expect=409)
    assert (problem["code"], problem["fee_cents"]) == ("late_move", 4750)
    await school.post(f"/bookings/{booking['id']}/reschedule", move, expect=200)
    trail = await school.get(f"/bookings/{booking['id']}/events")
    assert trail[-1]["after"]["late"] is True


async def test_everyone_sees_their_own_bookings_only(school: School, ready: Ready) -> None:
    mine = await school.book(ready, TOMORROW_9)
    colleague = Ready(await school.add_instructor("Colleague"), await school.add_student("B"), ready.service)
    theirs = await school.book(colleague, TOMORROW_9)
    student = await school.as_role("student", student_id=ready.student["id"])
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    for client in (student, instructor):
        page = await client.get("/bookings")
        assert [row["id"] for row in page["items"]] == [mine["id"]]
        await client.get(f"/bookings/{theirs['id']}", expect=404)
        await client.post(f"/bookings/{theirs['id']}/cancel", {"reason": "x"}, expect=404)


async def test_the_list_pages_through_all_bookings_with_names(school: School, ready: Ready) -> None:
    starts = [TOMORROW_9 + timedelta(hours=2 * number) for number in range(4)]
    booked = [(await school.book(ready, start))["id"] for start in starts]
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = await school.get("/bookings", params=params)
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == booked
    row = (await school.get("/bookings"))["items"][0]
    assert (row["student_name"], row["instructor_name"], row["start_at"]) == (
        "Alex Student",
        "Casey Instructor",
        "2026-08-03T23:00:00Z",
    )
    window = {"from": starts[1].isoformat(), "to": starts[3].isoformat(), "status": "confirmed"}
    assert len((await school.get("/bookings", params=window))["items"]) == 2
    await school.get("/bookings", params={"cursor": "x"}, expect=422)


async def test_notes_and_addresses_change_with_the_version(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9)
    changed = await school.patch(
        f"/bookings/{booking['id']}",
        {"version": 1, "notes": "bring glasses", "pickup_lat": -33.8, "pickup_lng": 151.2},
    )
    assert (changed["notes"], changed["pickup_lat"], changed["version"]) == ("bring glasses", -33.8, 2)
    await school.patch(f"/bookings/{booking['id']}", {"version": 1, "notes": "x"}, expect=409)


async def test_a_booking_and_its_events_are_written_together(
    school: School, ready: Ready, owner_connection: asyncpg.Connection
) -> None:
    student = await school.as_role("student", student_id=ready.student["id"])
    booking = await student.post("/bookings", ready.booking(TOMORROW_9))
    rows = await owner_connection.fetch(
        "SELECT topic, available_at, payload::jsonb ->> 'booking_id' AS id FROM outbox WHERE org_id = $1 "
        "AND topic LIKE 'booking.%' ORDER BY available_at",
        school.org_id,
    )
    assert [(row["topic"], row["id"]) for row in rows] == [
        ("booking.created", booking["id"]),
        ("booking.hold_due", booking["id"]),
    ]
    await student.post("/bookings", ready.booking(TOMORROW_9), expect=409)
    count = await owner_connection.fetchval(
        "SELECT count(*) FROM outbox WHERE org_id = $1 AND topic LIKE 'booking.%'", school.org_id
    )
    assert count == 2


async def test_the_version_may_come_in_the_header_if_match(school: School, ready: Ready) -> None:
    booking = await school.book(ready, TOMORROW_9)
    path = f"/bookings/{booking['id']}"
    changed = await school.patch(path, {"notes": "x"}, headers={"If-Match": '"1"'})
    assert changed["version"] == 2
    await school.patch(path, {"notes": "y"}, headers={"If-Match": '"1"'}, expect=409)
    for headers in ({}, {"If-Match": "*"}):
        problem = await school.patch(path, {"notes": "y"}, headers=headers, expect=422)
        assert problem["errors"][0]["field"] == "version"


async def test_learners_see_the_price_but_not_its_split(school: School, ready: Ready) -> None:
    student = await school.as_role("student", student_id=ready.student["id"])
    booking = await student.post("/bookings", ready.booking(TOMORROW_9))
    assert (booking["price_cents"], booking["platform_fee_cents"], booking["instructor_share_cents"]) == (
        9500,
        None,
        None,
    )
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    assert (await instructor.get(f"/bookings/{booking['id']}"))["instructor_share_cents"] == 9025
