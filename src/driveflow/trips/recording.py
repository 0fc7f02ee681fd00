"""Store batches of GPS fixes: the one verb of DriveFlow that opens its own transactions.

A batch for a running trip is a hot job: one read and one insert on the bare connection, holding the trip only
as a reader. A late batch, for a trip that has ended, also changes what trip and lesson measured, so it needs
them as a writer; going from reader to writer within one transaction would deadlock two late batches. Hence
the second transaction, and hence a `Database` where other services take a session.

Sending a batch again is harmless: a fix is known by its trip and time.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from driveflow.core.actor import Actor, Permission, Scope, scope_of
from driveflow.core.db import Database
from driveflow.core.errors import NotFoundError
from driveflow.trips import device_tokens, repository
from driveflow.trips.repository import TripState
from driveflow.trips.track import CLOCK_TOLERANCE, Fix, Rejection, judge_batch, measure

_Find = Callable[[asyncpg.Connection], Awaitable[TripState]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: how many fixes are new, how many were known, and the refused ones."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


async def record_batch(
    database: Database, actor: Actor, trip_id: UUID, fixes: Sequence[Fix], *, now: datetime
) -> Recorded:
    """Store the believable fixes of a non-empty batch (see `track.py`) for a trip of the actor's lessons.

    Raises NotFoundError for a trip that is missing or of somebody else's lesson.
    """
    scope = scope_of(actor, Permission.TRIPS_WRITE)

    async def find(connection: asyncpg.Connection) -> TripState:
        state = await repository.state_by_id(connection, actor.org_id, trip_id, fixes, now=now)
        if state is None or (scope is Scope.OWN and not actor.is_instructor(state.instructor_id)):
            raise NotFoundError
        return state

    return await _record(database, actor.org_id, find, fixes, now)


async def record_from_device(
    database: Database, device_token: str, fixes: Sequence[Fix], *, now: datetime
) -> Recorded:
    """Store the fixes that a phone tracker sends; the token is its right to do so.

    Raises NotFoundError for a token that no trip has.
    """
    org_id = device_tokens.org_of_token(device_token)
    if org_id is None:
        raise NotFoundError
    token_hash = device_tokens.hash_of(device_token)

    async def find(connection: asyncpg.Connection) -> TripState:
        state = await repository.state_by_token(connection, org_id, token_hash, fixes, now=now)
        if state is None:
            raise NotFoundError
        return state

    return await _record(database, org_id, find, fixes, now)


async def _record(
    database: Database, org_id: UUID, find: _Find, fixes: Sequence[Fix], now: datetime
) -> Recorded:
    try:
        async with database.connection(org_id) as connection:
            state = await find(connection)
            if state.ended_at is None:
                return await _store(connection, org_id, state, fixes, now, may_be_known=not state.is_newest)
    except asyncpg.UniqueViolationError:
        # The same batch came twice at once, and the other request was faster.
        async with database.connection(org_id) as connection:
            state = await find(connection)
            if state.ended_at is None:
                return await _store(connection, org_id, state, fixes, now, may_be_known=True)
    return await _record_late(database, org_id, state, fixes, now)


async def _record_late(
    database: Database, org_id: UUID, seen: TripState, fixes: Sequence[Fix], now: datetime
) -> Recorded:
    """Store a batch for a trip that has ended, and measure trip and lesson again if it brought anything."""
    async with database.connection(org_id) as connection:
        state = await repository.lock_state(connection, org_id, seen.lesson_id, seen.trip_id, fixes, now=now)
        if state is None or state.ended_at is None:
            raise NotFoundError
        recorded = await _store(connection, org_id, state, fixes, now, may_be_known=True)
        if recorded.accepted:
            track = await repository.track(
                connection,
                org_id,
                state.trip_id,
                since=state.started_at - CLOCK_TOLERANCE,
                until=state.ended_at + CLOCK_TOLERANCE,
            )
            await repository.save_late_measures(
                connection, org_id, state.lesson_id, state.trip_id, measure(track), now=now
            )
        return recorded


async def _store(
    connection: asyncpg.Connection,
    org_id: UUID,
    state: TripState,
    fixes: Sequence[Fix],
    now: datetime,
    *,
    may_be_known: bool,
) -> Recorded:
    verdict = judge_batch(
        fixes,
        trip_started_at=state.started_at,
        trip_ended_at=state.ended_at,
        now=now,
        previous=state.previous,
        following=state.following,
    )
    new = 0
    if verdict.accepted:
        new = await repository.insert_points(
            connection, org_id, state.trip_id, verdict.accepted, may_be_known=may_be_known
        )
    return Recorded(new, verdict.duplicates + len(verdict.accepted) - new, verdict.rejected)
