"""Lists of bookings: one statement for the rows, one for the names."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from driveflow.bookings import sql
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.actor import Actor, Permission, Role, Scope, scope_of
from driveflow.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class BookingQuery:
    """Filters of a list; `since` and `until` bound the start, [since, until)."""

    since: datetime | None = None
    until: datetime | None = None
    instructor_id: UUID | None = None
    student_id: UUID | None = None
    status: BookingStatus | None = None
    limit: int = 50
    cursor: str | None = None


class BookingSummary(msgspec.Struct):
    """A booking as a list shows it; times are UTC, names are of today."""

    id: UUID
    start_at: datetime
    end_at: datetime
    time_zone: str
    status: str
    student_id: UUID
    student_name: str
    instructor_id: UUID
    instructor_name: str
    service_id: UUID
    service_name: str
    currency: str
    price_cents: int
    fee_cents: int | None
    pickup_address: str | None
    hold_expires_at: datetime | None
    series_id: UUID | None
    version: int


class BookingPage(msgspec.Struct):
    """A page of a list; `next_cursor` is null on the last."""

    items: list[BookingSummary]
    next_cursor: str | None


async def list_bookings(connection: asyncpg.Connection, actor: Actor, query: BookingQuery) -> BookingPage:
    """Return bookings by start; instructors, students and guardians get their own only."""
    parameters: list[object] = [actor.org_id]
    conditions: list[str] = []

    def add(condition: str, value: object) -> None:
        parameters.append(value)
        conditions.append(f"AND {condition.format(f'${len(parameters)}')}")

    if scope_of(actor, Permission.BOOKINGS_READ) is Scope.OWN:
        if actor.role is Role.INSTRUCTOR:
            add("b.instructor_id = {}", actor.instructor_id)
        else:
            add("b.student_id = ANY({}::uuid[])", list(actor.student_ids))
    if query.since is not None:
        add("b.start_at >= {}", query.since)
    if query.until is not None:
        add("b.start_at < {}", query.until)
    if query.instructor_id is not None:
        add("b.instructor_id = {}", query.instructor_id)
    if query.student_id is not None:
        add("b.student_id = {}", query.student_id)
    if query.status is not None:
        add("b.status = {}", query.status.value)
    if query.cursor is not None:
        start_at, booking_id = _decode(query.cursor)
        add("b.start_at >= {}", start_at)
        parameters.append(booking_id)
        conditions.append(
            f"AND (b.start_at > ${len(parameters) - 1} OR b.id > ${len(parameters)})"
        )
    statement = sql.LIST.format(conditions=" ".join(conditions), limit=query.limit + 1)
    rows = await connection.fetch(statement, *parameters)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    names = await _names(connection, actor.org_id, rows)
    items = [
        BookingSummary(
            id=row["id"],
            start_at=row["start_at"],
            end_at=row["end_at"],
            time_zone=row["time_zone"],
            status=row["status"],
            student_id=row["student_id"],
            student_name=names[row["student_id"]],
            instructor_id=row["instructor_id"],
            instructor_name=names[row["instructor_id"]],
            service_id=row["service_id"],
            service_name=names[row["service_id"]],
            currency=row["currency"],
            price_cents=row["price_cents"],
            fee_cents=row["fee_cents"],
            pickup_address=row["pickup_address"],
            hold_expires_at=row["hold_expires_at"],
            series_id=row["series_id"],
            version=row["version"],
        )
        for row in rows
    ]
    return BookingPage(items, _encode(items[-1]) if more else None)


async def _names(
    connection: asyncpg.Connection, org_id: UUID, rows: list[asyncpg.Record]
) -> dict[UUID, str]:
    if not rows:
        return {}
    found = await connection.fetch(
        sql.NAMES,
        org_id,
        list({row["student_id"] for row in rows}),
        list({row["instructor_id"] for row in rows}),
        list({row["service_id"] for row in rows}),
    )
    return {row["id"]: row["name"] for row in found}


def _encode(last: BookingSummary) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((last.start_at, last.id))).decode()


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        mark = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[datetime, UUID])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInputError.of("cursor", "Is not a cursor of this list; start without one.") from error
    if mark[0].tzinfo is None:
        raise InvalidInputError.of("cursor", "Is not a cursor of this list; start without one.")
    return mark
