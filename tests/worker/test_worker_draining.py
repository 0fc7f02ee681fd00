"""Taking events out of the outbox: each once, all of them, and none for another's failure."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Role
from driveflow.core.db import WORKER_ROLE, Database, driver_connection
from driveflow.core.outbox import MAX_ATTEMPTS, Topic, emit
from driveflow.core.outbox_queue import BATCH_SIZE, Event
from driveflow.entrypoints.worker import loop
from driveflow.entrypoints.worker.handlers import Handler
from driveflow.entrypoints.worker.loop import EVENTS, Worker
from driveflow.messaging.models import Message
from support.outbox import HANDLED, NOW, add_schools, emit_events, outbox_rows, worker_settings
from support.schools import Clock


class Recorder:
    """A handler that counts its calls and can fail for chosen numbers."""

    def __init__(self, *failing: int) -> None:
        self.failing = set(failing)
        self.calls: list[tuple[UUID, int]] = []

    async def __call__(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG002 - a handler's signature
        assert actor.role is Role.SYSTEM
        number = event.payload["number"]
        self.calls.append((actor.org_id, number))
        leave_message(session, actor, event)
        if number in self.failing:
            raise ValueError(f"cannot handle number {number}")


def leave_message(session: AsyncSession, actor: Actor, event: Event) -> None:
    session.add(
        Message(
            org_id=actor.org_id,
            to_address="x@school.example",
            channel="email",
            template_key=str(event.payload["number"]),
        )
    )


async def messages(owner: asyncpg.Connection) -> Counter[int]:
    return Counter(int(row[0]) for row in await owner.fetch("SELECT template_key FROM messages"))


def worker(
    pool: Database, *handlers: Handler, clock: Clock | None = None, batch_size: int = BATCH_SIZE
) -> Worker:
    return Worker(
        pool,
        worker_settings(),
        clock=clock or Clock(NOW),
        handlers={HANDLED: handlers},
        batch_size=batch_size,
    )


async def test_four_workers_at_once_handle_each_event_exactly_once(
    owner: asyncpg.Connection, app: Database, fresh_database_url: str
) -> None:
    schools = await add_schools(owner, 5)
    for org_id in schools:
        await emit_events(app, org_id, 100)
    recorder = Recorder()
    pools = [Database(fresh_database_url, role=WORKER_ROLE, pool_size=1) for _ in range(4)]
    done = await asyncio.gather(*(worker(pool, recorder, batch_size=20).run_until_idle() for pool in pools))
    for pool in pools:
        await pool.dispose()
    assert sum(done) == 500
    assert Counter(recorder.calls) == {(org_id, number): 1 for org_id in schools for number in range(100)}
    assert all(row.processed and row.attempts == 0 for row in await outbox_rows(owner, schools))
    assert sum((await messages(owner)).values()) == 500


async def test_a_topic_without_a_handler_is_marked_processed(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 250, topic=Topic.TRIP_STOPPED)
    before = EVENTS.labels("trip.stopped", "handled")._value.get()
    assert await worker(pool).run_until_idle() == 250
    assert EVENTS.labels("trip.stopped", "handled")._value.get() == before + 250
    assert all(row.processed for row in await outbox_rows(owner, schools))


async def test_a_topic_of_a_newer_version_is_left_for_a_newer_worker(
    owner: asyncpg.Connection, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await owner.execute(
        "INSERT INTO outbox (org_id, id, topic, payload, available_at) "
        "VALUES ($1, gen_random_uuid(), 'moon.landed', '{}', $2)",
        org_id,
        NOW,
    )
    assert await worker(pool).run_until_idle() == 0
    assert not (await outbox_rows(owner, [org_id]))[0].processed


async def test_events_of_one_batch_are_handled_in_the_order_of_their_birth(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id, 50)
    recorder = Recorder()
    await worker(pool, recorder).run_until_idle()
    assert [number for _, number in recorder.calls] == list(range(50))


async def test_an_event_with_a_future_date_waits_for_it(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    clock = Clock(NOW)
    await emit_events(app, schools[0], available_at=NOW + timedelta(minutes=30))
    recorder = Recorder()
    worker_ = worker(pool, recorder, clock=clock)
    clock.advance(minutes=29, seconds=59)
    assert await worker_.run_until_idle() == 0
    clock.advance(seconds=1)
    assert await worker_.run_until_idle() == 1
    assert len(recorder.calls) == 1


async def test_a_failing_event_backs_off_and_dies_after_ten_tries_while_its_neighbours_are_handled(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 5)
    clock, recorder = Clock(NOW), Recorder(2)
    worker_ = worker(pool, recorder, clock=clock)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await worker_.run_until_idle()
        row = (await outbox_rows(owner, schools))[2]
        assert (row.attempts, row.processed) == (attempt, False)
        assert row.last_error == "ValueError: cannot handle number 2"
        expected_s = 2**attempt
        wait_s = (row.available_at - clock()).total_seconds()
        assert expected_s / 2 <= wait_s <= expected_s * 3 / 2
        assert row.dead == (attempt == MAX_ATTEMPTS)
        clock.advance(hours=2)
    assert await worker_.run_until_idle() == 0
    assert Counter(number for _, number in recorder.calls) == {0: 1, 1: 1, 2: MAX_ATTEMPTS, 3: 1, 4: 1}
    rows = await outbox_rows(owner, schools)
    assert [row.processed for row in rows] == [True, True, False, True, True]
    # What the failing handler wrote before it failed is gone.
    assert await messages(owner) == {0: 1, 1: 1, 3: 1, 4: 1}


async def test_a_statement_that_the_database_refuses_spoils_only_its_own_event(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 3)

    async def divide(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        leave_message(session, actor, event)
        await session.execute(
            text("SELECT 1 / CAST(:number AS integer)"), {"number": event.payload["number"]}
        )

    await worker(pool, divide).run_until_idle()
    rows = await outbox_rows(owner, schools)
    assert [row.processed for row in rows] == [False, True, True]
    assert "division by zero" in str(rows[0].last_error)
    assert "SELECT" not in str(rows[0].last_error)
    assert await messages(owner) == {1: 1, 2: 1}


async def test_an_error_with_odd_letters_and_no_end_is_kept_short(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0])

    async def shout(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        raise RuntimeError("\x00\udcff" + "a" * 2000 + "\nsecond line")

    await worker(pool, shout).run_until_idle()
    error = str((await outbox_rows(owner, schools))[0].last_error)
    assert error.startswith("RuntimeError:   aaa")
    assert len(error) == 500


async def test_a_busy_school_delays_the_others_by_one_batch_at_most(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    busy, *quiet = await add_schools(owner, 4)
    await emit_events(app, busy, 200)
    for org_id in quiet:
        await emit_events(app, org_id, now=NOW + timedelta(seconds=1))
    recorder = Recorder()
    await worker(pool, recorder, clock=Clock(NOW + timedelta(seconds=2)), batch_size=10).run_until_idle()
    order = [org_id for org_id, _ in recorder.calls]
    assert len(order) == 203
    assert max(order.index(org_id) for org_id in quiet) <= 10 + len(quiet)


async def test_a_batch_that_takes_too_long_gives_the_rest_back(
    owner: asyncpg.Connection, app: Database, pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "BATCH_BUDGET_S", 0.05)
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 10)
    seen: list[int] = []

    async def dawdle(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        # What an earlier batch has handled is committed: others see it.
        seen.append(sum(row.processed for row in await outbox_rows(owner, schools)))
        await asyncio.sleep(0.02)

    assert await worker(pool, dawdle).run_until_idle() == 10
    assert 0 < seen[-1] < 10


async def test_a_handler_that_hangs_is_given_up_and_its_neighbours_are_handled(
    owner: asyncpg.Connection, app: Database, pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HANDLER_TIMEOUT_S", 0.05)
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 3)

    async def hang(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        if event.payload["number"] == 1:
            await asyncio.sleep(60)

    await worker(pool, hang).run_until_idle()
    rows = await outbox_rows(owner, schools)
    assert [row.processed for row in rows] == [True, False, True]
    assert rows[1].last_error is not None
    assert rows[1].last_error.startswith("TimeoutError")


async def test_an_event_that_cuts_its_connection_twice_counts_as_failed_and_lets_the_others_pass(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 3)
    recorder = Recorder()

    async def cut(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
        await recorder(session, actor, event, now=now)
        if event.payload["number"] == 1:
            connection = await driver_connection(session)
            await owner.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            while not connection.is_closed():  # noqa: ASYNC110 - the driver sets no Event
                await asyncio.sleep(0.01)
            await session.execute(text("SELECT 1"))

    worker_ = worker(pool, cut)
    for expected_attempts in (0, 1):
        with pytest.raises(Exception, match=r"closed|terminat"):
            await worker_.run_until_idle()
        rows = await outbox_rows(owner, schools)
        assert not any(row.processed for row in rows)
        assert rows[1].attempts == expected_attempts
    await worker_.run_until_idle()
    assert [row.processed for row in await outbox_rows(owner, schools)] == [True, False, True]
    assert await messages(owner) == {0: 1, 2: 1}


async def test_a_handler_that_ends_the_transaction_is_told_so_and_nothing_is_lost(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 1)
    await emit_events(app, schools[0], 2)

    async def commit(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        await session.commit()

    with pytest.raises(Exception, match="transaction"):
        await worker(pool, commit).run_until_idle()
    assert not any(row.processed for row in await outbox_rows(owner, schools))


async def test_a_change_that_is_rolled_back_leaves_no_event(owner: asyncpg.Connection, app: Database) -> None:
    [org_id] = await add_schools(owner, 1)

    async def fail() -> None:
        async with app.session(org_id) as session:
            await emit(session, org_id, HANDLED, {"number": 1}, now=NOW)
            raise LookupError("the change failed")

    with pytest.raises(LookupError):
        await fail()
    assert await outbox_rows(owner, [org_id]) == []


async def test_a_second_event_with_the_same_key_is_dropped_in_its_school_only(
    owner: asyncpg.Connection, app: Database
) -> None:
    schools = await add_schools(owner, 2)
    for org_id in (*schools, schools[0]):
        async with app.session(org_id) as session:
            await emit(session, org_id, HANDLED, {"number": 1}, now=NOW, dedupe_key="hold:1")
    assert [len(await outbox_rows(owner, [org_id])) for org_id in schools] == [1, 1]


async def test_the_worker_sees_all_schools_events_but_changes_only_those_of_the_school_it_set(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await emit_events(app, org_id)
    async with pool.session(None) as session:
        assert (await session.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 2
        assert (await session.execute(text("SELECT id FROM outbox FOR UPDATE"))).all() == []
        changed = await session.execute(text("UPDATE outbox SET processed_at = now() RETURNING org_id"))
        assert changed.all() == []
        deleted = await session.execute(text("DELETE FROM outbox RETURNING org_id"))
        assert deleted.all() == []
    async with pool.session(schools[0]) as session:
        changed = await session.execute(text("UPDATE outbox SET processed_at = now() RETURNING org_id"))
        assert changed.scalars().all() == [schools[0]]
    async with app.session(None) as session:
        assert (await session.execute(text("SELECT count(*) FROM outbox"))).scalar_one() == 0
