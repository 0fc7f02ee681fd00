"""Calls to the outside world: never inside a transaction, never twice because something died.

A call is an event of a topic in `OUTSIDE_TOPICS` (`core/outbox.py`) with an *outside handler* of three steps:

1. `prepare`, in a transaction: is the call still wanted? Freeze its parameters, mark the row it is about.
2. `call`, outside of any transaction.
3. `settle`, in a second transaction, which also marks the event processed: keep what the answer says.

The event is *leased* meanwhile (`core/outbox_leases.py`): nobody else takes it for LEASE_S. A process that is
killed between the steps leaves it to the next one, whose `prepare` sees what the first try left behind: for
Stripe the same idempotency key and the same frozen parameters go out again, a message is never sent blindly.

A refusal by the other side that will not change is an *answer*. An exception means an unknown outcome or a
passing fault: the event comes back after `outbox.backoff`, and is given up after MAX_ATTEMPTS.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import outbox_leases
from driveflow.core.actor import Actor
from driveflow.core.db import Database
from driveflow.core.outbox_queue import Event

CALL_TIMEOUT_S = 60.0
"""The longest call; well below LEASE_S, so that a lease ends only with its process."""

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


class OutsideHandler(Protocol[RequestT, AnswerT]):
    """What is done about one outside topic."""

    async def prepare(
        self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime
    ) -> RequestT | None:
        """Return the call's frozen parameters, or None when it is not wanted any more."""

    async def call(self, request: RequestT) -> AnswerT:
        """Make the call; raise when its outcome is unknown or the fault will pass."""

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        event: Event,
        request: RequestT,
        answer: AnswerT,
        *,
        now: datetime,
    ) -> None:
        """Keep what the answer says."""


AnyOutsideHandler = OutsideHandler[Any, Any]


async def perform(
    database: Database,
    actor: Actor,
    event: Event,
    handler: OutsideHandler[RequestT, AnswerT],
    *,
    clock: Callable[[], datetime],
) -> AnswerT | None:
    """Do all three steps for a leased event; return the answer, or None when no call was wanted.

    Raises what `call` raises, and LeaseLostError when the lease ran out meanwhile; the event is due again.
    """
    async with database.session(actor.org_id) as session:
        request = await handler.prepare(session, actor, event, now=clock())
        if request is None:
            await outbox_leases.mark_done(session, actor.org_id, event, now=clock())
            return None
    return await conclude(database, actor, event, handler, request, clock=clock)


async def conclude(
    database: Database,
    actor: Actor,
    event: Event,
    handler: OutsideHandler[RequestT, AnswerT],
    request: RequestT,
    *,
    clock: Callable[[], datetime],
) -> AnswerT:
    """Call and settle what was prepared, for a request of the API that needs the answer at once.

    Its own transaction has prepared the call and written the event by `outbox_leases.emit_leased`, which is
    the safety net. Raises as `perform` does.
    """
    async with asyncio.timeout(CALL_TIMEOUT_S):
        answer = await handler.call(request)
    async with database.session(actor.org_id) as session:
        await handler.settle(session, actor, event, request, answer, now=clock())
        await outbox_leases.mark_done(session, actor.org_id, event, now=clock())
    return answer
