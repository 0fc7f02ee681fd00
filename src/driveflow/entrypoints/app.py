"""Assembles the web application: services, middleware, routes, errors."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import driveflow.models  # noqa: F401 - foreign keys are resolved only when every table is known
from driveflow import __version__
from driveflow.core.clock import utc_now
from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints import error_responses, hot, message_callbacks, payment_pages, webhooks
from driveflow.entrypoints.api import (
    audit,
    availability,
    bookings,
    calendars,
    catalog,
    docs,
    gps,
    guardians,
    instructors,
    invoices,
    lessons,
    messages,
    operations,
    orgs,
    payments,
    payouts,
    slots,
    students,
    trips,
)
from driveflow.entrypoints.api.schemas import Problem
from driveflow.entrypoints.authentication import Authenticator
from driveflow.entrypoints.deps import Services
from driveflow.entrypoints.middleware import EdgeMiddleware
from driveflow.entrypoints.rate_limits import RateLimits
from driveflow.entrypoints.wakeup import Wakeup
from driveflow.integrations.stripe_client import gateway_of

API_PREFIX = "/api/v1"
HOT_PATHS = (
    hot.HotPath("GET", API_PREFIX, "/orgs/{org_id}/slots", slots.list_slots),
    hot.HotPath("POST", API_PREFIX, "/orgs/{org_id}/bookings", bookings.create_booking),
    hot.HotPath("GET", API_PREFIX, "/orgs/{org_id}/bookings", bookings.list_all),
    hot.HotPath("POST", API_PREFIX, "/orgs/{org_id}/trips/{trip_id}/points", trips.add_points),
)
# Routes are looked through in this order, and again on each level of routers: one level, hot jobs first.
API_ROUTERS = (
    slots.router,
    bookings.hot_router,
    bookings.router,
    trips.router,
    orgs.caller_router,
    orgs.router,
    instructors.router,
    availability.router,
    students.router,
    guardians.router,
    catalog.router,
    lessons.router,
    payments.paying_router,
    payments.router,
    payments.refunds_router,
    payments.ledger_router,
    payments.webhooks_router,
    payouts.router,
    payouts.onboarding_router,
    messages.router,
    invoices.router,
    calendars.router,
    audit.router,
)


def create_app(
    settings: Settings,
    database: Database,
    *,
    clock: Callable[[], datetime] = utc_now,
    access_log: bool = True,
    on_start: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Return the application on an open database; `clock` is the only source of its time.

    `on_start` is entered after start-up and left before shut-down (the demo runs its worker there). The
    database is the caller's to close.
    """
    wakeup = Wakeup(database)
    stripe = gateway_of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if stripe is not None:
                stack.push_async_callback(stripe.close)
            await stack.enter_async_context(wakeup.running())
            if on_start is not None:
                await stack.enter_async_context(on_start(app))
            yield

    app = FastAPI(
        title="DriveFlow",
        version=__version__,
        description="The API of a driving school: people, prices, hours, bookings, lessons, trips, payments.",
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,  # ours needs no other server: api/docs.py
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = Services(
        settings=settings,
        database=database,
        authenticator=Authenticator(database),
        rate_limits=RateLimits(
            key_per_min=settings.rate_limit_key_per_min, address_per_min=settings.rate_limit_address_per_min
        ),
        clock=clock,
        on_commit=wakeup.ring,
        stripe=stripe,
    )
    for router in API_ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(gps.router)
    app.include_router(webhooks.router)
    app.include_router(payment_pages.router)
    app.include_router(message_callbacks.router)
    app.include_router(calendars.public_router)
    app.include_router(operations.router)
    app.include_router(docs.router)
    docs.mount_assets(app)
    error_responses.install(app)
    app.add_middleware(hot.HotPaths, paths=HOT_PATHS)
    # The last one added is the outermost.
    app.add_middleware(EdgeMiddleware, body_limit_bytes=settings.body_limit_bytes, access_log=access_log)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Put the problem document and the key into the OpenAPI description."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            definitions = components["schemas"]["Problem"].pop("$defs", {})
            components["schemas"].update(definitions)
            components["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"apiKey": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the description
