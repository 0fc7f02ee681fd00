"""Calls to the outside world: leased, made outside of transactions, settled once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import outbox_leases, outside
from driveflow.core.actor import Actor, system_actor
from driveflow.core.db import WORKER_ROLE, Database, driver_connection
from driveflow.core.outbox import MAX_ATTEMPTS, Topic
from driveflow.core.outbox_leases import LEASE_S, LeaseLostError
from driveflow.core.outbox_queue import Event
from driveflow.entrypoints.worker.loop import Worker
from driveflow.messaging.models import Message
from support.outbox import NOW, add_schools, emit_events, outbox_rows, worker_settings
from support.schools import Clock

SEND = Topic.MESSAGE_SEND


async def accept(_number: int) -> None:
    """The other side, when it is there."""


class Sender:
    """An outside handler that leaves a row for each answer."""

    def __init__(self, other_side: Callable[[int], Awaitable[None]] = accept, *, unwanted: int = -1) -> None:
        self.other_side = other_side
        self.unwanted = unwanted
        self.called: list[int] = []

    async def prepare(self, session: AsyncSession, actor: Actor, event: Event, *, now: object) -> int | None:  # noqa: ARG002 - a handler's signature
        assert session.in_transaction()
        number: int = event.payload["number"]
        return None if number == self.unwanted else number

    async def call(self, request: int) -> int:
        self.called.append(request)
        await self.other_side(request)
        return request * 10

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        event: Event,  # noqa: ARG002 - a handler's signature
        request: int,
        answer: int,
        *,
        now: object,  # noqa: ARG002 - a handler's signature
    ) -> None:
        assert answer == request * 10
        session.add(
            Message(org_id=actor.org_id, to_address="x@y.example", channel="email", template_key=str(request))
        )


def worker(pool: Database, sender: Sender, clock: Clock | None = None) -> Worker:
    return Worker(pool, worker_settings(), clock=clock or Clock(NOW), outside_handlers={SEND: sender})


async def settled(owner: asyncpg.Connection) -> list[int]:
    return sorted(int(row[0]) for row in await owner.fetch("SELECT template_key FROM messages"))


async def test_every_due_call_is_made_and_settled_once_by_many_workers(
    owner: asyncpg.Connection, app: Database, fresh_database_url: str
) -> None:
    schools = await add_schools(owner, 3)
    for org_id in schools:
        await emit_events(app, org_id, 12, topic=SEND)
    sender = Sender()
    pools = [Database(fresh_database_url, role=WORKER_ROLE, pool_size=4) for _ in range(3)]
    await asyncio.gather(*(worker(pool, sender).run_until_idle() for pool in pools))
    for pool in pools:
        await pool.dispose()
    assert sorted(sender.called) == sorted(list(range(12)) * 3)
    assert await settled(owner) == sorted(list(range(12)) * 3)
    assert all(row.processed and row.attempts == 1 for row in await outbox_rows(owner, schools))


async def test_no_transaction_is_open_while_the_other_side_takes_its_time(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    open_transactions: list[int] = []

    async def look(_number: int) -> None:
        open_transactions.append(
            await owner.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'driveflow' "
                "AND datname = current_database() AND xact_start IS NOT NULL"
            )
        )

    await worker(pool, Sender(look)).run_until_idle()
    assert open_transactions == [0]


async def test_a_call_that_is_not_wanted_any_more_is_not_made(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, 2, topic=SEND)
    sender = Sender(unwanted=0)
    await worker(pool, sender).run_until_idle()
    assert sender.called == [1]
    assert all(row.processed for row in await outbox_rows(owner, [org_id]))


async def test_a_fault_of_the_other_side_is_tried_again_later_and_given_up_in_the_end(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    clock = Clock(NOW)

    async def refuse(_number: int) -> None:
        raise TimeoutError("no answer")

    sender = Sender(refuse)
    await worker(pool, sender, clock).run_until_idle()
    [row] = await outbox_rows(owner, [org_id])
    assert (row.attempts, row.last_error, row.dead) == (1, "TimeoutError: no answer", False)
    assert NOW < row.available_at < NOW + timedelta(seconds=LEASE_S)
    for _ in range(MAX_ATTEMPTS):
        clock.advance(hours=2)
        await worker(pool, sender, clock).run_until_idle()
    [row] = await outbox_rows(owner, [org_id])
    assert (row.attempts, row.dead, row.processed) == (MAX_ATTEMPTS, True, False)
    assert len(sender.called) == MAX_ATTEMPTS


async def leased(pool: Database, org_id: UUID, clock: Clock) -> list[Event]:
    async with pool.session(org_id) as session:
        return await outbox_leases.lease(
            await driver_connection(session), org_id, [SEND], now=clock(), limit=10
        )


async def test_what_a_killed_process_held_comes_back_after_its_lease(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    clock = Clock(NOW)
    assert len(await leased(pool, org_id, clock)) == 1  # and its process is killed
    sender = Sender()
    clock.advance(seconds=LEASE_S - 1)
    await worker(pool, sender, clock).run_until_idle()
    assert sender.called == []
    clock.advance(seconds=1)
    await worker(pool, sender, clock).run_until_idle()
    assert sender.called == [0]


async def test_what_kills_every_process_is_given_up(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    clock = Clock(NOW)
    for _ in range(MAX_ATTEMPTS):
        assert len(await leased(pool, org_id, clock)) == 1
        clock.advance(seconds=LEASE_S)
    assert await leased(pool, org_id, clock) == []
    [row] = await outbox_rows(owner, [org_id])
    assert row.dead
    assert row.last_error == "The process died during every try."


async def test_who_comes_back_after_the_lease_was_taken_over_changes_nothing(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    clock = Clock(NOW)
    [slow] = await leased(pool, org_id, clock)
    clock.advance(seconds=LEASE_S)
    [quick] = await leased(pool, org_id, clock)
    with pytest.raises(LeaseLostError):
        await outside.perform(pool, system_actor(org_id), slow, Sender(), clock=clock)
    assert await settled(owner) == []
    await outside.perform(pool, system_actor(org_id), quick, Sender(), clock=clock)
    assert await settled(owner) == [0]


async def test_a_request_that_handles_its_own_event_leaves_nothing_to_do(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    clock = Clock(NOW)
    sender = Sender()
    async with app.session(org_id) as session:
        event = await outbox_leases.emit_leased(session, org_id, SEND, {"number": 7}, now=NOW)
    answer = await outside.conclude(app, system_actor(org_id), event, sender, 7, clock=clock)
    assert answer == 70
    clock.advance(days=1)
    await worker(pool, sender, clock).run_until_idle()
    assert sender.called == [7]


async def test_a_stopping_worker_finishes_the_calls_under_way(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, topic=SEND)
    stop, under_way = asyncio.Event(), asyncio.Event()

    async def take_time(_number: int) -> None:
        under_way.set()
        await asyncio.sleep(0.3)

    running = asyncio.create_task(worker(pool, Sender(take_time)).run(stop))
    await under_way.wait()
    stop.set()
    await running
    assert await settled(owner) == [0]
