"""A school that takes payments through a Stripe sandbox, with everything else real: app, worker, database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.worker.loop import Worker
from driveflow.entrypoints.worker.outside_handlers import outside_handlers
from support.schools import Client, Clock, Ready, School, open_school
from support.stripe_sandbox import StripeSandbox
from support.stripe_webhooks import deliver

OLD_SECRET = "whsec_of_last_year"


def money_settings(sandbox: StripeSandbox, **more: Any) -> Settings:
    """Return settings that point at a sandbox; the old webhook secret is valid too."""
    return Settings(
        _env_file=None,
        rate_limit_address_per_min=1_000_000,
        rate_limit_key_per_min=1_000_000,
        stripe_secret_key=sandbox.secret_key,
        stripe_api_base=sandbox.base_url,
        stripe_webhook_secrets=f"{OLD_SECRET}, {sandbox.webhook_secret}",
        stripe_connect_webhook_secrets=sandbox.connect_webhook_secret,
        **more,
    )


@dataclass
class MoneyWorld:
    """One school and its money; `http` reaches the application, `worker` does what is due."""

    sandbox: StripeSandbox
    school: School
    ready: Ready
    http: httpx.AsyncClient
    worker: Worker
    clock: Clock
    database: Database
    worker_database: Database
    delivered: set[str] = field(default_factory=set)

    async def booked(self, *, hours_ahead: float = 72, **more: Any) -> dict[str, Any]:
        """Book a lesson as staff, at the next free hour from `hours_ahead` on."""
        self._bookings = getattr(self, "_bookings", -1) + 1
        start = self.clock() + timedelta(hours=hours_ahead + self._bookings)
        return await self.school.book(self.ready, start, override_hours=True, **more)

    async def requested(self, student: Client, *, hours_ahead: float = 72) -> dict[str, Any]:
        """Book a lesson as a student: a request that holds its slot."""
        self._requests = getattr(self, "_requests", -1) + 1
        start = self.clock() + timedelta(hours=hours_ahead, days=self._requests)
        made: dict[str, Any] = await student.post("/bookings", self.ready.booking(start))
        return made

    async def start(self, booking: dict[str, Any], by: Client | None = None, **body: Any) -> dict[str, Any]:
        """Start paying a booking."""
        started: dict[str, Any] = await (by or self.school).post(
            f"/bookings/{booking['id']}/payment", body, expect=200
        )
        return started

    async def paid(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Pay a booking on its page, with everything that follows; return the payment."""
        started = await self.start(booking)
        self.pay(started["checkout_url"])
        await self.settle()
        return await self.payment(started)

    def pay(self, url: str, number: str = "4242424242424242") -> httpx.Response:
        """Pay on a page with a card."""
        return self.sandbox.pay(url, number)

    async def payment(self, started: dict[str, Any]) -> dict[str, Any]:
        """Return a payment as staff see it."""
        payment_id = started.get("payment", started)["id"]
        found: dict[str, Any] = await self.school.get(f"/payments/{payment_id}")
        return found

    async def booking(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Return a booking."""
        found: dict[str, Any] = await self.school.get(f"/bookings/{booking['id']}")
        return found

    async def refunds(self, payment: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a payment's refunds, oldest first."""
        found: list[dict[str, Any]] = (await self.school.get(f"/payments/{payment['id']}/refunds"))["items"]
        return found

    async def balances(self) -> dict[str, int]:
        """Return the ledger's balances by account; their sum must be 0."""
        found = (await self.school.get("/ledger/balances"))["balances"]
        balances = {row["account"]: row["balance_cents"] for row in found}
        assert sum(balances.values()) == 0, balances
        return balances

    def new_events(self) -> list[dict[str, Any]]:
        """Return the sandbox's events that were not delivered yet, oldest first."""
        return [event for event in self.all_events() if event["id"] not in self.delivered]

    def all_events(self) -> list[dict[str, Any]]:
        """Return the sandbox's events, oldest first."""
        events: list[dict[str, Any]] = []
        more = True
        while more:
            page = self.stripe(
                "/v1/events", limit=100, **({"starting_after": events[-1]["id"]} if events else {})
            )
            events += page["data"]
            more = page["has_more"]
        return events[::-1]

    def stripe(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Ask the sandbox directly."""
        answer = httpx.get(
            self.sandbox.base_url + path,
            params=parameters,
            headers={"Authorization": f"Bearer {self.sandbox.secret_key}"},
            trust_env=False,
        )
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stripe_post(self, path: str, **form: str) -> dict[str, Any]:
        """Change something at the sandbox behind DriveFlow's back, as in Stripe's dashboard."""
        answer = httpx.post(
            self.sandbox.base_url + path,
            data=form,
            headers={"Authorization": f"Bearer {self.sandbox.secret_key}"},
            trust_env=False,
        )
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stripe_balance(self) -> int:
        """Return the platform's balance at the sandbox, in cents."""
        found = self.stripe("/v1/balance")
        return sum(part["amount"] for name in ("available", "pending") for part in found[name])

    async def deliver(
        self, event: dict[str, Any], *, secret: str | None = None, at: datetime | None = None
    ) -> httpx.Response:
        """Deliver an event as Stripe does."""
        self.delivered.add(event["id"])
        return await deliver(
            self.http, event, at=at or self.clock(), secret=secret or self.sandbox.webhook_secret
        )

    async def settle(self) -> None:
        """Let the worker do what is due, and deliver what Stripe has to tell, until nothing is left."""
        while True:
            done = await self.worker.run_until_idle()
            events = self.new_events()
            for event in events:
                answer = await self.deliver(event)
                assert answer.status_code == 200, answer.text
            if not events and not done:
                return


@asynccontextmanager
async def money_world(
    sandbox: StripeSandbox, database: Database, worker_database: Database, clock: Clock, **settings: Any
) -> AsyncIterator[MoneyWorld]:
    """Open a school that takes payments."""
    configured = money_settings(sandbox)
    app = create_app(configured, database, clock=clock, access_log=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://driveflow.test"
        ) as http,
        outside_handlers(configured) as handlers,
    ):
        school = await open_school(http, database, clock, **settings)
        worker = Worker(worker_database, configured, clock=clock, outside_handlers=handlers)
        yield MoneyWorld(
            sandbox, school, await school.ready(), http, worker, clock, database, worker_database
        )
