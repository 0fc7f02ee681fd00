"""What Stripe tells: an event only says where to look; the object is fetched again and its state applied.

So neither the order of events nor a stale copy in one of them matters. `look_at` asks for the same without an
event. What a state means is up to the applier of the object's kind; which applier that is stands in one
table, `entrypoints/worker/outside_handlers.py`. Appliers move rows forwards only, under their locks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox import Topic, emit
from driveflow.core.outbox_queue import Event
from driveflow.core.webhooks import WebhookEvent
from driveflow.integrations.stripe_calls import MissingObjectError, StripeKind
from driveflow.integrations.stripe_client import StripeGateway

MISSING: Final = "missing"


@dataclass(frozen=True, slots=True)
class Look:
    """An object to be looked at, and the stored event that asked for it, if one did."""

    kind: StripeKind
    stripe_id: str
    account: str | None
    event_type: str | None
    webhook_event_id: UUID | None


class Applier(Protocol):
    """What the state of one kind of object means to the rows of a school."""

    async def apply(
        self,
        session: AsyncSession,
        actor: Actor,
        fetched: dict[str, Any],
        event_type: str | None,
        *,
        now: datetime,
    ) -> str:
        """Apply an object's state, forwards only; return in a word what became of it.

        `event_type` is None when nobody's event asked for the look.
        """


Appliers = Mapping[StripeKind, Applier]


async def look_at(
    session: AsyncSession,
    org_id: UUID,
    kind: StripeKind,
    stripe_id: str,
    *,
    now: datetime,
    available_at: datetime | None = None,
    account: str | None = None,
    event_type: str | None = None,
    webhook_event_id: UUID | None = None,
) -> None:
    """Have the worker fetch an object and apply its state, at once or at a later time."""
    payload = {
        "kind": kind.value,
        "stripe_id": stripe_id,
        "account": account,
        "event_type": event_type,
        "webhook_event_id": str(webhook_event_id) if webhook_event_id else None,
    }
    await emit(session, org_id, Topic.STRIPE_EVENT_DUE, payload, now=now, available_at=available_at)


class StripeEventHandler:
    """The outside handler of Topic.STRIPE_EVENT_DUE."""

    def __init__(self, gateway: StripeGateway, appliers: Appliers) -> None:
        self._gateway = gateway
        self._appliers = appliers

    async def prepare(
        self,
        session: AsyncSession,  # noqa: ARG002 - an outside handler's signature
        actor: Actor,  # noqa: ARG002 - as above
        event: Event,
        *,
        now: datetime,  # noqa: ARG002 - as above
    ) -> Look:
        """Return where to look."""
        told = event.payload
        event_id = told["webhook_event_id"]
        return Look(
            StripeKind(told["kind"]),
            told["stripe_id"],
            told["account"],
            told["event_type"],
            UUID(event_id) if event_id else None,
        )

    async def call(self, request: Look) -> dict[str, Any] | None:
        """Fetch the object; None for one that Stripe does not have."""
        # An account is read as the platform that owns it, whoever told about it.
        account = None if request.kind is StripeKind.ACCOUNT else request.account
        try:
            return await self._gateway.fetch(request.kind, request.stripe_id, account=account)
        except MissingObjectError:
            return None

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        event: Event,  # noqa: ARG002 - an outside handler's signature
        request: Look,
        answer: dict[str, Any] | None,
        *,
        now: datetime,
    ) -> None:
        """Apply the state; note at the stored event what became of it."""
        outcome = MISSING
        if answer is not None:
            applier = self._appliers[request.kind]
            outcome = await applier.apply(session, actor, answer, request.event_type, now=now)
        if request.webhook_event_id is not None:
            await session.execute(
                update(WebhookEvent)
                .where(WebhookEvent.id == request.webhook_event_id)
                .values(processed_at=now, outcome=outcome)
            )
