"""What an operator sees of the outbox, and giving a dead event its tries again."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from driveflow.core import outbox_queue
from driveflow.core.actor import Actor, Role, system_actor
from driveflow.core.db import Database
from driveflow.core.errors import ForbiddenError, NotFoundError
from driveflow.core.ids import new_id
from driveflow.core.outbox_queue import EventState
from driveflow.core.paging import PageRequest
from driveflow.entrypoints.worker.loop import Worker
from support.outbox import HANDLED, NOW, add_schools, emit_events, outbox_rows, worker_settings
from support.schools import Clock


async def kill_event(owner: asyncpg.Connection, org_id: UUID, number: int) -> UUID:
    """Make one event of a school dead; return its id."""
    event_id: UUID = await owner.fetchval(
        "UPDATE outbox SET dead_at = $3, attempts = 10, last_error = 'ValueError: no' "
        "WHERE org_id = $1 AND payload ->> 'number' = $2 RETURNING id",
        org_id,
        str(number),
        NOW,
    )
    return event_id


async def test_a_school_lists_its_own_pending_and_dead_events_page_by_page(
    owner: asyncpg.Connection, app: Database
) -> None:
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await emit_events(app, org_id, 4)
    dead_id = await kill_event(owner, schools[0], 1)
    actor = system_actor(schools[0])
    async with app.session(schools[0]) as session:
        dead = await outbox_queue.list_events(session, actor, EventState.DEAD, PageRequest())
        first = await outbox_queue.list_events(session, actor, EventState.PENDING, PageRequest(limit=2))
        rest = await outbox_queue.list_events(
            session, actor, EventState.PENDING, PageRequest(limit=2, cursor=first.next_cursor)
        )
    assert [row.id for row in dead.items] == [dead_id]
    assert [row.payload["number"] for row in (*first.items, *rest.items)] == [0, 2, 3]
    assert rest.next_cursor is None


async def test_the_worker_role_lists_all_schools_events_and_finds_an_events_school(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await emit_events(app, org_id)
    dead_id = await kill_event(owner, schools[1], 0)
    async with pool.session(None) as session:
        pending = await outbox_queue.list_everywhere(session, EventState.PENDING)
        dead = await outbox_queue.list_everywhere(session, EventState.DEAD)
        assert await outbox_queue.school_of(session, dead_id) == schools[1]
        with pytest.raises(NotFoundError):
            await outbox_queue.school_of(session, new_id())
    assert [row.org_id for row in pending] == [schools[0]]
    assert [row.id for row in dead] == [dead_id]


async def test_a_dead_event_that_is_retried_is_handled_and_the_retry_is_audited(
    owner: asyncpg.Connection, app: Database, pool: Database
) -> None:
    [org_id] = await add_schools(owner, 1)
    await emit_events(app, org_id)
    event_id = await kill_event(owner, org_id, 0)
    worker = Worker(pool, worker_settings(), clock=Clock(NOW + timedelta(hours=1)), handlers={})
    assert await worker.run_until_idle() == 0
    async with app.session(org_id) as session:
        await outbox_queue.retry_dead(session, system_actor(org_id), event_id, now=NOW)
    [row] = await outbox_rows(owner, [org_id])
    assert (row.dead, row.attempts) == (False, 0)
    assert await worker.run_until_idle() == 1
    [audit] = await owner.fetch("SELECT actor, action, entity_id, after::text FROM audit_logs")
    assert tuple(audit) == ("system", "OUTBOX_RETRIED", str(event_id), f'{{"topic": "{HANDLED}"}}')


async def test_only_a_dead_event_of_ones_own_school_can_be_retried(
    owner: asyncpg.Connection, app: Database
) -> None:
    schools = await add_schools(owner, 2)
    for org_id in schools:
        await emit_events(app, org_id, 2)
    foreign_id = await kill_event(owner, schools[1], 0)
    pending_id = await owner.fetchval("SELECT id FROM outbox WHERE org_id = $1 LIMIT 1", schools[0])
    actor = system_actor(schools[0])
    for event_id in (foreign_id, pending_id, new_id()):
        async with app.session(schools[0]) as session:
            with pytest.raises(NotFoundError):
                await outbox_queue.retry_dead(session, actor, event_id, now=NOW)


@pytest.mark.parametrize("role", [Role.INSTRUCTOR, Role.STUDENT, Role.GUARDIAN])
async def test_teachers_and_learners_neither_list_nor_retry_events(app: Database, role: Role) -> None:
    actor = Actor(org_id=new_id(), role=role)
    async with app.session(actor.org_id) as session:
        with pytest.raises(ForbiddenError):
            await outbox_queue.list_events(session, actor, EventState.DEAD, PageRequest())
        with pytest.raises(ForbiddenError):
            await outbox_queue.retry_dead(session, actor, new_id(), now=NOW)
