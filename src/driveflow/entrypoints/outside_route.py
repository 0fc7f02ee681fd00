"""Routes that need the outside world's answer: several transactions, none of them open during a call.

`OutsideRoute` authenticates and refuses another school as `TenantRoute` does, but opens no transaction; the
route takes as many as it needs (`OutsideContext.session`). With an `Idempotency-Key` the key is claimed and
committed first, and gets its answer at the end. So a request that dies in between leaves a key without an
answer, and its repetition, or one that runs beside it, goes through the same steps: these must lead to the
same end, which is what frozen calls are for. A refused request gives its key back.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import idempotency
from driveflow.core.actor import Actor
from driveflow.core.errors import DriveFlowError
from driveflow.entrypoints.api.schemas import PROBLEMS, school_of
from driveflow.entrypoints.deps import (
    Handler,
    Services,
    answer_of,
    authenticate,
    refuse_deep_json,
    refuse_foreign_school,
    replay,
    request_fingerprint,
    safely,
    services_of,
)


@dataclass(frozen=True, slots=True)
class OutsideContext:
    """One request of a school that makes calls; `now` is read anew for each step."""

    actor: Actor
    services: Services
    secrets: list[bool] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The present time."""
        return self.services.clock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Yield a session in a transaction of the school; workers are woken after its commit."""
        async with self.services.database.session(self.actor.org_id) as session:
            yield session
        self.services.on_commit()

    def keep_secret(self) -> None:
        """Store nothing of this answer: a repetition goes through the steps again instead."""
        self.secrets.append(True)


class OutsideRoute(APIRoute):
    """A route of a school that opens its transactions itself."""

    def get_route_handler(self) -> Handler:
        """Return the handler, wrapped in authentication and the idempotency key."""
        return safely(_in_steps(super().get_route_handler()))


def _in_steps(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        services = services_of(request)
        actor = await authenticate(request, services, services.clock())
        refuse_foreign_school(request, actor)
        refuse_deep_json(await request.body())
        context = OutsideContext(actor, services)
        request.scope["driveflow.outside"] = context
        key = request.headers.get("idempotency-key")
        if key is None:
            return await handler(request)
        return await _once(handler, request, context, key)

    return handle


async def _once(handler: Handler, request: Request, context: OutsideContext, key: str) -> Response:
    fingerprint = request_fingerprint(request, await request.body())
    async with context.session() as session:
        answer = await idempotency.claim(session, context.actor, key, fingerprint, now=context.now)
    if answer is not None:
        return replay(answer)
    try:
        response = await handler(request)
    except DriveFlowError:
        async with context.session() as session:
            await idempotency.forget(session, context.actor, key)
        raise
    if not context.secrets:
        async with context.session() as session:
            await idempotency.keep(session, context.actor, key, answer_of(response))
    return response


async def _outside(request: Request) -> OutsideContext:
    context: OutsideContext = request.scope["driveflow.outside"]
    return context


OutsideCtx = Annotated[OutsideContext, Depends(_outside)]
"""The request's OutsideContext; for routes of an `outside_router`."""


def outside_router(path: str = "") -> APIRouter:
    """Return a router for routes below `/orgs/{org_id}` that make calls."""
    return APIRouter(
        prefix="/orgs/{org_id}" + path,
        route_class=OutsideRoute,
        responses=PROBLEMS,
        dependencies=[Depends(school_of)],
    )
