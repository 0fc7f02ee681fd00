"""Stripe's webhooks: stored once, routed to their school, and left to the worker (money.md, rule 1).

An event belongs to the school of the object that it is about: one whose Stripe id we noted, or one that
carries our `org_id` in its metadata. An event that belongs to nobody is kept with that outcome; it can be
replayed when the reason is mended. What a state means is decided later, of the fetched object
(`stripe_events.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import webhooks
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, record
from driveflow.core.db import set_tenant
from driveflow.core.errors import ConflictError, NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.core.webhooks import WebhookEvent
from driveflow.integrations.stripe_calls import StripeKind
from driveflow.orgs.models import Org
from driveflow.payments.models import StripeObject
from driveflow.payments.stripe_events import look_at

PROVIDER: Final = "stripe"
IGNORED: Final = "ignored"
UNROUTABLE: Final = "unroutable"

PLATFORM_EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "transfer.reversed",
)
"""What the platform's endpoint should be sent; at most 20, so that one list finds what was missed."""

CONNECT_EVENTS: Final = ("account.updated", "account.application.deauthorized")
"""What the endpoint of connected accounts should be sent."""

_KINDS: Final = frozenset(StripeKind)
_RELATED: Final = ("payment_intent", "charge", "source_transaction")


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an event on arrival; without an `outcome` the worker will see to it."""

    event_id: UUID | None
    org_id: UUID | None
    outcome: str | None

    @property
    def is_new(self) -> bool:
        """Whether the event had not been stored before."""
        return self.event_id is not None


async def take_in(session: AsyncSession, event: dict[str, Any], *, now: datetime) -> TakenIn:
    """Store an event once, in a transaction without a school, and have its school's worker look.

    Raises ValueError for something that is no event.
    """
    told = _object_of(event)
    org_id = await _school_of(session, told)
    kind = told.get("object")
    outcome = None
    if kind not in _KINDS:
        outcome = IGNORED
    elif org_id is None:
        outcome = UNROUTABLE
    stored_id = await webhooks.remember_once(
        session,
        provider=PROVIDER,
        event_id=event["id"],
        event_type=event["type"],
        payload=event,
        org_id=org_id,
        account=event.get("account"),
        outcome=outcome,
        now=now,
    )
    if stored_id is not None and outcome is None and org_id is not None:
        await set_tenant(session, org_id)
        await _look(session, org_id, event, stored_id, now=now)
    return TakenIn(stored_id, org_id, outcome)


async def replay(session: AsyncSession, stored: WebhookEvent, *, now: datetime) -> str | None:
    """Have a stored event looked at again; return the outcome, None when the worker will see to it.

    The session's transaction becomes that of the event's school. An event that belonged to nobody is routed
    again.
    """
    told = _object_of(stored.payload)
    if told.get("object") not in _KINDS:
        return IGNORED
    org_id = stored.org_id or await _school_of(session, told)
    if org_id is None:
        return UNROUTABLE
    await set_tenant(session, org_id)
    stored.org_id = org_id
    stored.outcome = stored.processed_at = None
    await session.flush()
    await _look(session, org_id, stored.payload, stored.id, now=now)
    return None


async def replay_for(session: AsyncSession, actor: Actor, event_id: UUID, *, now: datetime) -> WebhookEvent:
    """Replay an event of the actor's school. Raises NotFoundError, ConflictError `webhook_ignored`."""
    require(actor, Permission.OPS)
    found = await session.scalars(
        select(WebhookEvent).where(WebhookEvent.id == event_id, WebhookEvent.org_id == actor.org_id)
    )
    stored = found.one_or_none()
    if stored is None:
        raise NotFoundError
    before = {"outcome": stored.outcome}
    if await replay(session, stored, now=now) is not None:
        raise ConflictError("Nothing is done about events of this type.", code="webhook_ignored")
    record(session, actor, Action.WEBHOOK_REPLAYED, "WebhookEvent", stored.id, now=now, before=before)
    await session.flush()
    return stored


async def list_events(session: AsyncSession, actor: Actor, paging: PageRequest) -> Page[WebhookEvent]:
    """Return the webhooks of the actor's school, newest first."""
    require(actor, Permission.OPS)
    query = select(WebhookEvent).where(WebhookEvent.org_id == actor.org_id)
    return await fetch_page(
        session, query, [WebhookEvent.received_at, WebhookEvent.id], paging, descending=True
    )


async def unfinished(
    session: AsyncSession, *, since: datetime | None, failed_only: bool, limit: int
) -> Sequence[WebhookEvent]:
    """Return Stripe's events of all schools, oldest first; of `failed_only` those that came to nothing."""
    query = select(WebhookEvent).where(WebhookEvent.provider == PROVIDER)
    if since is not None:
        query = query.where(WebhookEvent.received_at >= since)
    if failed_only:
        query = query.where(WebhookEvent.processed_at.is_(None) | (WebhookEvent.outcome == UNROUTABLE))
    ordered = query.order_by(WebhookEvent.received_at, WebhookEvent.id).limit(limit)
    return (await session.scalars(ordered)).all()


async def newest_known(session: AsyncSession) -> datetime | None:
    """Return when the newest of Stripe's events was received, None when there is none."""
    query = select(WebhookEvent.received_at).where(WebhookEvent.provider == PROVIDER)
    return (await session.scalars(query.order_by(WebhookEvent.received_at.desc()).limit(1))).one_or_none()


async def connected_accounts(session: AsyncSession) -> Sequence[str]:
    """Return the ids of all connected accounts that DriveFlow has made."""
    query = select(StripeObject.stripe_id).where(StripeObject.kind == StripeKind.ACCOUNT.value)
    return (await session.scalars(query.order_by(StripeObject.stripe_id))).all()


async def _look(
    session: AsyncSession, org_id: UUID, event: dict[str, Any], stored_id: UUID, *, now: datetime
) -> None:
    told = _object_of(event)
    await look_at(
        session,
        org_id,
        StripeKind(told["object"]),
        told["id"],
        now=now,
        account=event.get("account"),
        event_type=event["type"],
        webhook_event_id=stored_id,
    )


def _object_of(event: object) -> dict[str, Any]:
    """Return what an event is about; raises ValueError for something that is no event."""
    match event:
        case {"id": str(), "type": str(), "data": {"object": dict(told)}}:
            return told
        case _:
            raise ValueError("not a Stripe event")


async def _school_of(session: AsyncSession, told: dict[str, Any]) -> UUID | None:
    named = [told.get("id"), *(told.get(name) for name in _RELATED)]
    ids = [value for value in named if isinstance(value, str)]
    query = select(StripeObject.org_id).where(StripeObject.stripe_id.in_(ids)).limit(1)
    org_id = (await session.scalars(query)).one_or_none()
    if org_id is not None:
        return org_id
    metadata = told.get("metadata")
    try:
        claimed = UUID(metadata["org_id"]) if isinstance(metadata, dict) else None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if claimed is None:
        return None
    return (await session.scalars(select(Org.id).where(Org.id == claimed))).one_or_none()
