"""A savepoint for each event of a batch, made only for those whose handler turns to the database."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import Session, SessionTransaction


class Savepoints:
    """Gives one step after another a savepoint of its own, on one session.

    SQLAlchemy sends SAVEPOINT with the first statement of a nested transaction. One that no step has used
    waits for the next step: beginning and ending it costs more than a handler that has nothing to do.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._open: AsyncSessionTransaction | None = None
        self._sent = False
        event.listen(session.sync_session, "after_begin", self._note_sent)

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Keep what the block does, flushed; undo it when the block raises, and raise that again."""
        if self._open is None:
            self._sent = False
            self._open = await self._session.begin_nested().__aenter__()
        try:
            yield
        except BaseException:
            await self._end(failed=True)
            raise
        if self._sent or self._session.new or self._session.identity_map:
            await self._end()

    async def close(self) -> None:
        """Leave the savepoint that no step has used."""
        await self._end()

    async def _end(self, *, failed: bool = False) -> None:
        savepoint, self._open = self._open, None
        if savepoint is not None:
            try:
                await savepoint.__aexit__(*(sys.exc_info() if failed else (None, None, None)))
            finally:
                # The next step must read rows afresh: others may have changed them before they were locked.
                self._session.expunge_all()

    def _note_sent(self, _session: Session, transaction: SessionTransaction, _connection: Connection) -> None:
        self._sent = self._sent or transaction.nested
