"""What the worker does for a school by itself: timers that nobody waits for."""

from datetime import timedelta

from driveflow.core.db import Database
from driveflow.entrypoints.worker.loop import Worker
from support.outbox import worker_settings
from support.schools import MONDAY_10_SYDNEY, Clock, School

TOMORROW_10 = MONDAY_10_SYDNEY + timedelta(days=1)


async def test_a_hold_that_runs_out_gives_its_slot_back_and_a_confirmed_booking_keeps_it(
    school: School, clock: Clock, worker_database: Database
) -> None:
    ready = await school.ready()
    student = await school.as_role("student", student_id=ready.student["id"])
    held = await student.post("/bookings", ready.booking(TOMORROW_10))
    kept = await student.post("/bookings", ready.booking(TOMORROW_10 + timedelta(hours=2)))
    assert (held["status"], kept["status"]) == ("requested", "requested")
    await school.post(f"/bookings/{kept['id']}/confirm", expect=200)
    worker = Worker(worker_database, worker_settings(), clock=clock)

    clock.advance(minutes=29)
    await worker.run_until_idle()
    assert (await school.get(f"/bookings/{held['id']}"))["status"] == "requested"
    clock.advance(minutes=1)
    await worker.run_until_idle()
    assert (await school.get(f"/bookings/{held['id']}"))["status"] == "cancelled"
    assert (await school.get(f"/bookings/{kept['id']}"))["status"] == "confirmed"
    trail = await school.get(f"/bookings/{held['id']}/events")
    assert ("BOOKING_EXPIRED", "system") in [(change["action"], change["actor"]) for change in trail]
    await school.book(ready, TOMORROW_10)


async def test_a_lesson_that_nobody_closes_is_closed(
    school: School, clock: Clock, worker_database: Database
) -> None:
    ready = await school.ready()
    booked = await school.book(ready, TOMORROW_10)
    await school.post(f"/bookings/{booked['id']}/confirm", expect=200)
    clock.now = TOMORROW_10
    await school.post(f"/bookings/{booked['id']}/start", expect=200)
    worker = Worker(worker_database, worker_settings(), clock=clock)

    clock.advance(hours=1, minutes=1)
    await worker.run_until_idle()
    assert (await school.get(f"/bookings/{booked['id']}"))["status"] == "in_progress"
    clock.advance(hours=24)
    await worker.run_until_idle()
    assert (await school.get(f"/bookings/{booked['id']}"))["status"] == "completed"
