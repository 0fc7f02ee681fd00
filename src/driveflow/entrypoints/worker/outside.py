"""The worker's second loop: events that need a call to the outside world (`core/outside.py`).

Up to AT_ONCE calls are under way at a time; each holds a lease instead of a transaction. Schools take turns
as in the first loop: a lease takes at most a few events of one school.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter

from driveflow.core import outbox_leases, outside
from driveflow.core.actor import system_actor
from driveflow.core.db import Database, driver_connection
from driveflow.core.outbox import Topic
from driveflow.core.outbox_leases import LeaseLostError
from driveflow.core.outbox_queue import Event, describe
from driveflow.core.outside import AnyOutsideHandler

AT_ONCE = 8
LEASED_AT_ONCE = 4
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0

log = structlog.get_logger()

CALLS = Counter("driveflow_outside_calls", "Calls to the outside world by outcome", ["topic", "outcome"])

OutsideHandlers = Mapping[Topic, AnyOutsideHandler]


class OutsideLoop:
    """Leases events of outside topics and performs them; many may run at once, in one process or several."""

    def __init__(
        self,
        database: Database,
        handlers: OutsideHandlers,
        *,
        clock: Callable[[], datetime],
        poll_s: float,
        on_change: Callable[[], None],
    ) -> None:
        """Take what it needs; `on_change` is called after each settled call, which may have caused events."""
        self._database = database
        self._handlers = handlers
        self._clock = clock
        self._poll_s = poll_s
        self._on_change = on_change
        self._bell = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        """Look at once whether something is due."""
        self._bell.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Perform what is due until `stop` is set; calls under way are finished."""
        retry_s = 0.0
        while not stop.is_set():
            self._bell.clear()
            try:
                began = await self._begin_due()
                pause_s = 0.0 if began else await self._until_next_s()
                retry_s = 0.0
            except Exception as error:  # noqa: BLE001 - the loop outlives the database and any bug of a round
                if not retry_s:
                    log.warning("outside calls cannot go on, trying again", error=describe(error))
                retry_s = pause_s = min(max(FIRST_RETRY_S, 2 * retry_s), LONGEST_RETRY_S)
            if pause_s and not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), pause_s)
        await self._finish()

    async def run_until_idle(self) -> int:
        """Perform all that is due now and return how many events that was."""
        total = 0
        while began := await self._begin_due():
            total += began
            await self._finish()
        return total

    async def _begin_due(self) -> int:
        """Begin calls for due events, a few of each school in turn; return how many."""
        now = self._clock()
        async with self._database.session(None) as session:
            schools = await outbox_leases.schools_with_due(session, self._handlers.keys(), now=now)
        began = 0
        for org_id in random.sample(schools, len(schools)):
            await self._wait_for_room()
            async with self._database.session(org_id) as session:
                events = await outbox_leases.lease(
                    await driver_connection(session),
                    org_id,
                    self._handlers.keys(),
                    now=now,
                    limit=min(LEASED_AT_ONCE, AT_ONCE - len(self._under_way)),
                )
            for event in events:
                task = asyncio.create_task(self._perform(org_id, event))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            began += len(events)
        return began

    async def _wait_for_room(self) -> None:
        while len(self._under_way) >= AT_ONCE:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _finish(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _until_next_s(self) -> float:
        now = self._clock()
        async with self._database.session(None) as session:
            next_at = await outbox_leases.next_due_at(session, self._handlers.keys(), now=now)
        if next_at is None:
            return self._poll_s
        return min(self._poll_s, max((next_at - now).total_seconds(), FIRST_RETRY_S))

    async def _perform(self, org_id: UUID, event: Event) -> None:
        handler = self._handlers[event.topic]
        try:
            await outside.perform(self._database, system_actor(org_id), event, handler, clock=self._clock)
        except LeaseLostError:
            CALLS.labels(event.topic.value, "lost").inc()
        except Exception as error:  # noqa: BLE001 - whatever one call meets, the others go on
            await self._give_back(org_id, event, error)
        else:
            CALLS.labels(event.topic.value, "settled").inc()
            self._on_change()

    async def _give_back(self, org_id: UUID, event: Event, error: Exception) -> None:
        try:
            async with self._database.session(org_id) as session:
                dead = await outbox_leases.give_back(
                    session,
                    org_id,
                    event,
                    error,
                    now=self._clock(),
                    jitter=random.random(),  # noqa: S311 - spreading load
                )
        except Exception as lost:  # noqa: BLE001 - the lease runs out by itself, and the event comes back
            log.warning("a failed call could not be noted", event_id=str(event.id), error=describe(lost))
            return
        CALLS.labels(event.topic.value, "dead" if dead else "failed").inc()
        log.warning(
            "outside call failed",
            topic=event.topic.value,
            event_id=str(event.id),
            org_id=str(org_id),
            error=describe(error),
            attempts=event.attempts,
            dead=dead,
        )
