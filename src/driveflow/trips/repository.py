"""Queries of trips and their points.

Points are read and written on the bare connection: hundreds of batches a second arrive, and a track has tens
of thousands of points. Every query on `trip_points` bounds `ts`, so that it touches the trip's months only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.trips.models import Trip
from driveflow.trips.track import CLOCK_TOLERANCE, Fix, TrackSummary

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A point is stored at most CLOCK_TOLERANCE ahead of our clock; the rest is for clocks of several servers.
AHEAD: Final = CLOCK_TOLERANCE + timedelta(minutes=5)

# Fixes further apart than this are not compared; with constant bounds the months to look at are known early.
_LONGEST_SILENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TripState:
    """What judging a batch needs to know of its trip, with the stored fixes around the batch.

    `is_newest` tells that no stored fix is later than the first of the batch, as is usual.
    """

    trip_id: UUID
    lesson_id: UUID
    instructor_id: UUID
    started_at: datetime
    ended_at: datetime | None
    previous: Fix | None
    following: Fix | None
    is_newest: bool


# FOR SHARE makes a stop wait for the batches that are being stored, so that it measures all points.
_STATE = """
SELECT t.id, t.lesson_id, l.instructor_id, t.started_at, t.ended_at,
    newest.ts, newest.lat, newest.lng, newest.speed_kph, newest.accuracy_m
FROM trips t
JOIN lessons l ON l.org_id = t.org_id AND l.id = t.lesson_id
LEFT JOIN LATERAL (
    SELECT ts, lat::float8 AS lat, lng::float8 AS lng, speed_kph::float8 AS speed_kph, accuracy_m
    FROM trip_points
    WHERE org_id = $1 AND trip_id = t.id AND ts >= $3 AND ts <= $4
    ORDER BY ts DESC LIMIT 1
) newest ON true
WHERE t.org_id = $1 AND t.{key} = $2
FOR {lock} OF t
"""
_STATE_BY_ID = _STATE.format(key="id", lock="SHARE")
_STATE_BY_TOKEN = _STATE.format(key="device_token_hash", lock="SHARE")
_STATE_TO_CHANGE = _STATE.format(key="id", lock="NO KEY UPDATE")

_NEAREST = """
SELECT ts, lat::float8, lng::float8, speed_kph::float8, accuracy_m FROM trip_points
WHERE org_id = $1 AND trip_id = $2 AND ts >= $3 AND ts <= $4
ORDER BY ts {order} LIMIT 1
"""
_LAST_OF = _NEAREST.format(order="DESC")
_FIRST_OF = _NEAREST.format(order="ASC")

_INSERT_POINTS = """
INSERT INTO trip_points (org_id, trip_id, ts, lat, lng, speed_kph, accuracy_m)
SELECT $1, $2, ts, lat, lng, speed_kph, accuracy_m
FROM unnest($3::timestamptz[], $4::float8[], $5::float8[], $6::float8[], $7::real[])
    AS fix (ts, lat, lng, speed_kph, accuracy_m)
"""
_INSERT_NEW_POINTS = _INSERT_POINTS + "ON CONFLICT DO NOTHING"

_TRACK = """
SELECT ts, lat::float8, lng::float8, speed_kph::float8, accuracy_m FROM trip_points
WHERE org_id = $1 AND trip_id = $2 AND ts >= $3 AND ts <= $4
ORDER BY ts LIMIT $5
"""

_SAVE_LATE_MEASURES = """
WITH measured AS (
    UPDATE trips SET distance_meters = $4, duration_sec = $5 WHERE org_id = $1 AND id = $3
)
UPDATE lessons SET updated_at = $6, distance_meters = $4 + (
    SELECT coalesce(sum(distance_meters), 0) FROM trips WHERE org_id = $1 AND lesson_id = $2 AND id <> $3
)
WHERE org_id = $1 AND id = $2 AND ended_at IS NOT NULL
"""


async def state_by_id(
    connection: asyncpg.Connection, org_id: UUID, trip_id: UUID, fixes: Sequence[Fix], *, now: datetime
) -> TripState | None:
    """Return a trip's state around a batch, and keep the trip from being stopped meanwhile."""
    return await _state(connection, _STATE_BY_ID, org_id, trip_id, fixes, now=now)


async def state_by_token(
    connection: asyncpg.Connection, org_id: UUID, token_hash: bytes, fixes: Sequence[Fix], *, now: datetime
) -> TripState | None:
    """Return the state of the trip with a device token, as `state_by_id`."""
    return await _state(connection, _STATE_BY_TOKEN, org_id, token_hash, fixes, now=now)


async def lock_state(
    connection: asyncpg.Connection,
    org_id: UUID,
    lesson_id: UUID,
    trip_id: UUID,
    fixes: Sequence[Fix],
    *,
    now: datetime,
) -> TripState | None:
    """Lock a lesson and its trip for a change and return the trip's state around a batch."""
    await connection.execute(
        "SELECT FROM lessons WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE", org_id, lesson_id
    )
    return await _state(connection, _STATE_TO_CHANGE, org_id, trip_id, fixes, now=now)


async def _state(
    connection: asyncpg.Connection,
    query: str,
    org_id: UUID,
    key: UUID | bytes,
    fixes: Sequence[Fix],
    *,
    now: datetime,
) -> TripState | None:
    latest = now + AHEAD
    # A nonsensical time of a phone must not leave the database's calendar; judging refuses it.
    first = min(max(fixes[0].ts, _EARLIEST), latest) if fixes else now
    last = min(max(fixes[-1].ts, _EARLIEST), latest) if fixes else now
    since = first - _LONGEST_SILENCE
    row = await connection.fetchrow(query, org_id, key, since, latest)
    if row is None:
        return None
    trip_id, lesson_id, instructor_id, started_at, ended_at, *newest = row
    previous = Fix._make(newest) if newest[0] is not None else None
    following = None
    is_newest = previous is None or previous.ts <= first
    if not is_newest:
        # The phone sends what it had buffered, or another phone was faster.
        previous = await _nearest(connection, _LAST_OF, org_id, trip_id, since, first)
        following = await _nearest(connection, _FIRST_OF, org_id, trip_id, last, latest)
    return TripState(trip_id, lesson_id, instructor_id, started_at, ended_at, previous, following, is_newest)


async def _nearest(connection: asyncpg.Connection, query: str, *values: UUID | datetime) -> Fix | None:
    row = await connection.fetchrow(query, *values)
    return None if row is None else Fix._make(row)


async def insert_points(
    connection: asyncpg.Connection, org_id: UUID, trip_id: UUID, fixes: Sequence[Fix], *, may_be_known: bool
) -> int:
    """Store believable fixes and return how many were new.

    Those of a known time are left as they are if they `may_be_known`, which costs a tenth of the time; else
    they raise asyncpg.UniqueViolationError.
    """
    query = _INSERT_NEW_POINTS if may_be_known else _INSERT_POINTS
    status = await connection.execute(query, org_id, trip_id, *zip(*fixes, strict=True))
    return int(status.rpartition(" ")[2])


async def track(
    connection: asyncpg.Connection,
    org_id: UUID,
    trip_id: UUID,
    *,
    since: datetime,
    until: datetime,
    limit: int | None = None,
) -> list[Fix]:
    """Return the stored fixes of a trip within [since, until], sorted by time, at most `limit`."""
    rows = await connection.fetch(_TRACK, org_id, trip_id, since, until, limit)
    return [Fix._make(row) for row in rows]


async def save_late_measures(
    connection: asyncpg.Connection,
    org_id: UUID,
    lesson_id: UUID,
    trip_id: UUID,
    summary: TrackSummary,
    *,
    now: datetime,
) -> None:
    """Write what an ended trip measures now, and the distance of its lesson if that is over as well."""
    await connection.execute(
        _SAVE_LATE_MEASURES, org_id, lesson_id, trip_id, summary.distance_m, summary.duration_sec, now
    )


async def trips_of_lesson(session: AsyncSession, org_id: UUID, lesson_id: UUID) -> list[Trip]:
    """Return the trips of a lesson, oldest first."""
    rows = await session.scalars(
        select(Trip)
        .where(Trip.org_id == org_id, Trip.lesson_id == lesson_id)
        .order_by(Trip.started_at, Trip.id)
    )
    return list(rows)


async def lock_open_trip(session: AsyncSession, org_id: UUID, lesson_id: UUID) -> Trip | None:
    """Return the running trip of a lesson, locked, or None."""
    query = (
        select(Trip)
        .where(Trip.org_id == org_id, Trip.lesson_id == lesson_id, Trip.ended_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).one_or_none()


async def distance_of_lesson(session: AsyncSession, org_id: UUID, lesson_id: UUID) -> int | None:
    """Return the metres of all trips of a lesson, None when it has no trip."""
    return await session.scalar(
        select(func.sum(Trip.distance_m)).where(Trip.org_id == org_id, Trip.lesson_id == lesson_id)
    )


async def share_booking_status(session: AsyncSession, org_id: UUID, booking_id: UUID) -> str:
    """Return a booking's status, which cannot change until the transaction ends."""
    query = (
        select(Booking.status)
        .where(Booking.org_id == org_id, Booking.id == booking_id)
        .with_for_update(read=True)
    )
    return (await session.scalars(query)).one()
