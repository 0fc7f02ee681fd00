"""A mail server over real TCP that answers as a test says, or breaks off."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

DROP = "drop the connection"
HANG = "say nothing"


@dataclass
class BadMailServer:
    """What the server says to each command; `message` is its answer to the mail itself.

    DROP closes the connection without an answer, HANG keeps it open without one.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if await self._say(writer, self.answers.get("banner", "220 bad.example")):
                await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            command = line.split(b":")[0].split()[0].decode().lower()
            if not await self._say(writer, self.answers.get(command, _USUAL.get(command, "250 fine"))):
                return
            if command == "data":
                content = await reader.readuntil(b"\r\n.\r\n")
                self.received.append(content)
                if not await self._say(writer, self.answers.get("message", "250 2.0.0 taken as 42")):
                    return
            if command == "quit":
                return

    async def _say(self, writer: asyncio.StreamWriter, answer: str) -> bool:
        if answer == DROP:
            return False
        if answer == HANG:
            await asyncio.sleep(3600)
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()
        return True


_USUAL = {"ehlo": "250 bad.example", "data": "354 go on", "quit": "221 bye"}


@asynccontextmanager
async def bad_mail_server(**answers: str) -> AsyncIterator[BadMailServer]:
    """Serve until the end of the block."""
    bad = BadMailServer(answers)
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(bad.serve(reader, writer))
        talks.add(task)
        task.add_done_callback(talks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    bad.port = server.sockets[0].getsockname()[1]
    try:
        yield bad
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
