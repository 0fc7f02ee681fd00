"""A Stripe sandbox for tests, over real HTTP: `with stripe_sandbox(...) as sandbox: sandbox.base_url`.

Production code reaches it by its base address alone; `sandbox.client()` is the official library aimed at it.
Tests steer it by `sandbox.control`.
"""

import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import stripe

from driveflow.sandbox.stripe import Endpoint, StripeSandboxSettings
from driveflow.sandbox.stripe.running import run_in_thread

SECRET_KEY = "sk_test_driveflow_sandbox"
WEBHOOK_SECRET = "whsec_sandbox_platform"
CONNECT_WEBHOOK_SECRET = "whsec_sandbox_connect"
VISA = "4242424242424242"


def loopback_client(base_url: str = "") -> httpx.Client:
    """Return a client for plain HTTP, which need not load certificates."""
    return httpx.Client(base_url=base_url, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class Control:
    """What tests let happen in a sandbox."""

    def __init__(self, base_url: str) -> None:
        self._http = loopback_client(f"{base_url}/_control")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, path, json=document)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def fault(self, kind: str, method: str = "POST", path: str = "/v1/", times: int = 1, **more: Any) -> None:
        """Let the next requests go wrong, in one of the ways of `faults.REQUEST_FAULTS`."""
        self._send("POST", "/faults", {"kind": kind, "method": method, "path": path, "times": times, **more})

    def delivery_fault(self, kind: str, event: str = "", times: int = 1, **more: Any) -> None:
        """Let the next deliveries go wrong: drop, delay (ms), duplicate (copies), reorder."""
        self._send("POST", "/faults", {"kind": kind, "event": event, "times": times, **more})

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._send("DELETE", "/faults")

    def advance_clock(self, seconds: int) -> None:
        """Move the sandbox's time ahead; what becomes due by it happens."""
        self._send("POST", "/clock", {"advance_s": seconds})

    def act(self, kind: str, object_id: str, name: str, **more: Any) -> dict[str, Any]:
        """Let something happen to an object, e.g. `act("charges", id, "dispute", reason="fraudulent")`."""
        document: dict[str, Any] = self._send("POST", f"/{kind}/{object_id}/{name}", more)
        return document

    def totals(self) -> dict[str, Any]:
        """Return balances, sums and counts."""
        document: dict[str, Any] = self._send("GET", "/totals")
        return document

    def requests(self) -> list[dict[str, Any]]:
        """Return what clients sent: method, path, form, idempotency_key; oldest first."""
        documents: list[dict[str, Any]] = self._send("GET", "/requests")
        return documents

    def deliveries(self) -> list[dict[str, Any]]:
        """Return every delivery of an event and what came of it."""
        documents: list[dict[str, Any]] = self._send("GET", "/deliveries")
        return documents

    def redeliver(self, event_id: str | None = None) -> None:
        """Deliver an event, or all, again."""
        self._send("POST", "/deliveries/redeliver", {"event": event_id})

    def wait_for_deliveries(self, timeout_s: float = 10) -> None:
        """Wait until nothing waits to be delivered."""
        deadline = time.monotonic() + timeout_s
        while self.totals()["deliveries_waiting"]:
            assert time.monotonic() < deadline, self.deliveries()
            time.sleep(0.02)


@dataclass
class StripeSandbox:
    """A running sandbox."""

    base_url: str
    control: Control
    browser: httpx.Client
    closing: ExitStack
    secret_key: str = SECRET_KEY
    webhook_secret: str = WEBHOOK_SECRET
    connect_webhook_secret: str = CONNECT_WEBHOOK_SECRET

    def client(self, max_network_retries: int = 0, timeout_s: float = 10) -> stripe.StripeClient:
        """Return the official library aimed at this sandbox, for calls that are not async."""
        http = stripe.HTTPXClient(timeout=timeout_s, allow_sync_methods=True)
        self.closing.callback(http.close)
        return self._client(http, max_network_retries)

    @asynccontextmanager
    async def async_client(
        self, max_network_retries: int = 0, timeout_s: float = 10
    ) -> AsyncIterator[stripe.StripeClient]:
        """Give the official library aimed at this sandbox, for async calls, as production makes them."""
        http = stripe.HTTPXClient(timeout=timeout_s)
        try:
            yield self._client(http, max_network_retries)
        finally:
            await http.close_async()  # type: ignore[no-untyped-call]

    def _client(self, http: stripe.HTTPXClient, max_network_retries: int) -> stripe.StripeClient:
        return stripe.StripeClient(
            self.secret_key,
            base_addresses={"api": self.base_url},
            http_client=http,
            max_network_retries=max_network_retries,
        )

    def pay(self, session_url: str, number: str = VISA, cvc: str = "123") -> httpx.Response:
        """Pay on a checkout session's page; the answer is a redirection if it went well."""
        form = {"number": number, "expiry": "12/40", "cvc": cvc, "email": "payer@example.com"}
        return self.browser.post(session_url, data=form)

    def authenticate(self, page_url: str, outcome: str = "complete") -> httpx.Response:
        """Press a button of the 3-D Secure page."""
        return self.browser.post(page_url, data={"outcome": outcome})

    def onboard(self, link_url: str) -> httpx.Response:
        """Complete the onboarding that an account link opens."""
        return self.browser.post(link_url)


@contextmanager
def stripe_sandbox(
    webhook_url: str | None = None,
    connect_webhook_url: str | None = None,
    *,
    database: Path | None = None,
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> Iterator[StripeSandbox]:
    """Serve a sandbox on a free loopback port until the end of the block.

    Events are delivered to the addresses given; without one they are only kept. `settings` are those of
    `StripeSandboxSettings`; a `seed` makes ids repeat, which a database that tests share would take for one
    event.
    """
    with tempfile.TemporaryDirectory(prefix="driveflow-stripe-") as folder:
        given: dict[str, Any] = {
            "database": database or Path(folder) / "stripe.sqlite3",
            "clock": clock,
            "platform": Endpoint(webhook_url, WEBHOOK_SECRET) if webhook_url else None,
            "connect": Endpoint(connect_webhook_url, CONNECT_WEBHOOK_SECRET) if connect_webhook_url else None,
            "poll_s": 0.05,
            **settings,
        }
        with run_in_thread(StripeSandboxSettings(**given)) as base_url, ExitStack() as closing:
            control = Control(base_url)
            closing.callback(control.close)
            browser = closing.enter_context(loopback_client(base_url))
            yield StripeSandbox(base_url, control, browser, closing)
