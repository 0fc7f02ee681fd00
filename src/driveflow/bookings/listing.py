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
from driveflow.core import clock
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
    """A booking as a list shows it: ids and UTC times as text, names of today."""

    id: str
    start_at: str
    end_at: str
    status: str
    student_id: str
    student_name: str
    instructor_id: str
    instructor_name: str
    service_id: str
    service_name: str
    currency: str
    price_cents: int
    fee_cents: int | None
    pickup_address: str | None
    hold_expires_at: datetime | None
    series_id: str | None
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
        conditions.append(f"AND (b.start_at > ${len(parameters) - 1} OR b.id > ${len(parameters)})")
    statement = sql.LIST.format(conditions=" ".join(conditions), limit=query.limit + 1)
    rows = await connection.fetch(statement, *parameters)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    names = await _names(connection, actor.org_id, rows)
    text = clock.epoch_min_text
    items = [
        BookingSummary(
            booking_id,
            text(start_min),
            text(end_min),
            status,
            student_id,
            names[student_id],
            instructor_id,
            names[instructor_id],
            service_id,
            names[service_id],
            currency,
            price_cents,
            fee_cents,
            pickup_address,
            hold_expires_at,
            series_id,
            version,
        )
        for (
            booking_id,
            start_min,
            end_min,
            status,
            student_id,
            instructor_id,
            service_id,
            currency,
            price_cents,
            fee_cents,
            pickup_address,
            hold_expires_at,
            series_id,
            version,
        ) in rows
    ]
    return BookingPage(items, _encode(items[-1]) if more else None)


_STUDENT, _INSTRUCTOR, _SERVICE = 4, 5, 6


async def _names(connection: asyncpg.Connection, org_id: UUID, rows: list[asyncpg.Record]) -> dict[str, str]:
    if not rows:
        return {}
    ids = [list({row[column] for row in rows}) for column in (_STUDENT, _INSTRUCTOR, _SERVICE)]
    return {row_id: name for row_id, name in await connection.fetch(sql.NAMES, org_id, *ids)}  # noqa: C416 - a Record is no pair to the type checker


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
