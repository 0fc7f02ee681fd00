"""Wakes the workers after a commit.

NOTIFY inside the transaction would make every commit wait for one lock of the whole database (PostgreSQL's
documentation, async.c). So a process notifies after its commits, at most once per INTERVAL_S; a notice that
is lost costs one poll of the worker.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from driveflow.core.db import Database

CHANNEL = "driveflow_outbox"
INTERVAL_S = 0.1

log = structlog.get_logger()


class Wakeup:
    """Rings the workers' bell for this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending = asyncio.Event()

    def ring(self) -> None:
        """Let the workers know soon that something was committed."""
        self._pending.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send the notices while the block runs."""
        task = asyncio.create_task(self._send())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _send(self) -> None:
        while True:
            await self._pending.wait()
            self._pending.clear()
            try:
                async with self._database.session(None) as session:
                    await session.execute(text(f"NOTIFY {CHANNEL}"))
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                log.debug("no wake-up sent", error=type(error).__name__)
            await asyncio.sleep(INTERVAL_S)
