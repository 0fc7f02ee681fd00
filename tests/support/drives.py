"""Lessons on the road for tests: booked, started, recorded over the API."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from support.schools import Client, Ready, School

QUARTER = timedelta(minutes=15)
METRES_PER_DEGREE = 111_195.08


@dataclass
class Drive:
    """A booking with its people, and its lesson once that has started."""

    school: School
    ready: Ready
    booking: dict[str, Any]
    instructor: Client
    lesson_id: str = ""

    async def start(self) -> str:
        """Move the clock to the planned start, begin the lesson, return its id."""
        self.school.clock.now = datetime.fromisoformat(self.booking["start_at"])
        started = await self.instructor.post(f"/bookings/{self.booking['id']}/start", expect=200)
        self.lesson_id = started["lesson_id"]
        return self.lesson_id

    async def complete(self, **body: object) -> dict[str, Any]:
        """End the lesson and return it."""
        await self.instructor.post(f"/bookings/{self.booking['id']}/complete", body, expect=200)
        lesson: dict[str, Any] = await self.school.get(f"/lessons/{self.lesson_id}")
        return lesson

    async def trip(self) -> dict[str, Any]:
        """Start a trip of the running lesson."""
        trip: dict[str, Any] = await self.instructor.post(f"/lessons/{self.lesson_id}/trips")
        return trip

    async def send(
        self, trip: dict[str, Any], points: list[dict[str, Any]], expect: int = 200
    ) -> dict[str, Any]:
        """Send a batch as the instructor."""
        answer: dict[str, Any] = await self.instructor.post(
            f"/trips/{trip['id']}/points", points, expect=expect
        )
        return answer


async def booked_drive(school: School, ready: Ready | None = None, *, in_hours: float = 24) -> Drive:
    """Book a lesson as the owner; its instructor gets a key."""
    ready = ready or await school.ready()
    earliest = school.clock.now + timedelta(hours=in_hours)
    # Lessons start on the quarter hour.
    booking = await school.book(ready, earliest + (datetime.min.replace(tzinfo=UTC) - earliest) % QUARTER)
    instructor = await school.as_role("instructor", instructor_id=ready.instructor["id"])
    return Drive(school, ready, booking, instructor)


async def running_drive(school: School, ready: Ready | None = None) -> Drive:
    """Book a lesson and start it on time."""
    drive = await booked_drive(school, ready)
    await drive.start()
    return drive


def northwards(
    first: datetime, count: int, *, kph: float = 36.0, step_sec: int = 2, **more: object
) -> list[dict[str, Any]]:
    """Return fixes of a car that drives north from Sydney at a steady speed."""
    step_deg = kph / 3.6 * step_sec / METRES_PER_DEGREE
    return [
        {
            "ts": (first + timedelta(seconds=index * step_sec)).isoformat(),
            "lat": round(-33.9 + index * step_deg, 6),
            "lng": 151.2,
            "speed_kph": kph,
            **more,
        }
        for index in range(count)
    ]
