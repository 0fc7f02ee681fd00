"""Names the rows of the bench's data set: the same ids as the peer's, and an API key for each school.

An id is the md5 of a name printed as a UUID, so that every program here, Lua and SQL included, can know it
without asking the database. Zones, days and shapes are those of the peer's data set.
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

ORGS = 100
INSTRUCTORS = 10
STUDENTS = 300
SERVICES = 4
POINT_TRIPS = 1_000
ZONES = (
    "Australia/Sydney",
    "Australia/Perth",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Melbourne",
)
FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 60
_DAY_0_SLOTS = 6


def named(name: str) -> UUID:
    """Return the id of a named row."""
    return UUID(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def org(number: int) -> UUID:
    """Return a school's id; `number` is 0..99."""
    return named(f"org{number}")


def service(org_number: int, number: int) -> UUID:
    """Return a service's id; `number` 0..3 is 45, 60, 90 and 120 minutes."""
    return named(f"svc{org_number}-{number}")


def instructor(org_number: int, number: int) -> UUID:
    """Return an instructor's id; `number` is 0..9."""
    return named(f"ins{org_number}-{number}")


def student(org_number: int, number: int) -> UUID:
    """Return a student's id; `number` is 0..299."""
    return named(f"stu{org_number}-{number}")


def point_trips() -> list[tuple[UUID, int]]:
    """Return the 1,000 trips that have points, each with its school's number: those with the lowest ids."""
    trips = []
    for o in range(ORGS):
        for i in range(INSTRUCTORS):
            for slot in range(_DAY_0_SLOTS):
                if (o * 5 + i * 3 + slot * 2) % 6:  # which slots have a booking, as in data.sql
                    booking = named(f"b{o}-{i}-0-{slot}")
                    trips.append((named(f"t{named(f'l{booking}')}"), o))
    return sorted(trips)[:POINT_TRIPS]


def api_key(org_id: UUID) -> str:
    """Return the bench's key of a school, in the shape that `orgs/api_keys.py` makes."""
    raw = org_id.bytes + hashlib.sha256(b"bench" + org_id.bytes).digest()
    return "dfk_" + base64.urlsafe_b64encode(raw).decode()


def day(number: int) -> datetime:
    """Return the beginning in UTC of a day of the data set; `number` counts from 2026-03-02."""
    return FIRST_DAY + timedelta(days=number)


def midnight(org_number: int, day_number: int) -> str:
    """Return the instant at which a school's local day begins, RFC 3339; days count as in `day`."""
    local = day(day_number).replace(tzinfo=ZoneInfo(ZONES[org_number % len(ZONES)]))
    return rfc3339(local)


def rfc3339(moment: datetime) -> str:
    """Return an instant as the API prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_lua(path: Path) -> None:
    """Write the table of ids, keys and local midnights that `load.lua` reads."""
    trips = point_trips()
    tables: dict[str, list[object]] = {
        "org": [org(o) for o in range(ORGS)],
        "key": [api_key(org(o)) for o in range(ORGS)],
        "service": [service(o, v) for o in range(ORGS) for v in range(SERVICES)],
        "instructor": [instructor(o, i) for o in range(ORGS) for i in range(INSTRUCTORS)],
        "student": [student(o, s) for o in range(ORGS) for s in range(STUDENTS)],
        "trip": [trip for trip, _ in trips],
        "trip_org": [number for _, number in trips],
        "midnight": [midnight(zone, number) for zone in range(len(ZONES)) for number in range(DAYS)],
    }
    lines = [
        f"{name}={{" + ",".join(f'[{n}]="{value}"' for n, value in enumerate(values)) + "}"
        for name, values in tables.items()
    ]
    path.write_text("return {" + ",\n".join(lines) + "}\n")
