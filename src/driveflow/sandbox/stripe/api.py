"""Takes one request of the API from its headers to its answer.

The order is Stripe's: the key, then the path, then its parameters, then the idempotency key, then the act.
The act, its events and its stored answer are one transaction; nothing awaits inside it, so requests are
served one after the other.
"""

import asyncio
import base64
import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from driveflow.sandbox.stripe import faults, forms, idempotency
from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.errors import StripeError, malformed, unauthorized
from driveflow.sandbox.stripe.expansion import render
from driveflow.sandbox.stripe.registry import OPERATIONS
from driveflow.sandbox.stripe.sandbox import ReceivedRequest, Sandbox
from driveflow.sandbox.stripe.settings import API_VERSION
from driveflow.sandbox.stripe.store import PLATFORM

_log = structlog.get_logger(__name__)
_MAX_BODY: Final = 1_000_000
_SHOWN_OF_KEY: Final = 4
_PATTERNS: Final = [
    (operation, re.compile(re.sub(r"\{\w+\}", "([^/]+)", operation.path))) for operation in OPERATIONS
]


@dataclass(slots=True)
class _Answer:
    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """The ASGI application of `/v1`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        path = "/v1" + scope["path"].removeprefix(scope["root_path"])
        fault = faults.take_request(self._sandbox.store, request.method, path) or {}
        request_id = self._sandbox.store.new_id("req_", 14)
        answer = await self._answered(request, path, request_id, fault)
        if fault.get("kind") == "slow_after":
            await asyncio.sleep(fault["ms"] / 1000)
        if fault.get("kind") == "lost":
            await _lose_answer(send)
            return
        headers = {
            "Request-Id": request_id,
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
            **({"Idempotency-Key": key} if (key := request.headers.get("idempotency-key")) else {}),
            **answer.headers,
        }
        response = Response(answer.body, answer.status, headers, media_type="application/json")
        await response(scope, receive, send)

    async def _answered(self, request: Request, path: str, request_id: str, fault: dict[str, Any]) -> _Answer:
        try:
            self._check_key(request.headers.get("authorization", ""))
            faults.refuse(fault)
            operation, ids = _operation(request.method, path)
            form = await _parameters(request)
            key = request.headers.get("idempotency-key")
            self._sandbox.requests.append(ReceivedRequest(request.method, path, form, key))
            params = operation.shape.read(forms.decode(form))
            return await self._locked(request, operation, ids, params, path, request_id, fault)
        except StripeError as error:
            return _refused(error, request_id)
        except Exception:  # noqa: BLE001 - a client is told of every failure, as by Stripe
            _log.exception("stripe_sandbox.failed", path=path)
            return _refused(_own_failure(), request_id)

    async def _locked(
        self,
        request: Request,
        operation: Operation,
        ids: tuple[str, ...],
        params: dict[str, Any],
        path: str,
        request_id: str,
        fault: dict[str, Any],
    ) -> _Answer:
        call = self._sandbox.call(self._sandbox.settings.public_url or _base_url(request))
        call.params = params
        call.account = request.headers.get("stripe-account", PLATFORM)
        call.request_id = request_id
        call.api_version = request.headers.get("stripe-version", API_VERSION)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if not key:
            await _be_slow(fault)
            return self._execute(call, operation, ids, path, fault)
        idempotency.check_key(key)
        call.idempotency_key = key
        held = (call.account, key)
        if held in self._sandbox.keys_in_use:
            raise idempotency.in_use(key)
        self._sandbox.keys_in_use.add(held)
        try:
            await _be_slow(fault)
            return self._execute(call, operation, ids, path, fault)
        finally:
            self._sandbox.keys_in_use.discard(held)

    def _execute(
        self, call: Call, operation: Operation, ids: tuple[str, ...], path: str, fault: dict[str, Any]
    ) -> _Answer:
        print_ = idempotency.fingerprint(call.params)
        with self._sandbox.act(call.base_url) as own:
            call.now = own.now
            if call.account != PLATFORM and call.store.find("account", call.account) is None:
                raise _no_access(call.account)
            if call.idempotency_key is not None:
                stored = idempotency.stored_answer(call, path, print_)
                if stored is not None:
                    return _replayed(stored)
            answer, keep = self._act(call, operation, ids)
            if fault.get("kind") == "error_after":
                answer, keep = _refused(faults.error_after(), call.request_id or ""), True
            if call.idempotency_key is not None and keep:
                idempotency.store_answer(call, path, print_, answer.status, answer.body)
            return answer

    def _act(self, call: Call, operation: Operation, ids: tuple[str, ...]) -> tuple[_Answer, bool]:
        """Do what is asked; of a refused request only what its error keeps remains."""
        kept: StripeError | None = None
        try:
            with call.store.savepoint():
                try:
                    document = render(call, operation.handler(call, *ids))
                except StripeError as error:
                    if not error.commits:
                        raise
                    kept = error
        except StripeError as error:
            return _refused(error, call.request_id or ""), error.stored
        if kept is not None:
            return _refused(kept, call.request_id or ""), kept.stored
        return _Answer(200, json.dumps(document, indent=2)), True

    def _check_key(self, header: str) -> None:
        scheme, _, credentials = header.partition(" ")
        key = credentials.strip()
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(key).decode().partition(":")[0]
            except ValueError:
                key = ""
        if not key:
            raise unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization "
                "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
                "https://stripe.com/docs/api#authentication for details, or we can help at "
                "https://support.stripe.com/."
            )
        if key not in self._sandbox.settings.secret_keys:
            hidden = key[:8] + "*" * max(0, len(key) - 12) + key[-_SHOWN_OF_KEY:]
            raise unauthorized(f"Invalid API Key provided: {hidden}")


def _operation(method: str, path: str) -> tuple[Operation, tuple[str, ...]]:
    for operation, pattern in _PATTERNS:
        found = pattern.fullmatch(path)
        if found and operation.method == method:
            return operation, found.groups()
    raise StripeError(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        stored=False,
    )


def _own_failure() -> StripeError:
    return StripeError(500, "The sandbox failed; its log says why.", kind="api_error")


def _base_url(request: Request) -> str:
    """Return where the sandbox itself is reached, also when another application mounts it."""
    own = request.scope["root_path"].removesuffix("/v1")
    return f"{request.url.scheme}://{request.url.netloc}{own}"


async def _be_slow(fault: dict[str, Any]) -> None:
    if fault.get("kind") == "slow":
        await asyncio.sleep(fault["ms"] / 1000)


async def _parameters(request: Request) -> str:
    if request.method != "POST":
        return request.url.query
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise StripeError(413, "The request is too large.", stored=False)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise malformed("Invalid request: the body is not UTF-8.") from error
    return "&".join(part for part in (request.url.query, text) if part)


def _refused(error: StripeError, request_id: str) -> _Answer:
    log_url = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return _Answer(error.status, json.dumps(error.body(log_url), indent=2), dict(error.headers))


def _replayed(stored: idempotency.StoredAnswer) -> _Answer:
    headers = {"Idempotent-Replayed": "true", "Original-Request": stored.request_id}
    if stored.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        headers["Stripe-Should-Retry"] = "false"
    return _Answer(stored.status, stored.body, headers)


def _no_access(account: str) -> StripeError:
    return StripeError(
        403,
        f"The provided key does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked.",
        code="account_invalid",
        stored=False,
    )


async def _lose_answer(send: Send) -> None:
    """Announce an answer and end without it, which makes the server close the connection."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
