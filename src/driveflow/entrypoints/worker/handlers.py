"""What the worker does about each topic: one table.

A handler runs inside the worker's transaction of the event's school, in a savepoint of its own, and must not
commit. What it writes is kept exactly if its event is marked processed. It raises to be tried again later
(`core/outbox.py:backoff`); so it does nothing that cannot be rolled back, such as a call to the outside
world. To plug in a new one, add it to its topic's tuple; topics without handlers are marked processed unseen.
Those that depend on settings are made in `handlers_of`.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings import moves
from driveflow.core.actor import Actor
from driveflow.core.outbox import Topic
from driveflow.core.outbox_queue import Event
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker import money_handlers, paper_handlers, payout_handlers
from driveflow.entrypoints.worker.message_handlers import ANNOUNCED, MessageWriter
from driveflow.trips import service as trips


class Handler(Protocol):
    """A function that acts on an event as DriveFlow itself in the event's school."""

    async def __call__(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
        """Act on the event; raise to be tried again later."""


Handlers = Mapping[Topic, tuple[Handler, ...]]


async def expire_hold(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Let go of a slot whose hold has run out."""
    await moves.expire_hold(session, actor, UUID(event.payload["booking_id"]), now=now)


async def auto_close_lesson(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """Close a lesson that nobody closed."""
    await trips.auto_close_lesson(session, actor, UUID(event.payload["booking_id"]), now=now)


async def close_cancelled_lesson(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
    """End the lesson of a booking that was cancelled while it ran."""
    await trips.close_cancelled_lesson(session, actor, UUID(event.payload["booking_id"]), now=now)


_ALWAYS: Final[Handlers] = MappingProxyType(
    {
        Topic.BOOKING_CANCELLED: (
            close_cancelled_lesson,
            money_handlers.refund_after,
            payout_handlers.settle_payout,
        ),
        Topic.BOOKING_COMPLETED: (payout_handlers.settle_payout,),
        Topic.BOOKING_FEE_WAIVED: (money_handlers.refund_after, payout_handlers.settle_waived_fee),
        Topic.BOOKING_HOLD_DUE: (expire_hold,),
        Topic.BOOKING_NO_SHOW: (money_handlers.refund_after, payout_handlers.settle_payout),
        Topic.LESSON_AUTO_CLOSE_DUE: (auto_close_lesson,),
        Topic.PAYMENT_ABANDON_DUE: (money_handlers.abandon_payment,),
        Topic.PAYMENT_SUCCEEDED: (payout_handlers.settle_payout, paper_handlers.issue_invoice),
        Topic.REFUND_SUCCEEDED: (payout_handlers.settle_refund, paper_handlers.issue_credit_note),
        Topic.REFUND_FAILED: (payout_handlers.settle_refund,),
        Topic.DISPUTE_OPENED: (payout_handlers.freeze_payout,),
        Topic.DISPUTE_CLOSED: (payout_handlers.end_dispute,),
        Topic.PAYOUT_DUE: (payout_handlers.pay_out,),
    }
)


def handlers_of(settings: Settings) -> Handlers:
    """Return what the worker does about each topic; on one topic the school's own business comes first."""
    writer = MessageWriter(settings)
    told: Handlers = {
        **dict.fromkeys(ANNOUNCED, (writer.announce,)),
        Topic.BOOKING_REMINDER_DUE: (writer.remind,),
        Topic.MESSAGE_WRITE_DUE: (writer.write_again,),
    }
    return MappingProxyType(
        {topic: (*_ALWAYS.get(topic, ()), *told.get(topic, ())) for topic in {*_ALWAYS, *told}}
    )
