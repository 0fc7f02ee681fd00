"""What each route gets: the actor, a transaction of its school, and the time.

`TenantRoute` wraps every route of a school: it authenticates, refuses another school's path with the same
404 as a missing row, opens the one transaction of the request, honours `Idempotency-Key`, and commits before
the answer leaves. (A `yield` dependency cannot: it never sees the answer that the key must store.)
"""

import asyncio
import json
import re
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException

from driveflow.core import idempotency
from driveflow.core.actor import Actor
from driveflow.core.db import RETRYABLE_SQLSTATES, Database, sqlstate
from driveflow.core.errors import DriveFlowError, InvalidInputError, NotFoundError
from driveflow.core.settings import Settings
from driveflow.entrypoints.authentication import Authenticator
from driveflow.entrypoints.error_responses import of_unexpected
from driveflow.entrypoints.rate_limits import RateLimits
from driveflow.integrations.stripe_client import StripeGateway

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_TRIES = 4
JSON_DEPTH_LIMIT = 32
_ETAG = re.compile(r'"?([0-9]{1,9})"?')
_JSON_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@dataclass(slots=True)
class Services:
    """What a process shares between its requests; kept in `app.state.services`."""

    settings: Settings
    database: Database
    authenticator: Authenticator
    rate_limits: RateLimits
    clock: Callable[[], datetime]
    on_commit: Callable[[], None]
    stripe: StripeGateway | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One request inside its school: pass `session`, `actor` and `now` on to a service."""

    session: AsyncSession
    actor: Actor
    now: datetime
    services: Services
    if_match: str | None
    secret_fields: set[str] = field(default_factory=set)

    def keep_secret(self, name: str) -> None:
        """Keep a field of this answer out of what `Idempotency-Key` stores: it is shown once only."""
        self.secret_fields.add(name)

    def version(self, changes: dict[str, Any]) -> int:
        """Take the version out of the changes, or out of If-Match; raise InvalidInputError without either."""
        version: int | None = changes.pop("version", None)
        if version is not None:
            return version
        mark = _ETAG.fullmatch(self.if_match or "")
        if mark is None:
            raise InvalidInputError.of(
                "version", 'Say which version you saw: `version` in the body, or the header If-Match: "3".'
            )
        return int(mark.group(1))


def services_of(request: Request) -> Services:
    """Return the process's shared services."""
    services: Services = request.app.state.services
    return services


async def authenticate(request: Request, services: Services, now: datetime) -> Actor:
    """Return the request's actor within its rate; raises UnauthenticatedError, TooManyRequestsError."""
    ip = request.client.host if request.client else None
    authorization = request.headers.get("authorization")
    services.rate_limits.check(authorization, ip)
    actor = await services.authenticator.actor_of(
        authorization, ip=ip, request_id=request.scope["driveflow.request_id"], now=now
    )
    services.rate_limits.proven(authorization, ip)
    return actor


def refuse_foreign_school(request: Request, actor: Actor) -> None:
    """Raise NotFoundError unless the path's school is the actor's own."""
    named = request.path_params.get("org_id")
    if named is None:
        return
    try:
        same = UUID(str(named)) == actor.org_id
    except ValueError:
        same = False
    if not same:
        raise NotFoundError


class SafeRoute(APIRoute):
    """A route that answers unexpected errors as problems, and retries what lost a race in the database."""

    def get_route_handler(self) -> Handler:
        """Return the handler, wrapped."""
        return safely(super().get_route_handler())


class TenantRoute(APIRoute):
    """A route inside a school: one actor, one transaction, one answer."""

    def get_route_handler(self) -> Handler:
        """Return the handler, wrapped in authentication and the request's transaction."""
        return safely(in_tenant_transaction(super().get_route_handler()))


def safely(handler: Handler) -> Handler:
    """Wrap a handler: deadlocks and serialization failures are tried again, surprises are answered."""

    async def handle(request: Request) -> Response:
        for attempt in range(1, _TRIES + 1):
            try:
                return await handler(request)
            except (DriveFlowError, HTTPException, RequestValidationError):
                raise
            except Exception as error:  # noqa: BLE001 - the last resort: nothing may leak to the client
                if sqlstate(error) in RETRYABLE_SQLSTATES and attempt < _TRIES:
                    await asyncio.sleep(0.01 * attempt)
                    continue
                return of_unexpected(request, error)
        raise AssertionError("unreachable: the last try returns or raises")

    return handle


def in_tenant_transaction(handler: Handler) -> Handler:
    """Wrap a handler in authentication, the school's check and the request's transaction."""

    async def handle(request: Request) -> Response:
        services = services_of(request)
        now = services.clock()
        actor = await authenticate(request, services, now)
        refuse_foreign_school(request, actor)
        writes = request.method in _WRITES
        if writes:
            refuse_deep_json(await request.body())
        key = request.headers.get("idempotency-key") if writes else None
        async with services.database.session(actor.org_id) as session:
            request.scope["driveflow.context"] = Context(
                session, actor, now, services, request.headers.get("if-match")
            )
            if key is None:
                response = await handler(request)
            else:
                response = await _once(handler, request, session, actor, key, now)
        if writes:
            services.on_commit()
        return response

    return handle


async def _once(
    handler: Handler, request: Request, session: AsyncSession, actor: Actor, key: str, now: datetime
) -> Response:
    fingerprint = request_fingerprint(request, await request.body())
    answer = await idempotency.claim(session, actor, key, fingerprint, now=now)
    if answer is not None:
        return replay(answer)
    response = await handler(request)
    context: Context = request.scope["driveflow.context"]
    await idempotency.keep(session, actor, key, answer_of(response, context.secret_fields))
    return response


def request_fingerprint(request: Request, body: bytes) -> bytes:
    """Return what makes two requests the same for `Idempotency-Key`."""
    return idempotency.fingerprint(request.method, request.url.path, request.url.query, body)


def answer_of(response: Response, secret_fields: Collection[str] = ()) -> idempotency.StoredAnswer:
    """Return what is kept of an answer for its repetition; secret fields of it become null."""
    body = bytes(response.body)
    if secret_fields:
        shown = json.loads(body)
        body = json.dumps(
            {name: None if name in secret_fields else value for name, value in shown.items()}
        ).encode()
    return idempotency.StoredAnswer(response.status_code, response.headers.get("content-type"), body)


def replay(answer: idempotency.StoredAnswer) -> Response:
    """Return a kept answer again, marked as a repetition."""
    return Response(
        answer.body,
        answer.status_code,
        headers={"Idempotency-Replayed": "true"},
        media_type=answer.content_type,
    )


def refuse_deep_json(body: bytes) -> None:
    """Raise InvalidInputError for JSON nested deeper than JSON_DEPTH_LIMIT, or not in UTF-8."""
    # UTF-8 JSON has no raw NUL, UTF-16 and UTF-32 have many: they would hide the brackets from the count.
    if b"\0" in body:
        raise InvalidInputError.of("body", "JSON is sent in UTF-8.")
    if body.count(b"[") + body.count(b"{") <= JSON_DEPTH_LIMIT:
        return
    depth = 0
    for token in _JSON_TOKENS.finditer(body):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            if depth > JSON_DEPTH_LIMIT:
                raise InvalidInputError.of("body", f"JSON is nested deeper than {JSON_DEPTH_LIMIT} levels.")
        elif mark in (b"]", b"}"):
            depth -= 1


# Asynchronous like every dependency here: FastAPI sends plain functions through a thread.
async def _context(request: Request) -> Context:
    context: Context = request.scope["driveflow.context"]
    return context


Ctx = Annotated[Context, Depends(_context)]
"""The request's Context; for routes of a router with `route_class=TenantRoute`."""

NO_CONTENT = HTTPStatus.NO_CONTENT.value
CREATED = HTTPStatus.CREATED.value
