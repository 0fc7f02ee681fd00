"""Routes for operators: liveness, readiness, metrics."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from driveflow.entrypoints.api.schemas import PROBLEMS
from driveflow.entrypoints.deps import SafeRoute, services_of

router = APIRouter(route_class=SafeRoute, tags=["operations"])

_OPEN: dict[str, Any] = {"security": []}


@router.get("/healthz", response_class=PlainTextResponse, openapi_extra=_OPEN)
async def healthz() -> str:
    """Answer as long as the process lives."""
    return "ok"


@router.get("/readyz", response_class=PlainTextResponse, responses={503: PROBLEMS[503]}, openapi_extra=_OPEN)
async def readyz(request: Request) -> str:
    """Answer when the database does."""
    async with services_of(request).database.session(None) as session:
        await session.execute(text("SELECT 1"))
    return "ok"


@router.get("/metrics", response_class=PlainTextResponse, openapi_extra=_OPEN)
async def metrics() -> Response:
    """Return this process's metrics in Prometheus's text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
