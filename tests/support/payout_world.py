"""A school, a worker and a Stripe of its own, for tests of money that ends with an instructor."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import stripe
from pydantic import SecretStr

from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.reconcile import reconcile
from driveflow.entrypoints.runtime import Addresses
from driveflow.entrypoints.worker.loop import Worker
from driveflow.entrypoints.worker.outside_handlers import outside_handlers
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments.webhook_intake import take_in
from driveflow.payouts.reconciling import GRACE, Difference
from support.schools import Clock, Ready, School, open_school
from support.stripe_sandbox import Control, StripeSandbox, stripe_sandbox

HOLD = timedelta(hours=72)


@dataclass
class Stage:
    """A database, a clock, a worker and a sandbox, for as many schools as tests like."""

    sandbox: StripeSandbox
    clock: Clock
    database: Database
    owner: asyncpg.Connection
    gateway: StripeGateway
    settings: Settings
    worker: Worker
    stripe: stripe.StripeClient
    http: httpx.AsyncClient
    newest_event: str | None = None

    async def new_school(self, **settings: Any) -> "PayoutWorld":
        """Open a school with an instructor, a student and a service."""
        school = await open_school(self.http, self.database, self.clock, **settings)
        return PayoutWorld(self, school, await school.ready())

    async def pump(self) -> None:
        """Let Stripe's events arrive and the worker do all that is due, until nothing more happens."""
        while True:
            await self.worker.run_until_idle()
            if not await self._deliver():
                return

    async def _deliver(self) -> int:
        newer = {"ending_before": self.newest_event} if self.newest_event else {}
        new = await self._events(newer)
        if new:
            self.newest_event = new[-1]["id"]
        for event in new:
            await self.take_in(event)
        return len(new)

    async def take_in(self, event: dict[str, Any]) -> None:
        """Let an event arrive."""
        async with self.database.session(None) as session:
            await take_in(session, event, now=self.clock())

    async def account_events(self, account: str) -> None:
        """Let what Stripe tells of a connected account arrive."""
        for event in await self._events({}, {"stripe_account": account}):
            await self.take_in(event)
        await self.pump()

    async def _events(self, which: dict[str, Any], options: Any = None) -> list[dict[str, Any]]:
        """Return events, oldest first."""
        wanted: Any = {"limit": 100, **which}
        page = await self.stripe.v1.events.list_async(wanted, options)
        found = [event.to_dict(for_json=True) async for event in page.auto_paging_iter()]
        return found if which else found[::-1]

    def balance_cents(self) -> int:
        """Return the platform's balance at the sandbox."""
        platform = self.sandbox.control.totals()["accounts"].get("platform", {})
        return int(platform.get("aud", {}).get("balance", 0))

    async def ledger_cents(self, account: str, org_id: UUID | None = None) -> int:
        """Return debits minus credits of an account, of all schools or of one."""
        return int(
            await self.owner.fetchval(
                "SELECT coalesce(sum(CASE WHEN debit_account = $1 THEN amount_cents ELSE 0 END) "
                "- sum(CASE WHEN credit_account = $1 THEN amount_cents ELSE 0 END), 0) FROM ledger_entries "
                "WHERE $2::uuid IS NULL OR org_id = $2",
                account,
                org_id,
            )
        )

    async def reconcile(self, slug: str | None = None) -> list[Difference]:
        """Return what `driveflow reconcile` finds now, without its patience for what is young."""
        url = self.database.url
        report = await reconcile(
            self.settings,
            Addresses(owner=url, app=url, worker=url, embedded_in=None),
            slug=slug,
            now=self.clock() + GRACE,
            grace=timedelta(0),
            on_step=lambda _: None,
        )
        return report.differences


@dataclass
class PayoutWorld:
    """One school on a stage."""

    stage: Stage
    school: School
    ready: Ready
    _day: int = 0

    @property
    def clock(self) -> Clock:
        """The time of school and sandbox."""
        return self.stage.clock

    @property
    def stripe(self) -> stripe.StripeClient:
        """Stripe's own library, aimed at the sandbox."""
        return self.stage.stripe

    @property
    def control(self) -> Control:
        """What steers the sandbox."""
        return self.stage.sandbox.control

    async def book(self, *, price_cents: int | None = None, instructor: Any = None) -> dict[str, Any]:
        """Book a lesson, each one on another day from tomorrow on."""
        self._day += 1
        ready = self.ready
        if price_cents is not None or instructor is not None:
            service = await self.school.add_service(price_cents=price_cents or 9500)
            ready = Ready(instructor or ready.instructor, ready.student, service)
        start = self.clock.now.replace(hour=0, minute=0) + timedelta(days=self._day, hours=1)
        return await self.school.book(ready, start, override_hours=True)

    async def pay(self, booking: dict[str, Any], card: str = "pm_card_visa") -> str:
        """Pay a booking through Stripe; return the PaymentIntent's id."""
        started = await self.school.post(f"/bookings/{booking['id']}/payment", {"mode": "intent"}, expect=200)
        intent_id: str = started["client_secret"].partition("_secret_")[0]
        await self.stripe.v1.payment_intents.confirm_async(
            intent_id, {"payment_method": card, "return_url": "https://school.example/"}
        )
        await self.pump()
        return intent_id

    async def pay_in_cash(self, booking: dict[str, Any]) -> None:
        """Let staff record cash."""
        await self.school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
        await self.pump()

    @staticmethod
    def start_of(booking: dict[str, Any]) -> datetime:
        """Return when a booked lesson begins."""
        return datetime.fromisoformat(booking["start_at"])

    async def complete(self, booking: dict[str, Any]) -> None:
        """Move the clock to the lesson, give it, and end it an hour later."""
        self.clock.now = max(self.clock.now, self.start_of(booking))
        await self.school.post(f"/bookings/{booking['id']}/start", expect=200)
        self.clock.advance(hours=1)
        await self.school.post(f"/bookings/{booking['id']}/complete", {}, expect=200)
        await self.pump()

    async def paid_lesson(self, **more: Any) -> dict[str, Any]:
        """Book, pay and give a lesson."""
        booking = await self.book(**more)
        await self.pay(booking)
        await self.complete(booking)
        return booking

    async def mature(self, span: timedelta = HOLD) -> None:
        """Let the hold of what has accrued run out."""
        self.clock.now += span
        await self.pump()

    async def onboard(self, instructor: dict[str, Any] | None = None) -> str:
        """Give an instructor an account that can receive transfers; return its id."""
        account = await self.begin_onboarding(instructor)
        self.control.act("accounts", account, "complete-onboarding")
        await self.stage.account_events(account)
        return account

    async def begin_onboarding(self, instructor: dict[str, Any] | None = None) -> str:
        """Let an instructor ask for an account; return its id."""
        row = instructor or self.ready.instructor
        await self.school.post(f"/instructors/{row['id']}/onboarding", expect=200)
        account: str = await self.stage.owner.fetchval(
            "SELECT stripe_account_id FROM instructors WHERE id = $1", UUID(row["id"])
        )
        return account

    async def refund(self, booking: dict[str, Any], amount_cents: int) -> None:
        """Give back a part of a booking's payment, and let it travel."""
        await self.give_back(booking, amount_cents)
        await self.pump()

    async def give_back(self, booking: dict[str, Any], amount_cents: int) -> None:
        """Decide to give back a part of a booking's payment."""
        payment_id = await self.payment_id(booking)
        body = {"amount_cents": amount_cents, "reason": "Goodwill"}
        await self.school.post(f"/payments/{payment_id}/refunds", body)

    async def payment_id(self, booking: dict[str, Any]) -> UUID:
        """Return the id of a booking's payment."""
        found: UUID = await self.stage.owner.fetchval(
            "SELECT id FROM payments WHERE booking_id = $1", UUID(booking["id"])
        )
        return found

    async def dispute(self, booking: dict[str, Any]) -> str:
        """Let the customer's bank take a booking's payment back; return the dispute's id."""
        charge = await self.stage.owner.fetchval(
            "SELECT stripe_charge_id FROM payments WHERE booking_id = $1", UUID(booking["id"])
        )
        self.control.act("charges", charge, "dispute")
        await self.pump()
        disputes = await self.stripe.v1.disputes.list_async({"charge": charge})
        return disputes.data[0].id

    async def decide(self, dispute: str, outcome: str) -> None:
        """Let the bank decide a dispute: `won` or `lost`."""
        self.control.act("disputes", dispute, "close", outcome=outcome)
        await self.pump()

    async def payouts_of(self, booking: dict[str, Any]) -> list[UUID]:
        """Return the ids of a booking's payouts."""
        query = "SELECT id FROM payouts WHERE booking_id = $1"
        return [row["id"] for row in await self.stage.owner.fetch(query, UUID(booking["id"]))]

    async def payout(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Return the payout of a booking as the API explains it."""
        [payout_id] = await self.payouts_of(booking)
        found: dict[str, Any] = await self.school.get(f"/payouts/{payout_id}")
        assert sum(line["amount_cents"] for line in found["lines"]) == found["amount_cents"]
        return found

    async def pump(self) -> None:
        """Let happen whatever is due."""
        await self.stage.pump()

    async def owed_cents(self) -> int:
        """Return what the ledger says that the school's instructors are owed."""
        return -await self.stage.ledger_cents("instructors_payable", self.school.org_id)

    async def books_agree(self) -> None:
        """Assert that the ledger has exactly the balance that the sandbox has, and nothing else differs."""
        assert await self.stage.ledger_cents("stripe_clearing") == self.stage.balance_cents()
        differences = await self.differences()
        assert not differences, "\n".join(differences)

    async def differences(self) -> list[str]:
        """Return what `driveflow reconcile` says of the school."""
        slug = (await self.school.get(""))["slug"]
        return [one.sentence for one in await self.stage.reconcile(slug)]


def _seconds_of(clock: Clock) -> Callable[[], float]:
    # The sandbox's time is the application's: a hold of three days is over for both at once.
    return lambda: clock().timestamp()


@asynccontextmanager
async def payout_stage(database_url: str, **sandbox_settings: Any) -> AsyncIterator[Stage]:
    """Open a stage on a database of its own."""
    clock = Clock()
    async with AsyncExitStack() as stack:
        sandbox = stack.enter_context(stripe_sandbox(clock=_seconds_of(clock), **sandbox_settings))
        settings = Settings(
            _env_file=None,
            rate_limit_address_per_min=1_000_000,
            rate_limit_key_per_min=1_000_000,
            stripe_secret_key=SecretStr(sandbox.secret_key),
            stripe_api_base=sandbox.base_url,
            public_url="https://school.example",
        )
        database = Database(database_url, role=APP_ROLE, pool_size=4)
        stack.push_async_callback(database.dispose)
        worker_database = Database(database_url, role=WORKER_ROLE, pool_size=4)
        stack.push_async_callback(worker_database.dispose)
        owner = await asyncpg.connect(database_url)
        stack.push_async_callback(owner.close)
        handlers = await stack.enter_async_context(outside_handlers(settings))
        gateway = StripeGateway(sandbox.secret_key, api_base=sandbox.base_url)
        stack.push_async_callback(gateway.close)
        library_http = stripe.HTTPXClient(timeout=10)
        stack.push_async_callback(library_http.close_async)
        library = stripe.StripeClient(
            sandbox.secret_key, base_addresses={"api": sandbox.base_url}, http_client=library_http
        )
        app = create_app(settings, database, clock=clock, access_log=False)
        await stack.enter_async_context(app.router.lifespan_context(app))
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=True),
                base_url="http://driveflow.test",
            )
        )
        worker = Worker(worker_database, settings, clock=clock, outside_handlers=handlers)
        yield Stage(sandbox, clock, database, owner, gateway, settings, worker, library, http)
