"""What people hear of their bookings, over the API, the worker and real SMTP."""

from datetime import timedelta
from typing import Any

from support.post_office import PostOffice, calendar_of, html_of, messages, text_of
from support.schools import MONDAY_10_SYDNEY, Clock, Ready, School

TOMORROW_10 = MONDAY_10_SYDNEY + timedelta(days=1)
ALEX = "alex@learners.example"
PAT = "pat@families.example"


async def family(school: School, **guardian: Any) -> Ready:
    """A student with a guardian, both by mail."""
    ready = Ready(
        await school.add_instructor(),
        await school.add_student(email=ALEX, phone="+61491570156"),
        await school.add_service("Hour & more"),
    )
    await school.add_guardian(ready.student["id"], email=PAT, **guardian)
    return ready


async def test_a_booking_tells_its_people_by_mail_with_a_calendar_file(
    school: School, post: PostOffice
) -> None:
    ready = await family(school)
    booked = await school.book(ready, TOMORROW_10, pickup_address="1 High St, Bondi")
    await post.work()
    [mail] = post.mails(ALEX)
    assert "confirmed" in str(mail["Subject"])
    text = text_of(mail)
    assert "Tuesday, 4 August 2026 at 10:00 am (Australian Eastern Standard Time)" in text
    assert "1 High St, Bondi" in text
    assert "$95.00" in text
    assert "Hour &amp; more" in html_of(mail)
    file = calendar_of(mail)
    [event] = file.events
    assert file["method"] == "PUBLISH"
    assert (event["uid"], event["sequence"]) == (booked["id"], 0)
    assert post.subjects(PAT) == [str(mail["Subject"])]
    assert mail["Message-ID"] == f"<{(await messages(school))[0]['id']}@driveflow.example>"
    told = await messages(school)
    assert {(row["recipient_kind"], row["status"]) for row in told} == {
        ("student", "sent"),
        ("guardian", "sent"),
        ("instructor", "failed"),
    }
    [failed] = [row for row in told if row["recipient_kind"] == "instructor"]
    assert failed["error"] == "no channel (email: no address; sms: no address)"


async def test_a_move_updates_the_calendar_file_and_a_cancellation_withdraws_it_with_the_fee(
    school: School, post: PostOffice
) -> None:
    ready = await family(school)
    booked = await school.book(ready, TOMORROW_10)
    moved = await school.post(
        f"/bookings/{booked['id']}/reschedule",
        {"start_at": (TOMORROW_10 + timedelta(hours=2)).isoformat(), "version": 1},
        expect=200,
    )
    await post.work()
    await school.post(f"/bookings/{booked['id']}/cancel", {"reason": "Ill", "for_student": True}, expect=200)
    await post.work()
    _, move, cancellation = post.mails(ALEX)
    [event] = calendar_of(move).events
    assert (event["uid"], event["sequence"]) == (booked["id"], moved["version"] - 1)
    file = calendar_of(cancellation)
    [event] = file.events
    assert (file["method"], event["status"], event["sequence"]) == ("CANCEL", "CANCELLED", 2)
    assert "Reason: Ill" in text_of(cancellation)


async def test_a_late_cancellation_names_its_fee_to_those_who_pay_only(
    school: School, post: PostOffice, clock: Clock
) -> None:
    instructor = await school.add_instructor(phone="+61491570157")
    ready = Ready(instructor, await school.add_student(email=ALEX), await school.add_service())
    booked = await school.book(ready, TOMORROW_10)
    await post.work()
    clock.advance(hours=20)
    await school.post(f"/bookings/{booked['id']}/cancel", {"reason": "Ill", "for_student": True}, expect=200)
    await post.work()
    cancellation = post.mails(ALEX)[-1]
    assert "A cancellation fee of $47.50 applies." in text_of(cancellation)
    assert len(post.texts("+61491570157")) == 1  # it is six in the morning: what came before
    clock.advance(hours=2)
    await post.work()
    [_, text] = post.texts("+61491570157")
    assert "cancelled" in text.body
    assert "$" not in text.body


async def test_an_instructor_who_loses_a_lesson_to_another_is_told(school: School, post: PostOffice) -> None:
    number = "+61491570158"
    former = await school.add_instructor("Casey Instructor", phone=number)
    other = await school.add_instructor("Robin Relief", phone="+61491570159")
    ready = Ready(former, await school.add_student(email=ALEX), await school.add_service())
    booked = await school.book(ready, TOMORROW_10)
    await school.post(
        f"/bookings/{booked['id']}/reschedule",
        {"start_at": TOMORROW_10.isoformat(), "instructor_id": other["id"], "version": 1},
        expect=200,
    )
    await post.work()
    [row] = await messages(school, recipient_id=former["id"])
    assert row["template_key"] == "booking_handed_over"
    assert "now on Tue, 4 Aug, 10:00 am AEST with Robin Relief" in row["body"]
    told = {row["template_key"] for row in await messages(school, recipient_id=other["id"])}
    assert told == {"booking_confirmed", "booking_moved"}


async def test_a_finished_lesson_is_summed_up_with_a_link_to_its_route(
    school: School, post: PostOffice, clock: Clock
) -> None:
    ready = await family(school)
    booked = await school.book(ready, TOMORROW_10)
    clock.now = TOMORROW_10
    started = await school.post(f"/bookings/{booked['id']}/start", expect=200)
    clock.advance(minutes=55)
    await school.post(f"/bookings/{booked['id']}/complete", {"rating": 4, "notes": "Calm."}, expect=200)
    await post.work()
    summary = text_of(post.mails(PAT)[-1])
    assert "Duration: 55 min" in summary
    assert "Rating: 4 of 5" in summary
    assert "Notes: Calm." in summary
    assert f"https://driveflow.example/me/lessons/{started['lesson_id']}" in summary


async def test_a_missed_lesson_is_told_with_its_fee_and_a_request_that_ran_out_without_one(
    school: School, post: PostOffice, clock: Clock
) -> None:
    ready = await family(school)
    learner = await school.as_role("student", student_id=ready.student["id"])
    await learner.post("/bookings", ready.booking(TOMORROW_10 + timedelta(hours=3)))
    booked = await school.book(ready, TOMORROW_10)
    await post.work()
    clock.advance(minutes=31)
    await post.work()
    clock.now = TOMORROW_10 + timedelta(minutes=16)
    await school.post(f"/bookings/{booked['id']}/no-show", expect=200)
    await post.work()
    told = {str(mail["Subject"]).split(":")[0]: text_of(mail) for mail in post.mails(ALEX)}
    assert "is held until Monday, 3 August 2026 at 10:30 am" in told["Lesson requested"]
    assert "not confirmed in time" in told["Lesson cancelled"]
    assert "A fee of $95.00 applies." in told["Lesson missed"]


async def test_the_school_hears_of_requests_at_its_own_address(school: School, post: PostOffice) -> None:
    ready = await family(school)
    await school.patch("", {"version": 1, "email": "desk@school.example"})
    learner = await school.as_role("student", student_id=ready.student["id"])
    booked = await learner.post("/bookings", ready.booking(TOMORROW_10))
    await post.work()
    [mail] = post.mails("desk@school.example")
    assert f"/o/{school.org_id}/bookings/{booked['id']}" in text_of(mail)
    [told] = post.mails(ALEX)
    assert told["Reply-To"] == "desk@school.example"
