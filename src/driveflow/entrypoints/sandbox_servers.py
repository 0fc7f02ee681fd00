"""The outside world of the demo: stand-ins for Stripe, Twilio and a mail server, on loopback ports beside it.

DriveFlow is pointed at them by settings alone: what the demo runs is the code that speaks to the real ones.
What they get is kept in the data folder, like everything else of the demo.
"""

import secrets
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driveflow.core.errors import OperatorError
from driveflow.core.settings import PREFIX, Settings
from driveflow.sandbox.mailbox.server import mailbox_sandbox
from driveflow.sandbox.stripe import Endpoint, StripeSandboxSettings
from driveflow.sandbox.stripe.running import run_in_thread

ENVIRONMENT = "driveflow.env"
STRIPE_PORT_AFTER = 1
MAILBOX_PORT_AFTER = 2
# A person at the demo waits for its results.
_SETTLEMENT_S = 1


@dataclass(frozen=True, slots=True)
class SandboxServers:
    """The running stand-ins: DriveFlow's settings with them, and their addresses for a person."""

    settings: Settings
    stripe_url: str
    mailbox_url: str


@asynccontextmanager
async def sandbox_servers(settings: Settings) -> AsyncIterator[SandboxServers]:
    """Run the stand-ins on the two ports after the web's until the end of the block.

    Keys and signing secrets are made anew each time; commands beside the demo, such as `driveflow reconcile`,
    find them in the file ENVIRONMENT of the sandbox's folder. Raises OperatorError
    when a port is in use.
    """
    port = settings.port or _free_port()
    web = f"http://127.0.0.1:{port}"
    folder = settings.data_dir.resolve() / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    secret_key = f"sk_test_{secrets.token_hex(16)}"
    platform = Endpoint(f"{web}/webhooks/stripe", f"whsec_{secrets.token_hex(16)}")
    connect = Endpoint(f"{web}/webhooks/stripe-connect", f"whsec_{secrets.token_hex(16)}")
    stripe_settings = StripeSandboxSettings(
        database=folder / "stripe.sqlite3",
        secret_keys=(secret_key,),
        platform=platform,
        connect=connect,
        public_url=f"http://localhost:{port + STRIPE_PORT_AFTER}",
        settlement_s=_SETTLEMENT_S,
    )
    try:
        with run_in_thread(stripe_settings, port=port + STRIPE_PORT_AFTER) as stripe_base:
            async with mailbox_sandbox(
                folder, public_url=f"http://localhost:{port}", http_port=port + MAILBOX_PORT_AFTER
            ) as mailbox:
                given = {
                    "port": port,
                    "public_url": f"http://localhost:{port}",
                    "stripe_secret_key": secret_key,
                    "stripe_api_base": stripe_base,
                    "stripe_webhook_secrets": platform.secret,
                    "stripe_connect_webhook_secrets": connect.secret,
                    **mailbox.settings(),
                }
                _write_environment(folder / ENVIRONMENT, given)
                yield SandboxServers(
                    Settings.model_validate({**dict(settings), **given}),
                    stripe_url=stripe_settings.public_url or stripe_base,
                    mailbox_url=mailbox.url,
                )
    except OSError as error:
        raise OperatorError(
            f"The demo also needs the ports {port + STRIPE_PORT_AFTER} and {port + MAILBOX_PORT_AFTER} "
            f"({error.strerror}). Another program may use one of them: choose others with --port."
        ) from error


def _write_environment(path: Path, given: dict[str, Any]) -> None:
    """Write the settings as shell lines that only this user can read, for commands run beside the demo."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    lines = [f"{PREFIX}{name.upper()}={shlex.quote(str(value))}\n" for name, value in given.items()]
    path.write_text("".join(lines))


def _free_port() -> int:
    """Return a port with two free ones after it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                for after in (STRIPE_PORT_AFTER, MAILBOX_PORT_AFTER):
                    socket.create_server(("127.0.0.1", port + after)).close()
            except (OSError, OverflowError):
                continue
            return port
