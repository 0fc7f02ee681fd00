"""Taking events out of the outbox: finding, claiming, marking; the operator's view (schema decision 10).

An event is *pending* until it is processed or dead. A worker claims a batch of one school with `FOR UPDATE
SKIP LOCKED`, handles it and marks it in the same transaction, so that a worker that dies leaves its batch
pending and no two workers hold the same event. Claiming and marking are single statements on the asyncpg
connection under the caller's tenant transaction; what a batch costs does not grow with its size.

Reading across schools (`due_schools`, `next_due_at`, `list_everywhere`, `school_of`) needs the role
`driveflow_worker`, in a transaction without a school. Changing a row needs its school, for that role too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, record
from driveflow.core.db import driver_connection
from driveflow.core.errors import NotFoundError
from driveflow.core.outbox import MAX_ATTEMPTS, OUTSIDE_TOPICS, Outbox, Topic, backoff
from driveflow.core.paging import Page, PageRequest, fetch_page

BATCH_SIZE = 100
ERROR_LENGTH = 500
# A topic of a newer version, met by a worker that is not yet upgraded, stays for those that know it. Outside
# topics are leased instead (`outbox_leases.py`).
_KNOWN_TOPICS = [topic.value for topic in Topic if topic not in OUTSIDE_TOPICS]
_OUTSIDE = [topic.value for topic in OUTSIDE_TOPICS]

_DUE_SCHOOLS = """
SELECT org_id, min(available_at) AS oldest_at FROM outbox
WHERE processed_at IS NULL AND dead_at IS NULL AND available_at <= $1 AND topic <> ALL($2::text[])
GROUP BY org_id
"""

_NEXT_DUE = """
SELECT min(available_at) FROM outbox
WHERE processed_at IS NULL AND dead_at IS NULL AND available_at > $1 AND topic <> ALL($2::text[])
"""

# The limit is written into the text: a plan for an unknown limit expects too many rows and sorts them all.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, topic, payload, attempts, available_at FROM outbox
    WHERE org_id = $1 AND processed_at IS NULL AND dead_at IS NULL AND available_at <= $2
        AND topic = ANY($3::text[])
    ORDER BY available_at
    LIMIT {limit}
    FOR UPDATE SKIP LOCKED
), acknowledged AS (
    UPDATE outbox SET processed_at = $2
    FROM due
    WHERE outbox.org_id = $1 AND outbox.id = due.id AND due.topic <> ALL($4::text[])
    RETURNING outbox.topic
)
SELECT id, topic, payload, attempts, available_at FROM due WHERE topic = ANY($4::text[])
UNION ALL
SELECT NULL, topic, NULL, count(*)::int, NULL FROM acknowledged GROUP BY topic
"""

_MARK_PROCESSED = """
UPDATE outbox SET processed_at = $3 WHERE org_id = $1 AND id = ANY($2::uuid[])
"""

# The conditions matter where the claim was lost before the failure is written: another worker may have come.
_MARK_FAILED = """
UPDATE outbox
SET attempts = failed.attempts, last_error = failed.error, available_at = failed.available_at,
    dead_at = failed.dead_at
FROM unnest($2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    AS failed (id, attempts, error, available_at, dead_at)
WHERE outbox.org_id = $1 AND outbox.id = failed.id AND outbox.processed_at IS NULL
    AND outbox.dead_at IS NULL AND outbox.attempts < failed.attempts
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One claimed event; `attempts` counts the tries that failed before."""

    id: UUID
    topic: Topic
    payload: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch in hand: events to handle, oldest first, and how many were done at once, by topic."""

    events: list[Event]
    acknowledged: dict[Topic, int]

    @property
    def size(self) -> int:
        """How many events the batch took out of the queue."""
        return len(self.events) + sum(self.acknowledged.values())


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed: when the event comes back, or `dead_at` when it does not."""

    event: Event
    error: str
    available_at: datetime
    dead_at: datetime | None


class EventState(StrEnum):
    """What an operator asks for: events that wait, or those that were given up."""

    PENDING = "pending"
    DEAD = "dead"


async def due_schools(session: AsyncSession, *, now: datetime) -> dict[UUID, datetime]:
    """Return the schools with due events, each with the instant its oldest one became due."""
    connection = await driver_connection(session)
    return {row["org_id"]: row["oldest_at"] for row in await connection.fetch(_DUE_SCHOOLS, now, _OUTSIDE)}


async def next_due_at(session: AsyncSession, *, now: datetime) -> datetime | None:
    """Return when the next event of any school becomes due after `now`, or None."""
    connection = await driver_connection(session)
    found: datetime | None = await connection.fetchval(_NEXT_DUE, now, _OUTSIDE)
    return found


async def claim(
    connection: asyncpg.Connection,
    org_id: UUID,
    *,
    now: datetime,
    handled: Collection[Topic],
    limit: int = BATCH_SIZE,
) -> Claim:
    """Lock up to `limit` due events of a school that nobody else holds; one statement.

    Events of topics outside `handled` are marked processed by the same statement; the others are returned and
    stay locked until the transaction ends.
    """
    rows = await connection.fetch(
        _CLAIM.format(limit=int(limit)), org_id, now, _KNOWN_TOPICS, [topic.value for topic in handled]
    )
    events = [row for row in rows if row["id"] is not None]
    # Ids are ordered by birth: events of one transaction share their instant and keep their order.
    events.sort(key=lambda row: (row["available_at"], row["id"]))
    return Claim(
        [Event(row["id"], Topic(row["topic"]), row["payload"], row["attempts"]) for row in events],
        {Topic(row["topic"]): row["attempts"] for row in rows if row["id"] is None},
    )


async def mark_processed(
    connection: asyncpg.Connection, org_id: UUID, events: Sequence[Event], *, now: datetime
) -> None:
    """Mark claimed events as handled; one statement.

    Raises RuntimeError when the rows are not there to be marked: a handler ended the transaction.
    """
    if not events:
        return
    status = await connection.execute(_MARK_PROCESSED, org_id, [event.id for event in events], now)
    if status != f"UPDATE {len(events)}":
        raise RuntimeError(f"marked {status} of {len(events)} events; a handler must not end the transaction")


async def mark_failed(connection: asyncpg.Connection, org_id: UUID, failures: Sequence[Failure]) -> None:
    """Count failed tries, unless an event was handled or counted by somebody else since; one statement."""
    if not failures:
        return
    await connection.execute(
        _MARK_FAILED,
        org_id,
        [failure.event.id for failure in failures],
        [failure.event.attempts + 1 for failure in failures],
        [failure.error for failure in failures],
        [failure.available_at for failure in failures],
        [failure.dead_at for failure in failures],
    )


def failure_of(event: Event, error: BaseException, *, now: datetime, jitter: float) -> Failure:
    """Return what a failed try means: another one after `backoff`, or death after MAX_ATTEMPTS.

    `jitter` lies in 0..1.
    """
    attempts = event.attempts + 1
    dead_at = now if attempts >= MAX_ATTEMPTS else None
    return Failure(event, describe(error), now + backoff(attempts, jitter), dead_at)


def describe(error: BaseException) -> str:
    """Return an error in one short line: its type and the first line of its message.

    Statements, their parameters and PostgreSQL's DETAIL hold persons' data and stay out.
    """
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first_line = (str(told).splitlines() or [""])[0]
    text = f"{type(error).__name__}: {first_line}"
    return "".join(letter if letter.isprintable() else " " for letter in text)[:ERROR_LENGTH]


async def list_events(
    session: AsyncSession, actor: Actor, state: EventState, paging: PageRequest
) -> Page[Outbox]:
    """Return the actor's school's events in a state, the one due first first."""
    require(actor, Permission.OPS)
    query = select(Outbox).where(Outbox.org_id == actor.org_id, *_in_state(state))
    return await fetch_page(session, query, [Outbox.available_at, Outbox.id], paging)


async def list_everywhere(session: AsyncSession, state: EventState, *, limit: int = 100) -> list[Outbox]:
    """Return all schools' events in a state, the one due first first, at most `limit`."""
    rows = await session.scalars(
        select(Outbox).where(*_in_state(state)).order_by(Outbox.available_at, Outbox.id).limit(limit)
    )
    return list(rows)


async def school_of(session: AsyncSession, event_id: UUID) -> UUID:
    """Return the school of an event; raises NotFoundError."""
    found = (await session.scalars(select(Outbox.org_id).where(Outbox.id == event_id))).one_or_none()
    if found is None:
        raise NotFoundError
    return found


async def retry_dead(session: AsyncSession, actor: Actor, event_id: UUID, *, now: datetime) -> None:
    """Give a dead event of the actor's school all its tries again, from now on.

    Raises NotFoundError when the event is not there or not dead.
    """
    require(actor, Permission.OPS)
    revived = await session.execute(
        update(Outbox)
        .where(Outbox.org_id == actor.org_id, Outbox.id == event_id, *_in_state(EventState.DEAD))
        .values(dead_at=None, attempts=0, available_at=now)
        .returning(Outbox.topic)
    )
    topic = revived.scalar_one_or_none()
    if topic is None:
        raise NotFoundError
    record(session, actor, Action.OUTBOX_RETRIED, "Outbox", event_id, now=now, after={"topic": topic})
    await session.flush()


def _in_state(state: EventState) -> tuple[ColumnElement[bool], ...]:
    died = Outbox.dead_at.is_not(None) if state is EventState.DEAD else Outbox.dead_at.is_(None)
    return Outbox.processed_at.is_(None), died
