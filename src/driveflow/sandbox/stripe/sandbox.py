"""One sandbox: its store, its clock and what runs in its background."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import structlog

from driveflow.sandbox.stripe import timers
from driveflow.sandbox.stripe.call import Call, now_of
from driveflow.sandbox.stripe.delivery import Deliveries
from driveflow.sandbox.stripe.registry import TIMER_ACTIONS
from driveflow.sandbox.stripe.settings import StripeSandboxSettings
from driveflow.sandbox.stripe.store import Store

_REQUESTS_KEPT: Final = 10_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """What a client sent: `form` is the body, or the query of a GET, as it came."""

    method: str
    path: str
    form: str
    idempotency_key: str | None


class Sandbox:
    """The state of a running sandbox."""

    def __init__(self, settings: StripeSandboxSettings) -> None:
        self.settings = settings
        self.store = Store(settings.database, settings.seed)
        self.deliveries = Deliveries(self.store, settings)
        self.keys_in_use: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()
        self.requests: deque[ReceivedRequest] = deque(maxlen=_REQUESTS_KEPT)

    @contextmanager
    def act(self, base_url: str = "") -> Iterator[Call]:
        """Open a transaction of the sandbox itself; what has become due is done first."""
        with self.store.transaction():
            call = self.call(base_url)
            timers.run_due(call, TIMER_ACTIONS)
            yield call
        self._woken.set()

    def call(self, base_url: str) -> Call:
        """Return a call of the sandbox itself, at its present time."""
        return Call(self.store, self.settings, base_url, now_of(self.store, self.settings))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver and do what becomes due until the end of the block; then close the store."""
        task = asyncio.create_task(self._background())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.store.close()

    def _tls(self) -> ssl.SSLContext:
        """Return what verifies endpoints; without HTTPS among them no authorities, as they load slowly."""
        endpoints = (self.settings.platform, self.settings.connect)
        if any(endpoint and endpoint.url.startswith("https:") for endpoint in endpoints):
            return ssl.create_default_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def _background(self) -> None:
        timeout = self.settings.delivery_timeout_s
        async with httpx.AsyncClient(timeout=timeout, trust_env=False, verify=self._tls()) as client:
            while True:
                self._woken.clear()
                try:
                    if timers.any_due(self.call("")):
                        with self.act():
                            pass
                    tried = await self.deliveries.deliver_due(client)
                except Exception:  # noqa: BLE001 - a failed round must not end deliveries for good
                    _log.exception("stripe_sandbox.background_failed")
                    tried = 0
                if not tried:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), self.settings.poll_s)
