"""The way in for the hot jobs: the same fences as `deps.TenantRoute`, without a session and its overhead.

A hot route takes the bare `Request`, calls `enter`, parses its body with `parse_body` (Pydantic) or
`decode_body` (msgspec), and does its work on the asyncpg connection that `run` hands over, in one transaction
of the school. It documents itself with `json_body` or `msgspec_body`, and `response_model`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from driveflow.core import idempotency
from driveflow.core.actor import Actor
from driveflow.core.db import driver_connection
from driveflow.core.errors import InvalidInputError
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
from driveflow.entrypoints.error_responses import (
    EXPECTED_ERRORS,
    UnsupportedMediaTypeError,
    is_json,
    of_expected,
)

T = TypeVar("T")
Work = Callable[[asyncpg.Connection], Awaitable[Response]]

JSON = "application/json"


class HotPath:
    """A path of the API that is answered before the framework looks for its route."""

    def __init__(self, method: str, prefix: str, path: str, endpoint: Handler) -> None:
        self.method = method
        self.path = path
        self.endpoint = endpoint
        self.handler = safely(endpoint)
        self.pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", prefix + path))


class HotPaths:
    """ASGI layer that answers the hot paths itself and passes everything else on.

    The framework's own way to the same endpoint, through its layers and routers, costs a tenth of a
    millisecond. The routes stay registered: they describe the paths, and answer other methods.
    """

    def __init__(self, app: ASGIApp, paths: Sequence[HotPath]) -> None:
        self.app = app
        self._paths = {(path.method, path.path.rpartition("/")[2]): path for path in paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] == "http" and not scope.get("root_path"):
            path = self._paths.get((scope["method"], scope["path"].rpartition("/")[2]))
            match = path.pattern.fullmatch(scope["path"]) if path is not None else None
            if path is not None and match is not None:
                scope["path_params"] = match.groupdict()
                scope["route"] = path  # the metrics ask for its template
                request = Request(scope, receive)
                try:
                    response = await path.handler(request)
                except EXPECTED_ERRORS as error:
                    response = of_expected(request, error)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)


class HotRoute(APIRoute):
    """A route whose endpoint gets the bare request and nothing else: a third of FastAPI's own work is saved.

    Parameters and dependencies that are declared with it only document it; use `path_id` to read an id.
    """

    def get_route_handler(self) -> Handler:
        """Return the endpoint itself, safe like every other."""
        return safely(self.endpoint)


class Entry(NamedTuple):
    """Who asks, when, and what the process shares."""

    services: Services
    actor: Actor
    now: datetime


async def enter(request: Request) -> Entry:
    """Authenticate, count against the rate, refuse another school's path: as `TenantRoute` does."""
    services = services_of(request)
    now = services.clock()
    actor = await authenticate(request, services, now)
    refuse_foreign_school(request, actor)
    return Entry(services, actor, now)


def path_id(request: Request, name: str) -> UUID:
    """Return an id of the path; raises InvalidInputError naming it."""
    try:
        return UUID(request.path_params[name])
    except ValueError as error:
        raise InvalidInputError.of(name, "Must be a UUID.") from error


def parse_query(request: Request, adapter: TypeAdapter[T]) -> T:
    """Return the query as the adapter's type; raises RequestValidationError naming the parameter."""
    try:
        return adapter.validate_python(dict(request.query_params))
    except ValidationError as error:
        raise _as_request_error(error, "query") from error


async def parse_body(request: Request, adapter: TypeAdapter[T]) -> T:
    """Return the JSON body as the adapter's type; raises what the ordinary routes raise for bad input."""
    body = await request.body()
    if not is_json(request):
        raise UnsupportedMediaTypeError
    refuse_deep_json(body)
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise _as_request_error(error, "body") from error


def _as_request_error(error: ValidationError, where: str) -> RequestValidationError:
    return RequestValidationError(
        [{**problem, "loc": (where, *problem["loc"])} for problem in error.errors(include_url=False)]
    )


async def decode_body(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the JSON body as the type of a msgspec decoder, for bodies of many rows.

    A quarter of Pydantic's time; a typed decoder that forbids unknown fields never goes deeper than its type,
    so the depth needs no check. Raises what the ordinary routes raise for bad input.
    """
    body = await request.body()
    if not is_json(request):
        raise UnsupportedMediaTypeError
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = ("body", *re.findall(r"[^.\[\]`]+", path))
        raise RequestValidationError(
            [{"type": "value_error", "loc": field, "msg": message.replace("`", "")}]
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = {"type": "json_invalid", "loc": ("body",), "msg": "JSON decode error"}
        raise RequestValidationError([problem]) from error


async def run(request: Request, entry: Entry, work: Work, *locks: str) -> Response:
    """Do the work in one transaction of the actor's school and return its answer after the commit.

    `locks` are statements sent along with BEGIN. With an Idempotency-Key the work happens once per key.
    """
    services, actor, _ = entry
    key = request.headers.get("idempotency-key")
    if key is None:
        async with services.database.connection(actor.org_id, *locks) as connection:
            response = await work(connection)
    else:
        response = await _run_once(request, entry, key, work, locks)
    if request.method != "GET":
        services.on_commit()
    return response


async def _run_once(request: Request, entry: Entry, key: str, work: Work, locks: tuple[str, ...]) -> Response:
    services, actor, now = entry
    async with services.database.session(actor.org_id) as session:
        answer = await idempotency.claim(
            session, actor, key, request_fingerprint(request, await request.body()), now=now
        )
        if answer is not None:
            return replay(answer)
        connection = await driver_connection(session)
        if locks:
            await connection.execute(";".join(locks))
        response = await work(connection)
        await idempotency.keep(session, actor, key, answer_of(response))
    return response


def json_response(value: Any, status_code: int = 200) -> Response:
    """Return a value encoded by msgspec."""
    return Response(msgspec.json.encode(value), status_code, media_type=JSON)


def json_body(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """Return the `openapi_extra` that documents a hot route's body, its models written in place."""
    schema = adapter.json_schema(ref_template="{model}")
    return _documented(schema, schema.pop("$defs", {}))


def msgspec_body(kind: Any) -> dict[str, Any]:
    """Return the `openapi_extra` that documents a body of a msgspec type, its structs written in place."""
    (schema,), structs = msgspec.json.schema_components([kind], ref_template="{name}")
    return _documented(schema, structs)


def _documented(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    # FastAPI collects only the models that it reads itself: a reference from here would lead nowhere.
    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolved(parts[value["$ref"]])
            return {name: resolved(item) for name, item in value.items()}
        return [resolved(item) for item in value] if isinstance(value, list) else value

    return {"requestBody": {"required": True, "content": {JSON: {"schema": resolved(schema)}}}}
