"""Schools with events for tests of the worker, which needs no client and no booking."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from driveflow.core.db import Database
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.core.settings import Settings

HANDLED = Topic.BOOKING_CREATED
"""The topic that the tests' handlers listen to."""

NOW = datetime(2026, 8, 3, 0, 0, tzinfo=UTC)


def worker_settings(**overrides: Any) -> Settings:
    """Return settings that no environment changes."""
    return Settings(_env_file=None, **overrides)


async def add_schools(owner: asyncpg.Connection, number: int) -> list[UUID]:
    """Make schools that have nothing but their row."""
    schools = [new_id() for _ in range(number)]
    await owner.executemany(
        "INSERT INTO orgs (id, name, slug, cancellation_tiers) VALUES ($1, 'School', $2, '[]')",
        [(org_id, str(org_id)) for org_id in schools],
    )
    return schools


async def emit_events(
    database: Database,
    org_id: UUID,
    number: int = 1,
    *,
    topic: Topic = HANDLED,
    now: datetime = NOW,
    available_at: datetime | None = None,
) -> None:
    """Emit events numbered in their payload from 0, in one transaction."""
    async with database.session(org_id) as session:
        for index in range(number):
            await emit(session, org_id, topic, {"number": index}, now=now, available_at=available_at)


@dataclass(frozen=True, slots=True)
class Row:
    """What an event's row says."""

    number: int
    attempts: int
    last_error: str | None
    processed: bool
    available_at: datetime
    dead: bool


async def outbox_rows(owner: asyncpg.Connection, schools: Iterable[UUID]) -> list[Row]:
    """Return the events of schools in the order of their birth."""
    rows = await owner.fetch(
        "SELECT (payload ->> 'number')::int AS number, attempts, last_error, available_at, "
        "processed_at IS NOT NULL AS processed, dead_at IS NOT NULL AS dead "
        "FROM outbox WHERE org_id = ANY($1::uuid[]) ORDER BY id",
        list(schools),
    )
    return [Row(**row) for row in rows]
