"""Whatever happens in whatever order, every cent of a sandbox is where a plain model says it is."""

from dataclasses import dataclass, field
from typing import Any

import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stripe_money import charge_of, open_account, pay
from support.stripe_sandbox import StripeSandbox

EXAMPLES = 1_000 if settings.get_current_profile_name() == "soak" else 25
DISPUTE_FEE = 2500

steps = st.lists(
    st.tuples(
        st.sampled_from(("pay", "pay", "refund", "fail", "transfer", "reverse", "dispute", "decide")),
        st.integers(0, 5),
        st.integers(50, 12_000),
    ),
    min_size=3,
    max_size=14,
)


@dataclass
class Paid:
    """A charge as the model knows it."""

    id: str
    amount: int
    refunded: int = 0
    transferred: int = 0
    refunds: list[tuple[str, int]] = field(default_factory=list)
    transfers: list[list[Any]] = field(default_factory=list)
    dispute: str | None = None
    held: int = 0
    decided: str | None = None


class Model:
    """What must be in the platform's balance and in the account's."""

    def __init__(self, sandbox: StripeSandbox, client: stripe.StripeClient, account: str) -> None:
        self.sandbox, self.client, self.account = sandbox, client, account
        self.paid: list[Paid] = []
        self.platform = 0
        self.connected = 0

    def step(self, name: str, which: int, amount: int) -> None:
        if name == "pay":
            charge = charge_of(self.client, pay(self.client, amount=amount))
            self.paid.append(Paid(charge.id, amount))
            self.platform += amount - (amount * 170 + 5000) // 10_000 - 30
        elif self.paid:
            getattr(self, name)(self.paid[which % len(self.paid)], amount)

    def refund(self, paid: Paid, amount: int) -> None:
        allowed = amount <= paid.amount - paid.refunded and (paid.dispute is None or paid.decided == "won")
        try:
            refund = self.client.v1.refunds.create({"charge": paid.id, "amount": amount})
        except stripe.InvalidRequestError:
            assert not allowed
            return
        assert allowed
        paid.refunds.append((refund.id, amount))
        paid.refunded += amount
        self.platform -= amount

    def fail(self, paid: Paid, _: int) -> None:
        if paid.refunds:
            refund, amount = paid.refunds.pop()
            self.sandbox.control.act("refunds", refund, "fail")
            paid.refunded -= amount
            self.platform += amount

    def transfer(self, paid: Paid, amount: int) -> None:
        allowed = amount <= paid.amount - paid.transferred
        try:
            transfer = self.client.v1.transfers.create(
                {
                    "amount": amount,
                    "currency": "aud",
                    "destination": self.account,
                    "source_transaction": paid.id,
                }
            )
        except stripe.InvalidRequestError:
            assert not allowed
            return
        assert allowed
        paid.transfers.append([transfer.id, amount])
        paid.transferred += amount
        self._move(amount)

    def reverse(self, paid: Paid, amount: int) -> None:
        if not paid.transfers:
            return
        transfer = paid.transfers[-1]
        allowed = amount <= transfer[1]
        try:
            self.client.v1.transfers.reversals.create(transfer[0], {"amount": amount})
        except stripe.InvalidRequestError:
            assert not allowed
            return
        assert allowed
        transfer[1] -= amount
        paid.transferred -= amount
        self._move(-amount)

    def dispute(self, paid: Paid, _: int) -> None:
        if paid.dispute is None and paid.amount > paid.refunded:
            self.sandbox.control.act("charges", paid.id, "dispute")
            paid.dispute = self.client.v1.disputes.list({"charge": paid.id}).data[0].id
            paid.held = paid.amount - paid.refunded
            self.platform -= paid.held + DISPUTE_FEE

    def decide(self, paid: Paid, amount: int) -> None:
        if paid.dispute is not None and paid.decided is None:
            paid.decided = "won" if amount % 2 else "lost"
            self.sandbox.control.act("disputes", paid.dispute, "close", outcome=paid.decided)
            self.platform += paid.held if paid.decided == "won" else 0

    def _move(self, amount: int) -> None:
        self.platform -= amount
        self.connected += amount


def balance(sandbox: StripeSandbox, owner: str) -> int:
    """Return what an account has, available and pending."""
    held: int = sandbox.control.totals()["accounts"].get(owner, {}).get("aud", {}).get("balance", 0)
    return held


def test_every_cent_is_where_it_belongs(sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
    @settings(max_examples=EXAMPLES)
    @given(steps)
    def check(todo: list[tuple[str, int, int]]) -> None:
        before = balance(sandbox, "platform")
        model = Model(sandbox, client, open_account(sandbox, client))
        for name, which, amount in todo:
            model.step(name, which, amount)
        assert balance(sandbox, "platform") - before == model.platform
        assert balance(sandbox, model.account) == model.connected
        for paid in model.paid:
            charge = client.v1.charges.retrieve(paid.id)
            assert charge.amount_refunded == paid.refunded
            assert charge.disputed == (paid.dispute is not None)

    check()
