"""Lists of bookings: one statement for rows and names."""

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


@dataclass(frozen=True, slots=True)
class BookingPage:
    """A page of a list by columns, one entry a booking in each; `next_cursor` is None on the last page.

    Starts and ends are epoch minutes. Ids, statuses, currencies and versions are texts of letters, digits and
    dashes; fees, addresses, holds and series are JSON, as are the names of today, which go by id.
    """

    starts: list[int]
    ends: list[int]
    prices: list[int]
    ids: list[str]
    statuses: list[str]
    student_ids: list[str]
    instructor_ids: list[str]
    service_ids: list[str]
    currencies: list[str]
    fees: list[str]
    pickup_addresses: list[str]
    holds: list[str]
    series: list[str]
    versions: list[str]
    students: dict[str, str]
    instructors: dict[str, str]
    services: dict[str, str]
    next_cursor: str | None


async def list_bookings(connection: asyncpg.Connection, actor: Actor, query: BookingQuery) -> BookingPage:
    """Return bookings by start; instructors, students and guardians get their own only."""
    parameters: list[object] = [actor.org_id, query.limit + 1]
    statement = sql.LIST.format(conditions=_conditions(actor, query, parameters))
    (row,) = await connection.fetch(statement, *parameters)
    return _page(row, query.limit)


def _conditions(actor: Actor, query: BookingQuery, parameters: list[object]) -> str:
    """Return the conditions of the query, and add their parameters to those that are there."""
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
    return " ".join(conditions)


def _page(row: asyncpg.Record, limit: int) -> BookingPage:
    starts, ends, prices = ((column or [])[:limit] for column in row[:3])
    ids, statuses, students, instructors, services, currencies, fees, addresses, holds, series, versions = (
        row[3:14]
    )
    student_names, instructor_names, service_names = (_json_by_id(names) for names in row[14:])
    shown_ids = _split(ids, limit)
    more = ids is not None and ids.count(",") >= limit
    return BookingPage(
        starts=starts,
        ends=ends,
        prices=prices,
        ids=shown_ids,
        statuses=_split(statuses, limit),
        student_ids=_split(students, limit),
        instructor_ids=_split(instructors, limit),
        service_ids=_split(services, limit),
        currencies=_split(currencies, limit),
        fees=_split(fees, limit),
        pickup_addresses=[_decoded(address) for address in _RAW_LIST.decode(addresses or "[]")][:limit],
        holds=[hold.replace("+00:00", "Z") for hold in _split(holds, limit)],
        series=_split(series, limit),
        versions=_split(versions, limit),
        students=student_names,
        instructors=instructor_names,
        services=service_names,
        next_cursor=_encode(clock.epoch_min_text(starts[-1]), shown_ids[-1]) if more else None,
    )


def _split(column: str | None, limit: int) -> list[str]:
    return [] if column is None else column.split(",")[:limit]


def _json_by_id(names: str | None) -> dict[str, str]:
    return {row_id: _decoded(name) for row_id, name in _RAW_DICT.decode(names or "{}").items()}


def _decoded(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()


_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_DICT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _encode(start_at: str, booking_id: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((start_at, booking_id))).decode()


def _decode(cursor: str) -> tuple[datetime, UUID]:
    try:
        mark = msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[datetime, UUID])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInputError.of("cursor", "Is not a cursor of this list; start without one.") from error
    if mark[0].tzinfo is None:
        raise InvalidInputError.of("cursor", "Is not a cursor of this list; start without one.")
    return mark
