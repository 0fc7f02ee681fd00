"""Runs the mailbox: SMTP on one loopback port, Twilio's API and the pages on another."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from driveflow.core.clock import utc_now
from driveflow.sandbox.mailbox.pages import MailboxPages
from driveflow.sandbox.mailbox.smtp_sink import smtp_sink
from driveflow.sandbox.mailbox.store import MailboxStore
from driveflow.sandbox.mailbox.twilio_endpoint import TwilioEndpoint

ACCOUNT_SID: Final = "AC" + "0" * 32
# Opens nothing but the sandbox itself, which listens on loopback only.
AUTH_TOKEN: Final = "sandbox"  # noqa: S105 - as above
SMS_FROM: Final = "+15005550006"
WHATSAPP_FROM: Final = "+14155238886"
MAIL_FROM: Final = "lessons@driveflow.example"
_STOP_S: Final = 5


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A running mailbox."""

    smtp_port: int
    http_port: int
    store: MailboxStore

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://localhost:{self.http_port}"

    def settings(self) -> dict[str, Any]:
        """Return the settings with which DriveFlow sends everything here."""
        return {
            "smtp_url": f"smtp://127.0.0.1:{self.smtp_port}",
            "mail_from": MAIL_FROM,
            "twilio_account_sid": ACCOUNT_SID,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_api_base": f"http://127.0.0.1:{self.http_port}",
            "twilio_sms_from": SMS_FROM,
            "twilio_whatsapp_from": WHATSAPP_FROM,
        }


@asynccontextmanager
async def mailbox_sandbox(
    folder: Path,
    *,
    public_url: str,
    smtp_port: int = 0,
    http_port: int = 0,
    clock: Callable[[], datetime] = utc_now,
    step_s: float = 0.2,
) -> AsyncIterator[Mailbox]:
    """Run the mailbox until the end of the block; what it gets is kept in `folder`.

    `public_url` is where DriveFlow answers: replies go there. A port of 0 means a free one. `step_s` is the
    time between the statuses of a text message.
    """
    with MailboxStore(folder / "mailbox.sqlite3") as store:
        endpoint = TwilioEndpoint(
            store,
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            inbound_url=f"{public_url}/webhooks/twilio-inbound",
            clock=clock,
            step_s=step_s,
        )
        app = Starlette(
            routes=[*endpoint.routes, *MailboxPages(store, endpoint).routes],
            # Pages of the internet that name this machine's address must not reach in.
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])],
        )
        try:
            async with (
                smtp_sink(store, port=smtp_port, clock=clock) as smtp,
                served(app, http_port) as http,
            ):
                yield Mailbox(smtp, http, store)
        finally:
            await endpoint.close()


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncIterator[int]:
    """Serve an application on a loopback port until the end of the block, beside what else the process does.

    A port of 0 means a free one; yields the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app, loop="none", log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_STOP_S
    )
    server = uvicorn.Server(config)
    # Not `serve`, which takes over the process's signals.
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    main_loop = asyncio.create_task(server.main_loop())
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await main_loop
        await server.shutdown(sockets=[listener])
