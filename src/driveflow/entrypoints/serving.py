"""Running the web server: uvicorn with uvloop and httptools, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from fastapi import FastAPI
from prometheus_client import start_http_server

from driveflow.core.db import WORKER_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.runtime import (
    Addresses,
    StartError,
    embedded_server_kept_up,
    refuse_dangerous_role,
    refuse_old_schema,
)

GRACEFUL_SHUTDOWN_S = 15
KEEP_ALIVE_S = 20
BACKLOG = 512

LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def serve(
    settings: Settings,
    addresses: Addresses,
    *,
    with_worker: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` gets the address once it answers.

    The embedded database is migrated first. `with_worker` runs a worker in this process too (the demo).
    Raises StartError for a wrong role, an old schema or a port in use.
    """
    if addresses.embedded:
        from driveflow.entrypoints.migrate import migrate  # noqa: PLC0415 - a configured database is not ours to migrate

        await migrate(addresses.owner)
    database = addresses.web_database(settings.pool_size)
    try:
        await refuse_dangerous_role(database)
        await refuse_old_schema(database)
        listener = _listen(settings)
        app = create_app(
            settings,
            database,
            access_log=settings.log_level == "debug",
            on_start=_worker_beside(settings, addresses) if with_worker else None,
        )
        server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
            ),
            lambda: on_ready(_address(settings, listener)) if on_ready else None,
        )
        async with embedded_server_kept_up(addresses):
            await server.serve(sockets=[listener])
    finally:
        await database.dispose()


async def work(
    settings: Settings, addresses: Addresses, *, once: bool = False, metrics_port: int | None = None
) -> None:
    """Run one worker until SIGTERM or SIGINT, or with `once` until nothing is due.

    Raises StartError for a wrong role or an old schema.
    """
    database = Database(addresses.worker, role=WORKER_ROLE, pool_size=1)
    try:
        await refuse_dangerous_role(database)
        await refuse_old_schema(database)
    finally:
        await database.dispose()
    from driveflow.entrypoints.worker.loop import run_worker, run_worker_once  # noqa: PLC0415 - a web process has none

    if metrics_port is not None:
        start_http_server(metrics_port, addr="127.0.0.1")
    async with embedded_server_kept_up(addresses):
        if once:
            await run_worker_once(settings, addresses.worker)
        else:
            await run_worker(settings, addresses.worker)


class _Server(uvicorn.Server):
    """Uvicorn that says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Uvicorn would send itself the signal again, and so end before the embedded server is released.
        self._captured_signals.clear()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartError(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            "Another program may use the port: choose one with --port."
        ) from error
    listener.listen(BACKLOG)
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = "localhost" if settings.host in LOOPBACK else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _worker_beside(
    settings: Settings, addresses: Addresses
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def beside(_app: FastAPI) -> AsyncIterator[None]:
        from driveflow.entrypoints.worker.loop import run_worker  # noqa: PLC0415 - in the demo only

        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(settings, addresses.worker, stop=stop))
        try:
            yield
        finally:
            stop.set()
            await worker

    return beside
