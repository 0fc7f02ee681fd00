"""The outbox for operators, on the command line."""

from uuid import UUID

from driveflow.core import outbox_queue
from driveflow.core.actor import system_actor
from driveflow.core.clock import utc_now
from driveflow.core.db import WORKER_ROLE, Database
from driveflow.core.outbox import Outbox
from driveflow.core.outbox_queue import EventState
from driveflow.entrypoints.runtime import Addresses


async def list_events(addresses: Addresses, *, dead: bool, limit: int) -> list[Outbox]:
    """Return events of all schools that wait, or that were given up."""
    database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
    try:
        async with database.session(None) as session:
            state = EventState.DEAD if dead else EventState.PENDING
            return await outbox_queue.list_everywhere(session, state, limit=limit)
    finally:
        await database.dispose()


async def retry_event(addresses: Addresses, event_id: UUID) -> None:
    """Give an event that was given up all its tries again; raises NotFoundError."""
    database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
    try:
        async with database.session(None) as session:
            org_id = await outbox_queue.school_of(session, event_id)
        async with database.session(org_id) as session:
            await outbox_queue.retry_dead(session, system_actor(org_id), event_id, now=utc_now())
    finally:
        await database.dispose()
