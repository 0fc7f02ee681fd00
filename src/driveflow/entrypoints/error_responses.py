"""Every error as RFC 9457 `application/problem+json`; the only place that knows HTTP statuses of errors."""

import asyncio
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from driveflow.core.db import sqlstate, violated_constraint
from driveflow.core.errors import (
    ConflictError,
    DriveFlowError,
    FieldError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    OutsideUnavailableError,
    TooManyRequestsError,
    UnauthenticatedError,
)

log = structlog.get_logger()


class UnsupportedMediaTypeError(DriveFlowError):
    """The body is not JSON (415)."""

    code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__("Send the body as application/json.")


STATUS_OF: dict[type[DriveFlowError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    ConflictError: HTTPStatus.CONFLICT,
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    UnsupportedMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    OutsideUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_CODE_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid_input",
}
RETRY_AFTER_S = 2
_TYPE_NAMES = ("function-after[", "function-before[")

# SQLSTATE classes of a database that is gone, starting, stopping or too busy: 08 connection, 53 resources,
# 57 operator intervention (shutdown, statement timeout), 55P03 lock timeout.
_UNAVAILABLE_CLASSES = ("08", "53", "57")
_LOCK_TIMEOUT = "55P03"
_BAD_TEXT = {"22021", "22P05"}  # NUL or a character the database cannot hold
_OUT_OF_RANGE = {"22003", "22008"}  # a number or a time beyond the column


def problem(
    status: HTTPStatus,
    code: str,
    message: str,
    request: Request,
    *,
    fields: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return the problem document: type, title, status, detail, code, request_id, and errors by field."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": message,
        "code": code,
        "request_id": request.scope.get("driveflow.request_id"),
    }
    if fields:
        body["errors"] = [{"field": field.field, "message": field.message} for field in fields]
    body.update({name: str(value) if isinstance(value, UUID) else value for name, value in more.items()})
    return JSONResponse(body, status.value, headers=headers, media_type="application/problem+json")


def of_driveflow_error(request: Request, error: DriveFlowError) -> Response:
    """Answer an expected error."""
    kind = next(known for known in type(error).__mro__ if known in STATUS_OF)
    status = STATUS_OF[kind]
    headers = {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, OutsideUnavailableError):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    fields = error.fields if isinstance(error, InvalidInputError) else ()
    return problem(
        status, error.code, error.message, request, fields=fields, headers=headers, **error.details
    )


def of_validation_error(request: Request, error: RequestValidationError) -> Response:
    """Answer input that does not fit the schema, naming each field."""
    fields = tuple(
        FieldError(_field_of(item["loc"]), str(item["msg"]).removeprefix("Value error, "))
        for item in error.errors()
    )
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return problem(HTTPStatus.BAD_REQUEST, "invalid_json", "The body is not valid JSON.", request)
    if request.method not in {"GET", "DELETE"} and not is_json(request) and fields[0].field == "body":
        return of_driveflow_error(request, UnsupportedMediaTypeError())
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_input",
        f"{fields[0].field}: {fields[0].message}",
        request,
        fields=fields,
    )


def of_http_exception(request: Request, error: HTTPException) -> Response:
    """Answer what the framework refuses: unknown path, wrong method, unreadable body."""
    status = HTTPStatus(error.status_code)
    messages = {
        HTTPStatus.NOT_FOUND: NotFoundError().message,
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this server accepts.",
    }
    code = _CODE_OF_STATUS.get(status, status.name.lower())
    headers = dict(error.headers) if error.headers else {}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # Each method is a route of its own here; the framework names those of the first that has the path.
        headers["Allow"] = ", ".join(sorted(_methods_of(request))) or headers.get("Allow", "")
    return problem(status, code, messages.get(status, str(error.detail)), request, headers=headers)


EXPECTED_ERRORS = (DriveFlowError, RequestValidationError, HTTPException)


def of_expected(request: Request, error: Exception) -> Response:
    """Answer one of EXPECTED_ERRORS."""
    if isinstance(error, DriveFlowError):
        return of_driveflow_error(request, error)
    if isinstance(error, RequestValidationError):
        return of_validation_error(request, error)
    if isinstance(error, HTTPException):
        return of_http_exception(request, error)
    raise error


def _methods_of(request: Request) -> set[str]:
    """Return the methods that the path has (RFC 9110, section 10.2.1)."""
    return {
        method
        for route in iter_route_contexts(request.app.routes)
        if (pattern := getattr(route, "path_regex", None)) is not None and pattern.match(request.url.path)
        for method in getattr(route, "methods", None) or ()
    }


def of_unexpected(request: Request, error: Exception) -> Response:
    """Answer a lost database with 503, text the database cannot hold with 422, the rest with a bare 500."""
    if is_unavailable(error):
        log.warning("database unavailable", error=type(error).__name__)
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "The database does not answer at the moment; nothing was saved. Try again shortly.",
            request,
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    state = sqlstate(error)
    if state in _BAD_TEXT:
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_input",
            "A text holds a character that is not allowed.",
            request,
        )
    if state in _OUT_OF_RANGE:
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input", "A number or time is out of range.", request
        )
    log.error(
        "unexpected error",
        exc_info=error,
        constraint=violated_constraint(error),
        path=loggable_path(request.scope),
    )
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong on our side; nothing was saved. Quote the request id when you ask for help.",
        request,
    )


def loggable_path(scope: Scope) -> str:
    """Return a request's path for the log; the route's template where the path holds a secret."""
    if "token" in scope.get("path_params", {}):
        return str(getattr(scope.get("route"), "path", ""))
    return str(scope["path"])


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error means that the database cannot be reached or used just now."""
    state = sqlstate(error)
    if state is not None:
        return state[:2] in _UNAVAILABLE_CLASSES or state == _LOCK_TIMEOUT
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, asyncpg.InterfaceError | InterfaceError):
        # The driver says so too of programming errors, which are ours.
        return "closed" in str(error)
    return isinstance(
        error,
        OSError
        | TimeoutError
        | asyncio.TimeoutError
        | PoolTimeoutError
        | OperationalError
        | asyncpg.PostgresConnectionError,
    )


def _field_of(location: tuple[str | int, ...]) -> str:
    # Where a value may be of several types, Pydantic adds each one's name of its own making to the place.
    parts = [str(part) for part in location if not str(part).startswith(_TYPE_NAMES)]
    if len(parts) > 1 and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    return ".".join(parts)


def is_json(request: Request) -> bool:
    """Tell whether the body says that it is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def install(app: FastAPI) -> None:
    """Register all of the above with the application."""

    async def expected(request: Request, error: Exception) -> Response:
        return of_expected(request, error)

    for kind in EXPECTED_ERRORS:
        app.add_exception_handler(kind, expected)
