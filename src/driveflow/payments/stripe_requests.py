"""Calls that change something at Stripe: frozen in a row first, made outside of transactions, settled once.

`freeze` writes the call with its idempotency key and parameters, and an event that makes the worker make it.
A request of the API that needs the answer takes the event leased and makes the call itself. Whatever dies in
between, the same call goes out again with the same key, and Stripe gives the same answer (money.md, rule 2).

Stripe forgets keys after 24 hours, and keeps giving back a 500 of its own. So after KEY_LIFE, and for a
replayed 500, what the call would have made is looked for by `request_id` in its metadata, and only if it is
not there a new key is used.

What an answer means is up to the settler of its operation; which settler that is stands in one table,
`entrypoints/worker/outside_handlers.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import outbox_leases
from driveflow.core.actor import Actor
from driveflow.core.db import get_or_404
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.core.outbox_queue import Event
from driveflow.integrations.stripe_calls import (
    CLOSING,
    StripeAnswer,
    StripeKind,
    StripeOperation,
    UnknownOutcomeError,
)
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments.models import StripeObject, StripeRequest, StripeRequestStatus

KEY_LIFE: Final = timedelta(hours=23)
"""How long an idempotency key is trusted; Stripe removes keys "after at least 24 hours"."""

_BEFORE_FIRST_TRY: Final = timedelta(minutes=5)
_NOT_WANTED: Final = "not_wanted"
_CLOSED_KIND: Final = {
    StripeOperation.EXPIRE_CHECKOUT_SESSION: StripeKind.CHECKOUT_SESSION,
    StripeOperation.CANCEL_PAYMENT_INTENT: StripeKind.PAYMENT_INTENT,
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen call; `event` is the lease of a caller that asked for one and may call at once."""

    request: StripeRequest
    event: Event | None


@dataclass(frozen=True, slots=True)
class StripeCall:
    """A call as it goes out; `attempt` counts the tries, this one included."""

    request_id: UUID
    operation: StripeOperation
    parameters: Mapping[str, Any]
    target_id: str | None
    idempotency_key: str
    first_sent_at: datetime
    now: datetime
    attempt: int


class Settler(Protocol):
    """What one operation means to the rows that it is about."""

    async def still_wanted(
        self, session: AsyncSession, actor: Actor, request: StripeRequest, *, now: datetime
    ) -> bool:
        """Return whether a call that was never tried is still wanted."""

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Keep what the answer says; called once per request."""


Settlers = Mapping[StripeOperation, Settler]


async def freeze(
    session: AsyncSession,
    actor: Actor,
    operation: StripeOperation,
    *,
    idempotency_key: str,
    parameters: dict[str, Any],
    target_id: str | None = None,
    entity_type: str,
    entity_id: UUID,
    now: datetime,
    leased: bool = False,
) -> Frozen:
    """Write a call that is to be made; the same key gives the row of before and no second event.

    Operations that make an object get `request_id` into its metadata. With `leased` the caller makes the call
    itself, by `call_of` and `core.outside.conclude`.
    """
    found = await session.scalars(
        select(StripeRequest).where(
            StripeRequest.org_id == actor.org_id, StripeRequest.idempotency_key == idempotency_key
        )
    )
    if (before := found.one_or_none()) is not None:
        return Frozen(before, None)
    request_id = new_id()
    if operation not in CLOSING:
        metadata = {**parameters.get("metadata", {}), "request_id": str(request_id)}
        parameters = {**parameters, "metadata": metadata}
    request = StripeRequest(
        org_id=actor.org_id,
        id=request_id,
        idempotency_key=idempotency_key,
        operation=operation.value,
        parameters=parameters,
        target_id=target_id,
        entity_type=entity_type,
        entity_id=entity_id,
        first_sent_at=now if leased else None,
        created_at=now,
        updated_at=now,
    )
    session.add(request)
    await session.flush()
    payload = {"request_id": str(request_id)}
    if leased:
        event = await outbox_leases.emit_leased(
            session, actor.org_id, Topic.STRIPE_REQUEST_DUE, payload, now=now
        )
        return Frozen(request, event)
    await emit(session, actor.org_id, Topic.STRIPE_REQUEST_DUE, payload, now=now)
    return Frozen(request, None)


def call_of(request: StripeRequest, *, attempt: int, now: datetime) -> StripeCall:
    """Return a request as the call that goes out."""
    return StripeCall(
        request.id,
        StripeOperation(request.operation),
        request.parameters,
        request.target_id,
        request.idempotency_key,
        request.first_sent_at or now,
        now,
        attempt,
    )


async def outcome_of(
    session: AsyncSession, actor: Actor, request_id: UUID
) -> tuple[StripeRequestStatus, str | None]:
    """Return whether a call has a certain answer yet, and Stripe's message if it was refused."""
    request = await get_or_404(session, StripeRequest, actor.org_id, request_id)
    return StripeRequestStatus(request.status), request.error_message


async def remember(session: AsyncSession, org_id: UUID, entity_id: UUID, kind: str, stripe_id: str) -> None:
    """Note which school's row a Stripe id belongs to, so that webhooks find it."""
    await session.execute(
        insert(StripeObject)
        .values(stripe_id=stripe_id, kind=kind, org_id=org_id, entity_id=entity_id)
        .on_conflict_do_nothing()
    )


class StripeRequestHandler:
    """The outside handler of Topic.STRIPE_REQUEST_DUE."""

    def __init__(self, gateway: StripeGateway, settlers: Settlers) -> None:
        self._gateway = gateway
        self._settlers = settlers

    async def prepare(
        self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime
    ) -> StripeCall | None:
        """Return the frozen call, unless it is answered or not wanted any more."""
        request = await _lock(session, actor, UUID(event.payload["request_id"]))
        if request.status != StripeRequestStatus.PENDING:
            return None
        if request.first_sent_at is None:
            settler = self._settlers[StripeOperation(request.operation)]
            if not await settler.still_wanted(session, actor, request, now=now):
                request.status = StripeRequestStatus.REFUSED.value
                request.error_code = _NOT_WANTED
                request.answered_at = request.updated_at = now
                return None
            request.first_sent_at = request.updated_at = now
        return call_of(request, attempt=event.attempts, now=now)

    async def call(self, request: StripeCall) -> StripeAnswer:
        """Make the call; a closing that is refused answers with the object's state as well."""
        answer = await self._send(request)
        if answer.refusal is not None and request.operation in CLOSING and request.target_id is not None:
            found = await self._gateway.fetch(_CLOSED_KIND[request.operation], request.target_id)
            return StripeAnswer(found, answer.refusal)
        return answer

    async def _send(self, request: StripeCall) -> StripeAnswer:
        if request.now - request.first_sent_at <= KEY_LIFE:
            try:
                return await self._send_with(request, request.idempotency_key)
            except UnknownOutcomeError as error:
                if not error.replayed:
                    raise
        if request.operation not in CLOSING:
            found = await self._gateway.find(
                request.operation,
                request.parameters,
                target_id=request.target_id,
                request_id=str(request.request_id),
                since=request.first_sent_at - _BEFORE_FIRST_TRY,
            )
            if found is not None:
                return StripeAnswer(found)
        return await self._send_with(request, f"{request.idempotency_key}:{request.attempt}")

    async def _send_with(self, request: StripeCall, key: str) -> StripeAnswer:
        return await self._gateway.send(
            request.operation, request.parameters, idempotency_key=key, target_id=request.target_id
        )

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        event: Event,  # noqa: ARG002 - an outside handler's signature
        request: StripeCall,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Mark the request answered and let its settler act; a second answer changes nothing."""
        await self.settle_answer(session, actor, request, answer, now=now)

    async def settle_answer(
        self, session: AsyncSession, actor: Actor, call: StripeCall, answer: StripeAnswer, *, now: datetime
    ) -> None:
        """As `settle`, for whoever made the call without holding the event."""
        request = await _lock(session, actor, call.request_id)
        if request.status != StripeRequestStatus.PENDING:
            return
        if answer.refusal is None:
            request.status = StripeRequestStatus.SUCCEEDED.value
        else:
            request.status = StripeRequestStatus.REFUSED.value
            request.error_code = answer.refusal.code
            request.error_message = answer.refusal.message
        if answer.object is not None:
            request.stripe_id = answer.object["id"]
            await remember(
                session, actor.org_id, request.entity_id, answer.object["object"], answer.object["id"]
            )
        request.answered_at = request.updated_at = now
        await self._settlers[call.operation].settle(session, actor, request, answer, now=now)


async def _lock(session: AsyncSession, actor: Actor, request_id: UUID) -> StripeRequest:
    return await get_or_404(session, StripeRequest, actor.org_id, request_id, lock=True)
