"""A cable between the application and PostgreSQL that a test can cut, slow down, or let swallow all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_CHUNK_BYTES = 65_536


class Cable:
    """A TCP proxy on the loopback; `url` is the database's address through it."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._database_url = database_url
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._flows = _open_valve()
        self._closed_for_good: list[asyncio.Event] = []
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        """The database's address through the cable."""
        parts = urlsplit(self._database_url)
        login = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{login}@127.0.0.1:{self._port}").geturl()

    async def plug_in(self) -> None:
        """Take connections, again on the same port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection at once and refuse new ones, as a server does that is stopped."""
        assert self._server is not None
        self._server.close()
        self.reset()
        await self._server.wait_closed()
        for valve in self._closed_for_good:
            valve.set()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def reset(self) -> None:
        """End every connection at once; new ones are welcome."""
        for writer in self._open:
            writer.transport.abort()

    def swallow(self) -> None:
        """Let connections live, new ones too, but pass nothing on any more: a black hole."""
        self._flows.clear()

    def forget(self) -> None:
        """Pass nothing on any more for the connections there are, without a word, as a rebooted router."""
        self.swallow()
        self._closed_for_good.append(self._flows)
        self._flows = _open_valve()

    def restore(self) -> None:
        """Pass everything on again, undelayed; what was held up ends with its connection."""
        self.delay_s = 0.0
        if not self._flows.is_set():
            self.reset()
            self._flows.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ends = {writer, there_writer}
        self._open |= ends
        pumps = {
            asyncio.create_task(self._pump(reader, there_writer, self._flows)),
            asyncio.create_task(self._pump(there_reader, writer, self._flows)),
        }
        self._pumps |= pumps
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._open -= ends
        self._pumps -= pumps

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await flows.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if writer.transport.is_closing():
                    return
                writer.write(data)
                await writer.drain()


def _open_valve() -> asyncio.Event:
    valve = asyncio.Event()
    valve.set()
    return valve


@asynccontextmanager
async def cable_to(database_url: str) -> AsyncIterator[Cable]:
    """A cable to a database until the end of the block."""
    cable = Cable(database_url)
    await cable.plug_in()
    try:
        yield cable
    finally:
        cable.restore()
        await cable.cut()
