"""Hears the bell that other processes ring after their commits (`entrypoints/wakeup.py`).

A connection of its own outside the pool, because it listens for as long as the worker lives. It comes back by
itself; what is missed meanwhile costs one poll.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from driveflow.core.db import CONNECT_TIMEOUT_S, WORKER_ROLE
from driveflow.entrypoints.wakeup import CHANNEL

RECONNECT_S = 1.0
# A cut cable says nothing: asking now and then is the only way to notice.
PING_S = 20.0
_PING_TIMEOUT_S = 5.0
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def listen(url: str, on_notice: Callable[[], None]) -> None:
    """Call `on_notice` for every notice until cancelled, and once after each (re)connection."""
    while True:
        try:
            connection = await asyncpg.connect(
                url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=_PING_TIMEOUT_S,
                server_settings={"application_name": "driveflow listener", "role": WORKER_ROLE},
            )
        except _LOST:
            await asyncio.sleep(RECONNECT_S)
            continue
        try:
            await _listen_on(connection, on_notice)
        except _LOST:
            await asyncio.sleep(RECONNECT_S)
        finally:
            connection.terminate()


async def _listen_on(connection: asyncpg.Connection, on_notice: Callable[[], None]) -> None:
    """Listen until the connection is lost; then raises one of _LOST."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    await connection.add_listener(CHANNEL, lambda *_notice: on_notice())
    on_notice()
    while True:
        try:
            await asyncio.wait_for(lost.wait(), PING_S)
        except TimeoutError:
            await connection.execute("SELECT 1")
        else:
            raise ConnectionResetError("the listening connection was closed")
