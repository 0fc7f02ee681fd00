"""What the worker does about each outside topic: one table, with the clients that it needs.

Topics whose provider is not configured have no handler; their events wait until it is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from driveflow.core.outbox import Topic
from driveflow.core.outside import AnyOutsideHandler
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.message_handlers import MessageSend
from driveflow.entrypoints.worker.outside import OutsideHandlers


@asynccontextmanager
async def outside_handlers(settings: Settings) -> AsyncIterator[OutsideHandlers]:
    """Yield the handlers that the settings allow; their clients are closed at the end."""
    handlers: dict[Topic, AnyOutsideHandler] = {Topic.MESSAGE_SEND: MessageSend.of(settings)}
    yield handlers
