"""Leases on events whose handling leaves the database: taken, given back, ended (`core/outside.py`).

A lease moves the event's `available_at` LEASE_S ahead and counts the try at once, so that an event whose
handling kills its process is given up like any other. The count is the lease's mark: whoever comes back after
the lease has run out and been taken by another finds another count, and changes nothing.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.db import driver_connection
from driveflow.core.ids import new_id
from driveflow.core.outbox import MAX_ATTEMPTS, Outbox, Topic, backoff
from driveflow.core.outbox_queue import Event, describe

LEASE_S = 120.0

_DUE_SCHOOLS = """
SELECT DISTINCT org_id FROM outbox
WHERE processed_at IS NULL AND dead_at IS NULL AND available_at <= $1 AND topic = ANY($2::text[])
"""

_NEXT_DUE = """
SELECT min(available_at) FROM outbox
WHERE processed_at IS NULL AND dead_at IS NULL AND available_at > $1 AND topic = ANY($2::text[])
"""

# What has used up its tries in processes that died is given up here: nobody was left to say so.
_LEASE = """
WITH due AS MATERIALIZED (
    SELECT id FROM outbox
    WHERE org_id = $1 AND processed_at IS NULL AND dead_at IS NULL AND available_at <= $2
        AND topic = ANY($3::text[])
    ORDER BY available_at, id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE outbox
    SET attempts = attempts + 1, available_at = $5,
        dead_at = CASE WHEN attempts >= $6 THEN $2 END,
        last_error = CASE WHEN attempts >= $6 THEN 'The process died during every try.' ELSE last_error END
    FROM due
    WHERE outbox.org_id = $1 AND outbox.id = due.id
    RETURNING outbox.id, topic, payload, attempts, dead_at
)
SELECT id, topic, payload, attempts FROM leased WHERE dead_at IS NULL ORDER BY id
"""

_MARK_DONE = """
UPDATE outbox SET processed_at = $4
WHERE org_id = $1 AND id = $2 AND attempts = $3 AND processed_at IS NULL
"""

_GIVE_BACK = """
UPDATE outbox SET last_error = $4, available_at = $5, dead_at = $6
WHERE org_id = $1 AND id = $2 AND attempts = $3 AND processed_at IS NULL AND dead_at IS NULL
"""


class LeaseLostError(Exception):
    """The lease ran out and somebody else took the event over; what was done here is rolled back."""


async def schools_with_due(session: AsyncSession, topics: Collection[Topic], *, now: datetime) -> list[UUID]:
    """Return the schools with due events of these topics; needs the worker's role and no school."""
    connection = await driver_connection(session)
    return [row["org_id"] for row in await connection.fetch(_DUE_SCHOOLS, now, _names(topics))]


async def next_due_at(session: AsyncSession, topics: Collection[Topic], *, now: datetime) -> datetime | None:
    """Return when the next event of these topics becomes due after `now`, or None; as `schools_with_due`."""
    connection = await driver_connection(session)
    found: datetime | None = await connection.fetchval(_NEXT_DUE, now, _names(topics))
    return found


async def lease(
    connection: asyncpg.Connection, org_id: UUID, topics: Collection[Topic], *, now: datetime, limit: int
) -> list[Event]:
    """Lease up to `limit` due events of a school; an event's `attempts` counts this try too."""
    rows = await connection.fetch(
        _LEASE, org_id, now, _names(topics), limit, now + timedelta(seconds=LEASE_S), MAX_ATTEMPTS
    )
    return [Event(row["id"], Topic(row["topic"]), row["payload"], row["attempts"]) for row in rows]


async def emit_leased(
    session: AsyncSession, org_id: UUID, topic: Topic, payload: dict[str, Any], *, now: datetime
) -> Event:
    """Write an event that its writer handles itself, at once; if it dies, a worker does after the lease."""
    event = Event(new_id(), topic, payload, attempts=1)
    session.add(
        Outbox(
            org_id=org_id,
            id=event.id,
            topic=topic.value,
            payload=payload,
            attempts=event.attempts,
            available_at=now + timedelta(seconds=LEASE_S),
            created_at=now,
        )
    )
    await session.flush()
    return event


async def mark_done(session: AsyncSession, org_id: UUID, event: Event, *, now: datetime) -> None:
    """End a lease with its work done, in the transaction of that work; raises LeaseLostError."""
    await session.flush()
    connection = await driver_connection(session)
    status = await connection.execute(_MARK_DONE, org_id, event.id, event.attempts, now)
    if status != "UPDATE 1":
        raise LeaseLostError(f"event {event.id} was taken over")


async def give_back(
    session: AsyncSession, org_id: UUID, event: Event, error: BaseException, *, now: datetime, jitter: float
) -> bool:
    """End a lease with its work undone: the event waits for `backoff`, or is dead after MAX_ATTEMPTS.

    `jitter` lies in 0..1. Returns whether it is dead. Nothing happens to an event that was taken over.
    """
    dead = event.attempts >= MAX_ATTEMPTS
    connection = await driver_connection(session)
    await connection.execute(
        _GIVE_BACK,
        org_id,
        event.id,
        event.attempts,
        describe(error),
        now + backoff(event.attempts, jitter),
        now if dead else None,
    )
    return dead


def _names(topics: Collection[Topic]) -> list[str]:
    return [topic.value for topic in topics]
