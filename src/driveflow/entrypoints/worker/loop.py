"""The worker's first loop: look which schools have due events, take a batch of each in turn, handle, mark.

One batch is one transaction of one school (`core/outbox_queue.py`). Schools take turns: every school with due
events gets one batch before any gets a second, so a busy one delays the others by its batch, not its backlog.

What can go wrong, and what follows:

* a handler raises: its savepoint is rolled back, the event waits for `backoff`, its neighbours are handled;
* the transaction is lost (connection cut, process killed): nothing is marked, all of it is tried again. An
  event in whose handler that happens twice is counted as failed, so that it cannot hold up its school;
* the database is away: said once, then tried again after at most LONGEST_RETRY_S;
* SIGTERM: the batch in hand is finished. It ends BATCH_BUDGET_S after it began, handled events are marked and
  the rest goes back; that is also how long row locks of handlers are held.
"""

import asyncio
import random
import signal
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncSession

import driveflow.models  # noqa: F401 - foreign keys are resolved only when every table is known
from driveflow.core import outbox_queue
from driveflow.core.actor import Actor, system_actor
from driveflow.core.clock import utc_now
from driveflow.core.db import WORKER_ROLE, Database, driver_connection
from driveflow.core.outbox_queue import Claim, Event, Failure
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.handlers import Handlers, handlers_of
from driveflow.entrypoints.worker.listener import listen
from driveflow.entrypoints.worker.outside import OutsideHandlers, OutsideLoop
from driveflow.entrypoints.worker.outside_handlers import outside_handlers
from driveflow.entrypoints.worker.savepoints import Savepoints
from driveflow.entrypoints.worker.schedule import keep_schedule

BATCH_BUDGET_S = 1.0
# Less than the database's idle_in_transaction_session_timeout, which would take the whole batch.
HANDLER_TIMEOUT_S = 20.0
# A look costs more, the longer the backlog: it is repeated so seldom that it takes a tenth of the time.
LOOK_AGAIN_S = 0.25
_LOOK_SHARE = 10
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
# One connection for the batch in hand, one for the schedule, the others for the second loop (`outside.py`);
# the listener has its own.
POOL_SIZE = 5

log = structlog.get_logger()

EVENTS = Counter(
    "driveflow_outbox_events",
    "Events taken out of the outbox: handled, failed once, given up",
    ["topic", "outcome"],
)
OLDEST_DUE_AGE = Gauge("driveflow_outbox_oldest_due_age_seconds", "How long the oldest due event has waited")


@dataclass(slots=True)
class Batch:
    """What became of one claim; `full` means that there may be more."""

    claimed: Claim
    full: bool
    handled: list[Event] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many events are out of the way: processed, or postponed by a failure."""
        return sum(self.claimed.acknowledged.values()) + len(self.handled) + len(self.failures)


class Worker:
    """Drains the outbox with a pool of the worker's role; many may run at once, in one process or several."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = utc_now,
        handlers: Handlers | None = None,
        outside_handlers: OutsideHandlers = MappingProxyType({}),
        batch_size: int = outbox_queue.BATCH_SIZE,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._handlers = handlers_of(settings) if handlers is None else handlers
        self._batch_size = batch_size
        self._bell = asyncio.Event()
        self._suspects: set[UUID] = set()
        self._outside = OutsideLoop(
            database, outside_handlers, clock=clock, poll_s=settings.outbox_poll_s, on_change=self._bell.set
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Handle events and keep the schedule until `stop` is set; the batch in hand is finished."""
        helpers = [
            asyncio.create_task(listen(self._database.url, self._ring)),
            asyncio.create_task(keep_schedule(self._database, self._settings, self._clock)),
            asyncio.create_task(self._ring_at(stop)),
        ]
        outside = asyncio.create_task(self._outside.run(stop))
        try:
            await self._drain_until(stop)
            await outside
        finally:
            outside.cancel()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(outside, *helpers, return_exceptions=True)

    async def run_until_idle(self) -> int:
        """Handle all that is due now, and what becomes due by that; return how many events."""
        total = 0
        while done := await self._round() or await self._outside.run_until_idle():
            total += done
        return total

    async def _drain_until(self, stop: asyncio.Event) -> None:
        retry_s = 0.0
        while not stop.is_set():
            self._bell.clear()
            try:
                done = await self._round(stop)
                pause_s = 0.0 if done else await self._until_next_s()
            except Exception as error:  # noqa: BLE001 - the worker outlives the database and any bug of a round
                if not retry_s:
                    log.warning("worker cannot work, trying again", error=outbox_queue.describe(error))
                retry_s = min(max(FIRST_RETRY_S, 2 * retry_s), LONGEST_RETRY_S)
                await _wait(stop, retry_s)
                continue
            if retry_s:
                log.info("worker is back")
                retry_s = 0.0
            if done:
                # What was handled may have asked for calls, in this very process.
                self._outside.ring()
            if pause_s and not stop.is_set():
                await _wait(self._bell, pause_s)

    def _ring(self) -> None:
        self._bell.set()
        self._outside.ring()

    async def _ring_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._ring()

    async def _until_next_s(self) -> float:
        """Return the seconds until the next event is due, at most the poll's interval."""
        now = self._clock()
        async with self._database.session(None) as session:
            next_at = await outbox_queue.next_due_at(session, now=now)
        poll_s = self._settings.outbox_poll_s
        if next_at is None:
            return poll_s
        return min(poll_s, max((next_at - now).total_seconds(), FIRST_RETRY_S))

    async def _round(self, stop: asyncio.Event | None = None) -> int:
        """Give each school with due events its turns until it is time to look again; return events done."""
        began = time.monotonic()
        now = self._clock()
        async with self._database.session(None) as session:
            due = await outbox_queue.due_schools(session, now=now)
        look_s = time.monotonic() - began
        OLDEST_DUE_AGE.set((now - min(due.values())).total_seconds() if due else 0)
        look_again = began + max(LOOK_AGAIN_S, look_s * _LOOK_SHARE)

        # Workers that start with different schools get less into each other's way.
        turns = deque(random.sample(list(due), len(due)))
        first_turns = len(turns)
        done = 0
        while turns and not (stop is not None and stop.is_set()):
            if first_turns <= 0 and time.monotonic() >= look_again:
                break
            first_turns -= 1
            org_id = turns.popleft()
            batch = await self._handle_batch(org_id)
            done += batch.done
            if batch.full:
                turns.append(org_id)
        return done

    async def _handle_batch(self, org_id: UUID) -> Batch:
        now = self._clock()
        in_hand: list[Event] = []
        try:
            async with self._database.session(org_id) as session:
                connection = await driver_connection(session)
                claimed = await outbox_queue.claim(
                    connection, org_id, now=now, handled=self._handlers.keys(), limit=self._batch_size
                )
                batch = Batch(claimed, full=claimed.size >= self._batch_size)
                if claimed.events:
                    await self._handle_events(session, connection, org_id, batch, in_hand, now=now)
        except Exception as error:
            for event in in_hand:
                await self._suspect(org_id, event, error, now=now)
            raise
        self._suspects.difference_update(event.id for event in batch.handled)
        _count(batch)
        return batch

    async def _handle_events(
        self,
        session: AsyncSession,
        connection: asyncpg.Connection,
        org_id: UUID,
        batch: Batch,
        in_hand: list[Event],
        *,
        now: datetime,
    ) -> None:
        """Handle a batch's events and mark them; `in_hand` holds the one that is being handled."""
        ends = time.monotonic() + BATCH_BUDGET_S
        actor = system_actor(org_id)
        savepoints = Savepoints(session)
        for event in batch.claimed.events:
            in_hand[:] = [event]
            try:
                await self._handle(session, savepoints, actor, event, now=now)
                batch.handled.append(event)
            except Exception as error:
                if connection.is_closed() or not session.is_active or not connection.is_in_transaction():
                    raise
                failure = outbox_queue.failure_of(event, error, now=now, jitter=random.random())  # noqa: S311 - spreading load
                batch.failures.append(failure)
                log.warning(
                    "event failed",
                    topic=event.topic.value,
                    event_id=str(event.id),
                    org_id=str(org_id),
                    error=failure.error,
                    attempts=event.attempts + 1,
                    dead=failure.dead_at is not None,
                )
            in_hand.clear()
            if time.monotonic() >= ends:
                batch.full = True
                break
        await savepoints.close()
        await outbox_queue.mark_processed(connection, org_id, batch.handled, now=now)
        await outbox_queue.mark_failed(connection, org_id, batch.failures)

    async def _handle(
        self, session: AsyncSession, savepoints: Savepoints, actor: Actor, event: Event, *, now: datetime
    ) -> None:
        async with asyncio.timeout(HANDLER_TIMEOUT_S), savepoints.step():
            for handler in self._handlers[event.topic]:
                await handler(session, actor, event, now=now)

    async def _suspect(self, org_id: UUID, event: Event, error: Exception, *, now: datetime) -> None:
        """Remember that a transaction was lost during this event; the second time counts as a failed try."""
        if event.id not in self._suspects:
            self._suspects.add(event.id)
            return
        self._suspects.discard(event.id)
        failure = outbox_queue.failure_of(event, error, now=now, jitter=random.random())  # noqa: S311 - spreading load
        async with self._database.session(org_id) as session:
            await outbox_queue.mark_failed(await driver_connection(session), org_id, [failure])


async def run_worker(
    settings: Settings,
    database_url: str,
    *,
    stop: asyncio.Event | None = None,
    clock: Callable[[], datetime] = utc_now,
    handlers: Handlers | None = None,
) -> None:
    """Run one worker on the database until `stop` is set.

    Without `stop` the process is the worker's own: SIGTERM and SIGINT end it after the batch in hand.
    """
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Windows has no such handlers: there Ctrl-C rolls the batch back instead.
            with suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = Database(database_url, role=WORKER_ROLE, pool_size=POOL_SIZE)
    try:
        async with outside_handlers(settings) as outside:
            worker = Worker(database, settings, clock=clock, handlers=handlers, outside_handlers=outside)
            await worker.run(stop)
    finally:
        await database.dispose()


async def run_worker_once(settings: Settings, database_url: str) -> None:
    """Handle all that is due now, then return."""
    database = Database(database_url, role=WORKER_ROLE, pool_size=POOL_SIZE)
    try:
        async with outside_handlers(settings) as outside:
            await Worker(database, settings, outside_handlers=outside).run_until_idle()
    finally:
        await database.dispose()


def _count(batch: Batch) -> None:
    for topic, number in batch.claimed.acknowledged.items():
        EVENTS.labels(topic.value, "handled").inc(number)
    for topic, number in Tally(event.topic for event in batch.handled).items():
        EVENTS.labels(topic.value, "handled").inc(number)
    for failure in batch.failures:
        outcome = "failed" if failure.dead_at is None else "dead"
        EVENTS.labels(failure.event.topic.value, outcome).inc()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
