"""After a random storm the books are right: the ledger equals Stripe's balance, and nobody got too much."""

import random
from typing import Any

import httpx
import pytest

from driveflow.core.outbox_leases import LEASE_S
from support.money_world import MoneyWorld

CARDS = (
    "4242424242424242",
    "4242424242424242",
    "4000000000000002",  # declined
    "4000002500003155",  # asks for 3-D Secure
    "4000000000005126",  # its refunds fail later
)
FAULTS = ("lost", "conflict", "rate_limit", "error", "error_after")
STEPS = 30


class Storm:
    """Random things at random times."""

    def __init__(self, money: MoneyWorld, seed: int) -> None:
        self.money = money
        self.choose = random.Random(seed)
        self.bookings: list[dict[str, Any]] = []

    async def rage(self) -> None:
        """Do STEPS things."""
        for _ in range(STEPS):
            if self.choose.random() < 0.3:
                self.money.sandbox.control.fault(self.choose.choice(FAULTS), times=self.choose.choice((1, 3)))
            if not self.bookings or self.choose.random() < 0.25:
                hours_ahead = self.choose.choice((10, 100))
                self.bookings.append(await self.money.booked(hours_ahead=hours_ahead))
            else:
                doings = (self.pay, self.pay, self.pay, self.cancel, self.refund, self.cash, self.retry)
                await self.choose.choice((*doings, self.wait, self.money.settle))()

    async def ask(self, path: str, body: dict[str, Any] | None, *expected: int) -> httpx.Response:
        """Post something that may be refused, but only so."""
        answer = await self.money.school.request("POST", path, json=body)
        assert answer.status_code in expected, answer.text
        return answer

    def some(self) -> str:
        """Return the path of some booking."""
        return f"/bookings/{self.choose.choice(self.bookings)['id']}"

    async def payments(self) -> list[dict[str, Any]]:
        """Return all payments."""
        found: list[dict[str, Any]] = (await self.money.school.get("/payments", params={"limit": 200}))[
            "items"
        ]
        return found

    async def pay(self) -> None:
        mode = self.choose.choice(("checkout", "checkout", "intent"))
        answer = await self.ask(f"{self.some()}/payment", {"mode": mode}, 200, 409, 503)
        if answer.status_code == 200 and answer.json()["checkout_url"]:
            self.money.pay(answer.json()["checkout_url"], self.choose.choice(CARDS))

    async def cancel(self) -> None:
        body = {"reason": "Storm", "for_student": self.choose.random() < 0.5}
        await self.ask(f"{self.some()}/cancel", body, 200, 409)

    async def refund(self) -> None:
        for payment in await self.payments():
            body = {"amount_cents": self.choose.randint(1, 6_000), "reason": "Storm"}
            await self.ask(f"/payments/{payment['id']}/refunds", body, 201, 409, 422)

    async def cash(self) -> None:
        await self.ask(f"{self.some()}/payment/record", {"method": "cash"}, 201, 409, 503)

    async def retry(self) -> None:
        for payment in await self.payments():
            for refund in await self.money.refunds(payment):
                await self.ask(f"/refunds/{refund['id']}/retry", None, 200, 409)

    async def wait(self) -> None:
        self.money.clock.advance(minutes=self.choose.choice((1, 10, 35)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_a_storm_the_ledger_equals_stripes_balance(money: MoneyWorld, seed: int) -> None:
    storm = Storm(money, seed)
    await storm.rage()
    money.sandbox.control.clear_faults()
    for _ in range(5):
        money.clock.advance(seconds=LEASE_S, minutes=20)
        await money.settle()

    balances = await money.balances()
    assert balances.get("stripe_clearing", 0) == money.stripe_balance()
    open_cents = 0
    payments = await storm.payments()
    for payment in payments:
        refunds = await money.refunds(payment)
        own = sum(refund["amount_cents"] for refund in refunds if refund["cause"] != "paid_twice")
        assert own == payment["refunded_cents"] <= payment["amount_cents"]
        open_cents += sum(row["amount_cents"] for row in refunds if row["status"] != "succeeded")
    assert balances.get("refunds", 0) == -open_cents
    # A booking has one payment: whatever was charged more than that went back, or is on its way.
    paid_by_stripe = sum(row["paid_at"] is not None and row["method"] == "stripe" for row in payments)
    twice = [
        refund
        for payment in payments
        for refund in await money.refunds(payment)
        if refund["cause"] == "paid_twice"
    ]
    charged = [charge for charge in money.stripe("/v1/charges", limit=100)["data"] if charge["paid"]]
    assert len(charged) == paid_by_stripe + len(twice)
