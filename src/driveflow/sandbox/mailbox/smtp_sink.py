"""The mail server of the sandbox: takes every mail for everybody and keeps it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from driveflow.sandbox.mailbox.store import MailboxStore

SIZE_LIMIT_BYTES = 10_000_000


class _Keeper:
    """Aiosmtpd's hooks."""

    def __init__(self, store: MailboxStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail for each of its recipients."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        for recipient in envelope.rcpt_tos:
            self._store.keep_mail(envelope.mail_from or "", recipient, content, now=self._clock())
        return "250 2.0.0 Kept in the sandbox's mailbox"


@asynccontextmanager
async def smtp_sink(
    store: MailboxStore, *, port: int = 0, clock: Callable[[], datetime]
) -> AsyncIterator[int]:
    """Serve SMTP on a loopback port until the end of the block; yields the port."""
    loop = asyncio.get_running_loop()
    keeper = _Keeper(store, clock)
    server = await loop.create_server(
        lambda: SMTP(
            keeper,
            hostname="mailbox.localhost",
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT_BYTES,
            loop=loop,
        ),
        "127.0.0.1",
        port,
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
