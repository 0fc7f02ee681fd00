"""Reminders: due before the lesson, and never for one that was moved, cancelled or is over."""

from datetime import timedelta

from driveflow.core.actor import system_actor
from driveflow.core.db import Database
from driveflow.messaging.announcing import remind
from driveflow.messaging.outlets import Outlets
from support.post_office import PostOffice, messages, text_of
from support.schools import MONDAY_10_SYDNEY, Clock, Ready, School

IN_THREE_DAYS = MONDAY_10_SYDNEY + timedelta(days=3, hours=4)  # Thursday 14:00
ALEX = "alex@learners.example"
PHONE = "+61491570156"


async def booked(school: School, start_at: object = IN_THREE_DAYS, **student: str) -> dict[str, object]:
    ready = Ready(
        await school.add_instructor(),
        await school.add_student(**{"email": ALEX, **student}),
        await school.add_service(),
    )
    return await school.book(ready, start_at)  # type: ignore[arg-type]  # a datetime, from the default


async def reminders(school: School) -> list[dict[str, object]]:
    return await messages(school, template_key="reminder")


async def test_a_confirmed_lesson_is_reminded_of_a_day_and_two_hours_before(
    school: School, post: PostOffice, clock: Clock
) -> None:
    await booked(school)
    await post.work()
    clock.now = IN_THREE_DAYS - timedelta(hours=24, minutes=1)
    await post.work()
    assert await reminders(school) == []
    clock.advance(minutes=1)
    await post.work()
    assert [row["status"] for row in await reminders(school)] == ["sent"]
    clock.now = IN_THREE_DAYS - timedelta(hours=2)
    await post.work()
    await post.work()
    assert [row["status"] for row in await reminders(school)] == ["sent", "sent"]
    mail = post.mails(ALEX)[-1]
    assert "Reminder" in str(mail["Subject"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(mail["List-Unsubscribe"]).strip("<>")
    assert link.startswith("https://driveflow.example/unsubscribe/")
    assert link in text_of(mail)


async def test_a_moved_lesson_is_reminded_of_at_its_new_time_only(
    school: School, post: PostOffice, clock: Clock
) -> None:
    booking = await booked(school)
    await post.work()
    later = IN_THREE_DAYS + timedelta(days=1)
    await school.post(
        f"/bookings/{booking['id']}/reschedule", {"start_at": later.isoformat(), "version": 1}, expect=200
    )
    await post.work()
    clock.now = IN_THREE_DAYS - timedelta(minutes=1)
    await post.work()
    assert await reminders(school) == []
    clock.advance(minutes=1)
    await post.work()
    assert len(await reminders(school)) == 1  # a day before the new time
    clock.now = later - timedelta(hours=2)
    await post.work()
    told = await reminders(school)
    assert [row["status"] for row in told] == ["sent", "sent"]
    assert all("Friday, 7 August 2026" in str(row["body"]) for row in told)


async def test_a_lesson_that_was_moved_away_and_back_is_still_reminded_of_once(
    school: School, post: PostOffice, clock: Clock
) -> None:
    booking = await booked(school)
    await post.work()
    for number, start_at in enumerate((IN_THREE_DAYS + timedelta(days=1), IN_THREE_DAYS), 1):
        await school.post(
            f"/bookings/{booking['id']}/reschedule",
            {"start_at": start_at.isoformat(), "version": number},
            expect=200,
        )
        await post.work()
    clock.now = IN_THREE_DAYS - timedelta(hours=1)
    await post.work()
    assert len(await reminders(school)) == 2


async def test_a_change_that_leaves_the_lesson_where_it_is_costs_no_reminder(
    school: School, post: PostOffice, clock: Clock
) -> None:
    booking = await booked(school)
    await post.work()
    await school.patch(f"/bookings/{booking['id']}", {"notes": "Bring glasses", "version": 1})
    clock.now = IN_THREE_DAYS - timedelta(hours=2)
    await post.work()
    assert len(await reminders(school)) == 2


async def test_a_cancelled_lesson_is_not_reminded_of(school: School, post: PostOffice, clock: Clock) -> None:
    booking = await booked(school)
    await post.work()
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    clock.now = IN_THREE_DAYS - timedelta(hours=1)
    await post.work()
    assert await reminders(school) == []


async def test_a_reminder_that_waited_too_long_to_be_sent_is_dropped(
    school: School, post: PostOffice, clock: Clock, worker_database: Database
) -> None:
    # Written before the cancellation, and due to be sent after it.
    booking = await booked(school, preferred_channel="sms", phone=PHONE)
    await post.work()
    clock.now = IN_THREE_DAYS - timedelta(hours=2)
    async with worker_database.session(school.org_id) as session:
        payload = {
            "booking_id": str(booking["id"]),
            "start_at": IN_THREE_DAYS.isoformat(),
            "minutes_before": 120,
            "means": "any",
        }
        actor = system_actor(school.org_id)
        await remind(session, actor, payload, Outlets.of(post.settings), now=clock())
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await post.work()
    [row] = await reminders(school)
    assert row["status"] == "failed"
    assert row["error"] == "not sent: the booking is not confirmed any more"
    assert not any("reminder" in text.body for text in post.texts(PHONE))


async def test_an_early_lesson_is_reminded_of_by_phone_the_evening_before(
    school: School, post: PostOffice, clock: Clock
) -> None:
    early = MONDAY_10_SYDNEY + timedelta(days=1, hours=-2)  # Tuesday 8:00
    await booked(school, early, preferred_channel="sms", phone=PHONE)
    await post.work()
    clock.now = MONDAY_10_SYDNEY + timedelta(hours=10, minutes=58)  # 20:58
    await post.work()
    assert await reminders(school) == []
    clock.advance(minutes=1)
    await post.work()
    [row] = await reminders(school)
    assert (row["channel"], row["status"]) == ("sms", "sent")
    clock.now = early - timedelta(hours=2)
    await post.work()
    assert len(await reminders(school)) == 1
