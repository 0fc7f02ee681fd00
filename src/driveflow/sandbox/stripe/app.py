"""Puts a sandbox together as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from driveflow.sandbox.stripe.api import Api
from driveflow.sandbox.stripe.control import control_routes
from driveflow.sandbox.stripe.pages import page_routes
from driveflow.sandbox.stripe.sandbox import Sandbox
from driveflow.sandbox.stripe.settings import StripeSandboxSettings


def create_stripe_sandbox(settings: StripeSandboxSettings) -> Starlette:
    """Return the sandbox: Stripe's API under `/v1`, its pages, and the control under `/_control`.

    Its lifespan runs deliveries and timers. A server that mounts it must enter
    `app.state.sandbox.running()` itself, as mounted applications have no lifespan of their own.
    """
    sandbox = Sandbox(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with sandbox.running():
            yield

    app = Starlette(
        routes=[Mount("/_control", routes=control_routes()), *page_routes(), Mount("/v1", app=Api(sandbox))],
        lifespan=lifespan,
    )
    app.state.sandbox = sandbox
    return app
