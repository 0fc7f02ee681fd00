"""What happens to every request, whatever its route: id, body limit, security headers, metrics, access log.

Plain ASGI, because a wrapped request and response object per layer costs more than the database query.
"""

import re
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driveflow.core.ids import new_id
from driveflow.entrypoints.error_responses import loggable_path, of_http_exception, of_unexpected

log = structlog.get_logger()

REQUESTS = Counter("driveflow_requests_total", "Requests by route and status", ["method", "route", "status"])
DURATION = Histogram(
    "driveflow_request_seconds",
    "Seconds from request to last byte of the answer, by route",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class EdgeMiddleware:
    """Outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, body_limit_bytes: int, access_log: bool = True) -> None:
        self.app = app
        self._body_limit_bytes = body_limit_bytes
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        request_id = _given_request_id(scope) or new_id().hex
        scope["driveflow.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        started_to_answer = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, started_to_answer
            if message["type"] == "http.response.start":
                started_to_answer = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.raw.extend(SECURITY_HEADERS)
                headers.raw.append((b"x-request-id", request_id.encode()))
                if "cache-control" not in headers:
                    headers.raw.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            length = _declared_length(scope)
            if length is None:
                receive = _counted(receive, self._body_limit_bytes)
            if length is not None and length > self._body_limit_bytes:
                too_large = of_http_exception(Request(scope), HTTPException(_TOO_LARGE))
                await too_large(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if started_to_answer:
                raise
            # What no route answers for: a surprise outside of them, or in one without `SafeRoute`.
            await of_unexpected(Request(scope), error)(scope, receive, send_with_headers)
        finally:
            seconds = perf_counter() - started
            # The route's template, never the path: ids would make the metric grow without bound.
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            requests, duration = _meters(method, route, status)
            requests.inc()
            duration.observe(seconds)
            if self._access_log:
                log.info(
                    "request",
                    method=scope["method"],
                    path=loggable_path(scope),
                    status=status,
                    ms=round(seconds * 1000, 1),
                )


# Looking labels up costs three times what counting does.
@lru_cache(maxsize=4096)
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), DURATION.labels(method, route)


def _declared_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None


def _counted(receive: Receive, limit_bytes: int) -> Receive:
    """Wrap what brings a body of undeclared length: whoever reads beyond the limit gets an HTTPException."""
    read_bytes = 0

    async def receive_counted() -> Message:
        nonlocal read_bytes
        message = await receive()
        read_bytes += len(message.get("body", b""))
        if read_bytes > limit_bytes:
            raise HTTPException(_TOO_LARGE)
        return message

    return receive_counted


def _given_request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else None
    return None
