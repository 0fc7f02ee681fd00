"""Random storms of payments, cancellations, refunds, payouts, disputes and faults: in the end all agrees.

After each storm the ledger has the sandbox's balance and `driveflow reconcile` finds nothing (quality.md 11).
"""

import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from support.payout_world import PayoutWorld, Stage

SOAK = os.environ.get("DRIVEFLOW_TEST_PROFILE") == "soak"
SEEDS = range(100) if SOAK else range(2)
STEPS = 60 if SOAK else 14
FAULTS = ("lost", "conflict", "rate_limit", "error", "error_after")
PATHS = ("/v1/refunds", "/v1/transfers", "/v1/transfers/", "/v1/payment_intents")


@dataclass
class Storm:
    """One school in a storm, and what it has gone through."""

    world: PayoutWorld
    chance: random.Random
    accounts: list[str]
    bookings: list[dict[str, Any]] = field(default_factory=list)

    async def try_to(self, path: str, body: Any = None) -> None:
        """Do something that the present state may refuse, but that must not fail."""
        answer = await self.world.school.request("POST", path, json=body)
        assert answer.status_code < 500 or answer.json()["code"] == "stripe_unavailable", answer.text

    def any_booking(self) -> dict[str, Any] | None:
        return self.chance.choice(self.bookings) if self.bookings else None

    async def book_and_pay(self) -> None:
        booking = await self.world.book(price_cents=self.chance.choice([100, 4999, 9500]))
        self.bookings.append(booking)
        if self.chance.random() < 0.2:
            await self.try_to(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
            return
        path = f"/bookings/{booking['id']}/payment"
        answer = await self.world.school.request("POST", path, json={"mode": "intent"})
        if answer.status_code != 200:
            assert answer.json()["code"] == "stripe_unavailable"
            return
        intent_id = answer.json()["client_secret"].partition("_secret_")[0]
        await self.world.stripe.v1.payment_intents.confirm_async(
            intent_id,
            {
                "payment_method": self.chance.choice(["pm_card_visa", "pm_card_mastercard"]),
                "return_url": "https://school.example/",
            },
        )

    async def give_lesson(self) -> None:
        if (booking := self.any_booking()) is None:
            return
        start = self.world.start_of(booking)
        self.world.clock.now = max(self.world.clock.now, start)
        await self.try_to(f"/bookings/{booking['id']}/start")
        self.world.clock.advance(hours=1)
        await self.try_to(f"/bookings/{booking['id']}/complete", {"reason": "Forgotten"})

    async def cancel(self) -> None:
        if (booking := self.any_booking()) is not None:
            body = {"reason": "Ill", "for_student": self.chance.random() < 0.7}
            await self.try_to(f"/bookings/{booking['id']}/cancel", body)

    async def miss(self) -> None:
        if (booking := self.any_booking()) is not None:
            late = self.world.start_of(booking) + timedelta(minutes=20)
            self.world.clock.now = max(self.world.clock.now, late)
            await self.try_to(f"/bookings/{booking['id']}/no-show")

    async def waive(self) -> None:
        if (booking := self.any_booking()) is not None:
            await self.try_to(f"/bookings/{booking['id']}/waive-fee", {"reason": "Goodwill"})

    async def give_back(self) -> None:
        rows = await self.rows("payments")
        if rows:
            row = self.chance.choice(rows)
            amount = self.chance.randint(1, row["amount_cents"])
            await self.try_to(f"/payments/{row['id']}/refunds", {"amount_cents": amount, "reason": "Sorry"})

    async def dispute(self) -> None:
        charges = [row["stripe_charge_id"] for row in await self.rows("payments") if row["stripe_charge_id"]]
        charge = self.chance.choice(charges) if charges else None
        if charge is None:
            return
        shown = await self.world.stripe.v1.charges.retrieve_async(charge)
        if not shown.disputed and shown.amount_refunded < shown.amount:
            self.world.control.act("charges", charge, "dispute")

    async def decide(self, *, of_all: bool = False) -> None:
        for dispute in (await self.world.stripe.v1.disputes.list_async({"limit": 100})).data:
            if dispute.status == "needs_response" and (of_all or self.chance.random() < 0.5):
                outcome = self.chance.choice(["won", "lost"])
                self.world.control.act("disputes", dispute.id, "close", outcome=outcome)

    async def bank_sends_refund_back(self) -> None:
        rows = [row for row in await self.rows("refunds") if row["stripe_refund_id"]]
        if rows and (row := self.chance.choice(rows))["status"] == "succeeded":
            refund = await self.world.stripe.v1.refunds.retrieve_async(row["stripe_refund_id"])
            if refund.status == "succeeded":
                self.world.control.act("refunds", row["stripe_refund_id"], "fail")

    async def instructor_empties_account(self) -> None:
        self.world.control.act("accounts", self.chance.choice(self.accounts), "pay-out")

    async def account_changes(self) -> None:
        account = self.chance.choice(self.accounts)
        self.world.control.act("accounts", account, self.chance.choice(["restrict", "restore"]))
        if self.chance.random() < 0.7:
            await self.world.stage.account_events(account)

    async def go_wrong(self) -> None:
        self.world.control.fault(self.chance.choice(FAULTS), path=self.chance.choice(PATHS))

    async def wait(self) -> None:
        self.world.clock.advance(hours=self.chance.choice([1, 25, 73]))

    async def pay_by_hand(self) -> None:
        for row in await self.rows("payouts"):
            await self.try_to(f"/payouts/{row['id']}/mark-paid", {})

    async def rows(self, table: str) -> list[Any]:
        found: list[Any] = await self.world.stage.owner.fetch(
            f"SELECT * FROM {table} WHERE org_id = $1 ORDER BY id", self.world.school.org_id
        )
        return found

    async def clear_up(self) -> None:
        """Let everything come to its end."""
        self.world.control.clear_faults()
        await self.world.pump()
        for account in self.accounts:
            self.world.control.act("accounts", account, "restore")
            await self.world.stage.account_events(account)
        await self.decide(of_all=True)
        for _ in range(6):
            self.world.clock.advance(hours=36)
            await self.world.pump()
            for row in await self.rows("refunds"):
                if row["status"] != "succeeded":
                    await self.try_to(f"/refunds/{row['id']}/retry")
        await self.pay_by_hand()
        await self.world.pump()


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_storm_the_ledger_is_the_balance_and_nothing_differs(stage: Stage, seed: int) -> None:
    world = await stage.new_school()
    chance = random.Random(seed)
    storm = Storm(world, chance, [await world.onboard()])
    deeds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
        (6, storm.book_and_pay),
        (5, storm.give_lesson),
        (2, storm.cancel),
        (1, storm.miss),
        (1, storm.waive),
        (4, storm.give_back),
        (1, storm.dispute),
        (1, storm.decide),
        (1, storm.bank_sends_refund_back),
        (1, storm.instructor_empties_account),
        (1, storm.account_changes),
        (3, storm.go_wrong),
        (3, storm.wait),
        (1, storm.pay_by_hand),
    ]
    for _ in range(3):
        await storm.book_and_pay()
    for _ in range(STEPS):
        [deed] = chance.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
        await deed()
        if chance.random() < 0.6:
            await world.pump()
    await storm.clear_up()
    assert await stage.ledger_cents("stripe_clearing") == stage.balance_cents()
    # A refund that was decided before a dispute which the customer won cannot leave any more: it stays an
    # open item until a person has seen it.
    found = [words for words in await world.differences() if "has been charged back" not in words]
    assert not found, found
    under_way = [row for row in await storm.rows("payouts") if row["status"] in {"in_transit", "frozen"}]
    assert under_way == []
    # Nobody was paid twice: one transfer per payout at most, and none for more than was earned.
    transfers = (await world.stripe.v1.transfers.list_async({"limit": 100})).data
    of_payouts = [transfer.metadata["payout_id"] for transfer in transfers]
    assert len(of_payouts) == len(set(of_payouts))
    assert await world.owed_cents() == sum(
        row["amount_cents"] for row in await storm.rows("payouts") if row["status"] in {"pending", "failed"}
    ) - sum(row["amount_cents"] - row["settled_cents"] for row in await storm.rows("payout_debts"))
