"""Whatever goes wrong is answered as problem+json with a request id, and tells nothing of the inside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.api.schemas import Problem
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.deps import Ctx, SafeRoute, TenantRoute
from support.schools import Clock, School

SECRET = "postgresql://owner:hunter2@db.internal/driveflow"


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this status and code, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    Problem.model_validate(problem)
    return problem


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/orgs/",
        "/api/v1/ORGS",
        "/api/v2/orgs",
        "//api/v1/orgs",
        "/api/v1/orgs/%00",
        "/api/docs/assets/none.js",
        "/api/docs/assets/../../../../etc/passwd",
        "/%ff%fe",
        "/" + "x" * 10_000,
    ],
)
async def test_an_unknown_path_is_404(school: School, path: str) -> None:
    answer = await school.http.get(path, headers={"Authorization": f"Bearer {school.key}"})
    assert_problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/me", {"GET"}),
        ("PUT", "/api/v1/orgs", {"GET", "POST"}),
        ("PATCH", "/api/v1/orgs/x/bookings", {"GET", "POST"}),
        ("POST", "/api/v1/orgs/x/slots", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("BREW", "/healthz", {"GET"}),
        ("POST", "/api/docs/assets/none.js", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_405_with_the_allowed_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await http.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert {part.strip() for part in answer.headers["allow"].split(",")} >= allowed


@pytest.mark.parametrize("path", ["/bookings", "/students", "/trips/{trip}/points"])
@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "xml", ""],
)
async def test_a_body_that_is_not_json_by_its_type_is_415(
    school: School, path: str, kind: str | None
) -> None:
    url = path.format(trip=school.org_id)
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await school.request("POST", url, content=b'{"full_name": "Alex"}', headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/vnd.x+json"]
)
async def test_json_by_any_of_its_types_is_taken(school: School, kind: str) -> None:
    body = b'{"full_name": "Alex"}'
    answer = await school.request("POST", "/students", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 201, answer.text


async def test_wrong_fields_are_422_and_each_is_named(school: School) -> None:
    answer = await school.request("POST", "/students", json={"full_name": "", "dob": "x", "surprise": 1})
    problem = assert_problem(answer, 422, "invalid_input")
    assert {error["field"] for error in problem["errors"]} == {"full_name", "dob", "surprise"}


async def test_a_wrong_id_in_the_path_is_422_and_named(school: School) -> None:
    for path in ("/students/1", "/bookings/1", "/trips/1/points"):
        problem = assert_problem(await school.request("GET", path), 422, "invalid_input")
        assert problem["errors"][0]["field"].endswith("_id")


async def test_a_clients_own_request_id_is_kept_if_it_is_harmless(http: httpx.AsyncClient) -> None:
    kept = await http.get("/nothing", headers={"X-Request-Id": "trace-1.a_B"})
    assert kept.json()["request_id"] == kept.headers["x-request-id"] == "trace-1.a_B"
    for bad in ("", "x" * 65, "a b", 'a"b', "a\u00ff"):
        answer = await http.get("/nothing", headers={b"X-Request-Id": bad.encode("latin-1")})
        assert assert_problem(answer, 404, "not_found")["request_id"] != bad


router = APIRouter(route_class=SafeRoute)
tenant_router = APIRouter(route_class=TenantRoute)
plain_router = APIRouter()


@router.get("/broken")
@plain_router.get("/broken-plain")
async def broken() -> None:
    raise RuntimeError(f"cannot reach {SECRET}")


@router.get("/broken-answer", response_model=int)
async def broken_answer() -> str:
    return SECRET


@tenant_router.post("/api/v1/broken")
async def broken_in_school(ctx: Ctx) -> None:
    await ctx.session.execute(text("INSERT INTO students (org_id, id) VALUES (NULL, NULL)"))


@tenant_router.get("/api/v1/syntax")
async def wrong_sql(ctx: Ctx) -> None:
    await ctx.session.execute(text(f"SELECT '{SECRET}' FROM no_such_table"))


@asynccontextmanager
async def breakable(database: Database, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with routes that break."""
    app: FastAPI = create_app(Settings(_env_file=None), database, clock=clock)
    for extra in (router, tenant_router, plain_router):
        app.include_router(extra)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://driveflow.test") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/broken"),
        ("GET", "/broken-plain"),
        ("GET", "/broken-answer"),
        ("POST", "/api/v1/broken"),
        ("GET", "/api/v1/syntax"),
    ],
)
async def test_an_unexpected_error_is_a_bare_500_with_its_request_id_and_is_logged(
    school: School, database: Database, clock: Clock, method: str, path: str
) -> None:
    async with breakable(database, clock) as client:
        with capture_logs() as logs:
            answer = await client.request(method, path, headers={"Authorization": f"Bearer {school.key}"})
    problem = assert_problem(answer, 500, "internal_error")
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    for inside in (
        "hunter2",
        "Traceback",
        "RuntimeError",
        "students",
        "asyncpg",
        "sqlalchemy",
        "no_such_table",
    ):
        assert inside not in answer.text
    [error] = [entry for entry in logs if entry["log_level"] == "error"]
    assert error["exc_info"] is not None
    assert error["path"] == path
    [access] = [entry for entry in logs if entry["event"] == "request"]
    assert access["status"] == 500


async def test_an_application_that_broke_serves_the_next_request(
    school: School, database: Database, clock: Clock
) -> None:
    async with breakable(database, clock) as client:
        headers = {"Authorization": f"Bearer {school.key}"}
        # The pretty tracebacks of a log that nobody configured take seconds.
        with capture_logs():
            # More often than the pool has connections.
            for _ in range(12):
                assert (await client.post("/api/v1/broken", headers=headers)).status_code == 500
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 200
