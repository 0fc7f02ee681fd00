"""Schools for tests, made the way a client makes them: over the API."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from driveflow.core.actor import Role
from driveflow.core.db import Database
from driveflow.core.ids import new_id
from driveflow.orgs import api_keys
from driveflow.orgs import service as orgs
from driveflow.orgs.models import User

MONDAY_10_SYDNEY = datetime(2026, 8, 3, 0, 0, tzinfo=UTC)
"""Where the test clock stands: Monday 2026-08-03 10:00 in Sydney."""


class Clock:
    """A clock that a test sets and advances."""

    def __init__(self, now: datetime = MONDAY_10_SYDNEY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> datetime:
        """Move the clock by a timedelta's arguments."""
        self.now += timedelta(**span)
        return self.now


@dataclass
class Client:
    """An API client with one key; `get`, `post`, ... take paths below the school and check the status."""

    http: httpx.AsyncClient
    org_id: UUID
    key: str

    async def request(
        self,
        method: str,
        path: str,
        *,
        expect: int | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Send a request; a path that starts with /api or / of the root is taken as it is."""
        url = path if path.startswith(("/api/", "/gps/", "/healthz")) else f"/api/v1/orgs/{self.org_id}{path}"
        response = await self.http.request(
            method, url, headers={"Authorization": f"Bearer {self.key}", **(headers or {})}, **more
        )
        if expect is not None:
            assert response.status_code == expect, f"{method} {url}: {response.status_code} {response.text}"
        return response

    async def get(self, path: str, *, expect: int = 200, **more: Any) -> Any:
        """GET and return the JSON."""
        return (await self.request("GET", path, expect=expect, **more)).json()

    async def post(self, path: str, json: Any = None, *, expect: int = 201, **more: Any) -> Any:
        """POST and return the JSON."""
        return (await self.request("POST", path, json=json, expect=expect, **more)).json()

    async def put(self, path: str, json: Any = None, *, expect: int = 200, **more: Any) -> Any:
        """PUT and return the JSON."""
        return (await self.request("PUT", path, json=json, expect=expect, **more)).json()

    async def patch(self, path: str, json: Any = None, *, expect: int = 200, **more: Any) -> Any:
        """PATCH and return the JSON."""
        return (await self.request("PATCH", path, json=json, expect=expect, **more)).json()

    async def delete(self, path: str, *, expect: int = 204, **more: Any) -> None:
        """DELETE."""
        await self.request("DELETE", path, expect=expect, **more)


@dataclass
class School(Client):
    """A school seen by its owner, with makers of what a test needs in it."""

    clock: Clock = field(default_factory=Clock)
    owner_user_id: UUID | None = None
    database: Database | None = None

    async def as_role(self, role: str, **person: str) -> Client:
        """Return a client with a new key of a role; `instructor_id` and its like where due."""
        made = await self.post("/api-keys", {"name": f"{role} key", "role": role, **person})
        return Client(self.http, self.org_id, made["key"])

    async def add_instructor(
        self,
        display_name: str = "Casey Instructor",
        *,
        hours: tuple[int, int] | None = (8 * 60, 18 * 60),
        **more: Any,
    ) -> dict[str, Any]:
        """Add an instructor who works every day of the week from `hours[0]` to `hours[1]` (minutes)."""
        row: dict[str, Any] = await self.post("/instructors", {"display_name": display_name, **more})
        if hours is not None:
            await self.put(
                f"/instructors/{row['id']}/availability",
                [{"day_of_week": day, "start_minute": hours[0], "end_minute": hours[1]} for day in range(7)],
            )
        return row

    async def add_student(self, full_name: str = "Alex Student", **more: Any) -> dict[str, Any]:
        """Add a student."""
        row: dict[str, Any] = await self.post("/students", {"full_name": full_name, **more})
        return row

    async def add_guardian(
        self, student_id: str, full_name: str = "Pat Parent", **more: Any
    ) -> dict[str, Any]:
        """Add a guardian of a student."""
        row: dict[str, Any] = await self.post(
            f"/students/{student_id}/guardians", {"full_name": full_name, **more}
        )
        return row

    async def add_service(
        self, name: str | None = None, *, duration_min: int = 60, price_cents: int | None = 9500
    ) -> dict[str, Any]:
        """Add a service, priced on the school's default rate card (made when there is none)."""
        row: dict[str, Any] = await self.post(
            "/services",
            {
                "name": name or f"{duration_min}-min Lesson {secrets.token_hex(3)}",
                "duration_min": duration_min,
            },
        )
        if price_cents is not None:
            cards = (await self.get("/rate-cards"))["items"]
            default = [card for card in cards if card["is_default"]]
            card = (
                default[0]
                if default
                else await self.post("/rate-cards", {"name": "Default", "is_default": True})
            )
            await self.put(f"/rate-cards/{card['id']}/items/{row['id']}", {"price_cents": price_cents})
        return row

    async def ready(self) -> "Ready":
        """Add an instructor, a student and a priced service: all that a booking needs."""
        return Ready(await self.add_instructor(), await self.add_student(), await self.add_service())

    async def book(
        self, ready: "Ready", start_at: datetime, *, expect: int = 201, **more: Any
    ) -> dict[str, Any]:
        """Book as the owner."""
        made: dict[str, Any] = await self.post("/bookings", ready.booking(start_at, **more), expect=expect)
        return made


@dataclass
class Ready:
    """What a booking needs."""

    instructor: dict[str, Any]
    student: dict[str, Any]
    service: dict[str, Any]

    def booking(self, start_at: datetime, **more: Any) -> dict[str, Any]:
        """Return the body of POST /bookings."""
        return {
            "student_id": self.student["id"],
            "instructor_id": self.instructor["id"],
            "service_id": self.service["id"],
            "start_at": start_at.isoformat(),
            **more,
        }


async def open_school(http: httpx.AsyncClient, database: Database, clock: Clock, **settings: Any) -> School:
    """Make a school with its owner and the owner's key, as `driveflow` does on the command line."""
    mark = secrets.token_hex(4)
    async with database.session(None) as session:
        owner = User(id=new_id(), email=f"owner-{mark}@school.example", full_name="Demo Owner")
        session.add(owner)
        await session.flush()
        org, actor = await orgs.create_org(
            session, owner=owner, name=f"School {mark}", slug=None, settings=settings, now=clock()
        )
        key = await api_keys.create_key(
            session, actor, name="Owner", role=Role.OWNER, user_id=owner.id, now=clock()
        )
    return School(
        http=http, org_id=org.id, key=key.secret, clock=clock, owner_user_id=owner.id, database=database
    )
