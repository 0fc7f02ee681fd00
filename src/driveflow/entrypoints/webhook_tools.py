"""Stripe's events for operators and the schedule: look again at stored ones, fetch those that never came."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from driveflow.core.clock import utc_now
from driveflow.core.db import WORKER_ROLE, Database
from driveflow.core.errors import NotFoundError, OperatorError
from driveflow.core.settings import Settings
from driveflow.core.webhooks import WebhookEvent
from driveflow.entrypoints.runtime import Addresses
from driveflow.integrations.stripe_client import StripeGateway, gateway_of
from driveflow.payments import webhook_intake

LOOK_BACK: Final = timedelta(hours=2)
"""How far back is looked for events at least; further, when none has come for longer."""

LONGEST_LOOK_BACK: Final = timedelta(days=30)
"""Stripe keeps its events for 30 days."""

REPLAYED_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many stored events the worker looks at again, and how many still belong to nobody."""

    looked_at: int
    left_alone: int


@dataclass(frozen=True, slots=True)
class Backfilled:
    """How many events Stripe has told, and how many of them were new."""

    told: int
    new: int


async def replay(
    addresses: Addresses, *, event_id: UUID | None, failed_only: bool, since: datetime | None
) -> Replayed:
    """Have stored events looked at again: one, those that came to nothing, or all since a time.

    Raises NotFoundError for an id that is not there.
    """
    database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
    try:
        if event_id is not None:
            ids = [event_id]
        else:
            async with database.session(None) as session:
                found = await webhook_intake.unfinished(
                    session, since=since, failed_only=failed_only, limit=REPLAYED_AT_ONCE
                )
                ids = [stored.id for stored in found]
        looked_at = 0
        for stored_id in ids:
            looked_at += await _replay_one(database, stored_id)
        return Replayed(looked_at, len(ids) - looked_at)
    finally:
        await database.dispose()


async def _replay_one(database: Database, event_id: UUID) -> bool:
    async with database.session(None) as session:
        stored = await session.get(WebhookEvent, event_id)
        if stored is None:
            raise NotFoundError(f"There is no stored event {event_id}.")
        return await webhook_intake.replay(session, stored, now=utc_now()) is None


async def backfill_by_command(
    settings: Settings, addresses: Addresses, *, since: datetime | None
) -> Backfilled:
    """Fetch the events that never came; raises OperatorError where Stripe is not configured."""
    gateway = gateway_of(settings)
    if gateway is None:
        raise OperatorError("DRIVEFLOW_STRIPE_SECRET_KEY is not set: there is no Stripe to ask.")
    database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
    try:
        return await backfill(database, gateway, since=since, now=utc_now())
    finally:
        await gateway.close()
        await database.dispose()


async def backfill(
    database: Database, gateway: StripeGateway, *, since: datetime | None, now: datetime
) -> Backfilled:
    """Take in every event since then that Stripe has and we have not, oldest first.

    Without `since` it goes back LOOK_BACK before the newest event that came, or before now. No transaction is
    open while Stripe is asked.
    """
    async with database.session(None) as session:
        newest = await webhook_intake.newest_known(session)
        accounts = await webhook_intake.connected_accounts(session)
    start = since or min(now, newest or now - LONGEST_LOOK_BACK) - LOOK_BACK
    start = max(start, now - LONGEST_LOOK_BACK)
    told = [event async for event in gateway.events_since(start, webhook_intake.PLATFORM_EVENTS)]
    for account in accounts:
        told += [
            event
            async for event in gateway.events_since(start, webhook_intake.CONNECT_EVENTS, account=account)
        ]
    new = 0
    for event in sorted(told, key=_created):
        async with database.session(None) as session:
            new += (await webhook_intake.take_in(session, event, now=now)).is_new
    return Backfilled(len(told), new)


def _created(event: dict[str, Any]) -> int:
    created: int = event["created"]
    return created
