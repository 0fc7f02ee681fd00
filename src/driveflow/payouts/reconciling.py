"""Find and name each difference between the books and Stripe, and within the books.

Stripe's balance transactions are a complete list of what moved the platform's balance, each with the object
that caused it (Stripe: balance transaction, `source`). The ledger says the same of the account
`stripe_clearing`: which amount each of our rows moved. Both are summed up per object and compared: gross
amounts and Stripe's fees. So the two sums, and the balance, agree exactly if no object differs.

Differences come in kinds:

* missing here: money moved at Stripe for an object that the books do not know, or have no amount for;
* missing there: the books moved an amount for an object, and Stripe has no such move;
* other amount: both moved it, by different amounts, or with another fee;
* other status: a move and its undoing (a refund that came back) that only one side has;
* open item: both agree, but somebody is still owed money: a refund that failed at the bank;
* balance: Stripe's balance is not the sum of its moves, or the ledger's is not that of its rows;
* inconsistent: two places of the books contradict each other;
* stuck: a call to Stripe that has waited for its answer too long.

What is under way is no difference: an amount that a call may have moved and whose answer is not booked, and
moves at Stripe younger than `GRACE`, which events may not have told yet. Money that Stripe moves to and from
the platform's own bank, and its fees for other services, are not in the ledger; they are counted apart.

Amounts are whole cents; positive ones came to the platform.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

GRACE: Final = timedelta(minutes=10)
STUCK_AFTER: Final = timedelta(hours=1)

_OUTSIDE_THE_BOOKS: Final = frozenset(
    {
        "payout",
        "payout_cancel",
        "payout_failure",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "topup",
        "topup_reversal",
        "stripe_fee",
        "stripe_fx_fee",
        "tax_fee",
        "network_cost",
        "reserve_transaction",
        "reserved_funds",
        "connect_reserved_funds",
    }
)
"""Types of moves between Stripe, the platform's own bank and Stripe's bills."""


class DifferenceKind(StrEnum):
    """How two sides differ."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    OTHER_AMOUNT = "other_amount"
    OTHER_STATUS = "other_status"
    OPEN_ITEM = "open_item"
    BALANCE = "balance"
    INCONSISTENT = "inconsistent"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: a sentence for a person, and what it is about; `school` is a slug, None for all."""

    kind: DifferenceKind
    school: str | None
    sentence: str
    cents: int
    stripe_id: str | None = None
    entity_id: str | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What the books say of one Stripe object; `what` names our row, as in "refund 0199...".

    `gross_cents` is without Stripe's fee, `fee_cents` positive. `under_way_cents` is what a call whose answer
    is not booked may have moved as well.
    """

    school: str
    what: str
    entity_id: str
    stripe_id: str | None
    gross_cents: int
    fee_cents: int = 0
    under_way_cents: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one object moved at Stripe, in how many moves, the latest at `at`; `school` if it is known."""

    stripe_id: str
    gross_cents: int
    fee_cents: int
    moves: int
    at: datetime
    school: str | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """A school's books: objects, and the ledger's sums that its rows must add up to."""

    school: str
    booked: tuple[Booked, ...]
    clearing_cents: int
    pairs: tuple["Pair", ...] = ()
    open_items: tuple["OpenItem", ...] = ()
    stuck: tuple["StuckCall", ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two figures of the books that must be equal, with what they are."""

    what: str
    left_name: str
    left_cents: int
    right_name: str
    right_cents: int
    entity_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenItem:
    """Money that somebody is still owed, and why, as the rest of a sentence."""

    what: str
    cents: int
    why: str
    entity_id: str
    stripe_id: str | None = None


@dataclass(frozen=True, slots=True)
class StuckCall:
    """A call to Stripe without an answer, written down at `since`."""

    operation: str
    request_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """Stripe's side: what each object moved, what moved outside of the books, and the balance."""

    moved: tuple[Moved, ...]
    outside_cents: int
    balance_cents: int


@dataclass(slots=True)
class _Sum:
    gross_cents: int = 0
    fee_cents: int = 0
    moves: int = 0
    at: datetime | None = None


@dataclass(slots=True)
class StatementBuilder:
    """Sums up Stripe's balance transactions as they come, page by page."""

    currency: str
    outside_cents: int = 0
    _sums: dict[str, _Sum] = field(default_factory=dict)

    def add(self, transaction: Mapping[str, Any], at: datetime) -> None:
        """Count one balance transaction, `at` being its time; other currencies are another statement's."""
        if transaction["currency"] != self.currency:
            return
        source = transaction.get("source")
        stripe_id = source["id"] if isinstance(source, Mapping) else source
        if transaction["type"] in _OUTSIDE_THE_BOOKS or stripe_id is None:
            self.outside_cents += transaction["net"]
            return
        total = self._sums.setdefault(stripe_id, _Sum())
        total.gross_cents += transaction["amount"]
        total.fee_cents += transaction["fee"]
        total.moves += 1
        total.at = at if total.at is None else max(total.at, at)

    def statement(self, balance_cents: int, schools: Mapping[str, str]) -> Statement:
        """Return the whole; `schools` has the school of each object that is known to belong to one."""
        moved = tuple(
            Moved(
                stripe_id, total.gross_cents, total.fee_cents, total.moves, total.at, schools.get(stripe_id)
            )
            for stripe_id, total in self._sums.items()
            if total.at is not None
        )
        return Statement(moved, self.outside_cents, balance_cents)


def compare_with_stripe(
    books: Iterable[Books], statement: Statement, *, now: datetime, grace: timedelta = GRACE
) -> list[Difference]:
    """Return the differences between schools' books and Stripe's statement.

    For one school alone pass its books, and a statement of that school's objects.
    """
    found = {moved.stripe_id: moved for moved in statement.moved}
    differences: list[Difference] = []
    known: set[str] = set()
    for book in books:
        for booked in book.booked:
            moved = found.get(booked.stripe_id) if booked.stripe_id is not None else None
            if booked.stripe_id is not None:
                known.add(booked.stripe_id)
            differences += _compare(booked, moved, now=now, grace=grace)
    differences += [
        _missing_here(moved.school, moved)
        for moved in statement.moved
        if moved.stripe_id not in known and not _is_young(moved, now, grace) and _net(moved)
    ]
    return differences


def compare_balance(statement: Statement) -> list[Difference]:
    """Return whether Stripe's balance is something else than the sum of all its moves."""
    total_cents = sum(_net(moved) for moved in statement.moved) + statement.outside_cents
    if total_cents == statement.balance_cents:
        return []
    return [
        Difference(
            DifferenceKind.BALANCE,
            None,
            f"Stripe's balance is {_cents(statement.balance_cents)}, its moves add up to "
            f"{_cents(total_cents)}.",
            statement.balance_cents - total_cents,
        )
    ]


def compare_within(books: Books, *, now: datetime) -> list[Difference]:
    """Return what contradicts itself in a school's books, what is stuck, and who is still owed money."""
    differences = []
    booked_cents = sum(booked.gross_cents - booked.fee_cents for booked in books.booked)
    if booked_cents != books.clearing_cents:
        differences.append(
            Difference(
                DifferenceKind.BALANCE,
                books.school,
                f"The ledger's stripe_clearing is {_cents(books.clearing_cents)}, the rows that it is about "
                f"add up to {_cents(booked_cents)}.",
                books.clearing_cents - booked_cents,
            )
        )
    differences += [
        Difference(
            DifferenceKind.INCONSISTENT,
            books.school,
            f"{_capital(pair.what)}: {pair.left_name} {_cents(pair.left_cents)}, "
            f"{pair.right_name} {_cents(pair.right_cents)}.",
            pair.left_cents - pair.right_cents,
            entity_id=pair.entity_id,
        )
        for pair in books.pairs
        if pair.left_cents != pair.right_cents
    ]
    differences += [
        Difference(
            DifferenceKind.OPEN_ITEM,
            books.school,
            f"{_capital(item.what)} of {_cents(item.cents)} is open: {item.why}",
            item.cents,
            stripe_id=item.stripe_id,
            entity_id=item.entity_id,
        )
        for item in books.open_items
    ]
    differences += [
        Difference(
            DifferenceKind.STUCK,
            books.school,
            f"The call {call.operation} (request {call.request_id}) has waited for Stripe's answer since "
            f"{call.since:%Y-%m-%d %H:%M} UTC.",
            0,
            entity_id=call.request_id,
        )
        for call in books.stuck
        if now - call.since >= STUCK_AFTER
    ]
    return differences


def _compare(booked: Booked, moved: Moved | None, *, now: datetime, grace: timedelta) -> list[Difference]:
    gross_cents = moved.gross_cents if moved is not None else 0
    fee_cents = moved.fee_cents if moved is not None else 0
    if gross_cents in {booked.gross_cents, booked.gross_cents + booked.under_way_cents}:
        if gross_cents == booked.gross_cents and fee_cents != booked.fee_cents:
            return [
                _difference(
                    DifferenceKind.OTHER_AMOUNT,
                    booked,
                    f"Stripe's fee for {booked.what} ({booked.stripe_id}) is {_cents(booked.fee_cents)} here "
                    f"and {_cents(fee_cents)} there.",
                    fee_cents - booked.fee_cents,
                )
            ]
        return []
    if moved is not None and _is_young(moved, now, grace):
        return []
    off_cents = gross_cents - booked.gross_cents
    if moved is None:
        sentence = (
            f"{_capital(booked.what)} moved {_cents(booked.gross_cents)} here, Stripe has no "
            f"{booked.stripe_id or 'object for it'}."
        )
        return [_difference(DifferenceKind.MISSING_THERE, booked, sentence, off_cents)]
    if booked.gross_cents == 0:
        return [_missing_here(booked.school, moved, booked)]
    undone = gross_cents == 0 and moved.moves > 1
    kind = DifferenceKind.OTHER_STATUS if undone else DifferenceKind.OTHER_AMOUNT
    how = "it went and came back" if undone else f"it moved {_cents(gross_cents)}"
    what = f"{_capital(booked.what)} ({booked.stripe_id})"
    sentence = f"{what} moved {_cents(booked.gross_cents)} here, at Stripe {how}."
    return [_difference(kind, booked, sentence, off_cents)]


def _difference(kind: DifferenceKind, booked: Booked, sentence: str, cents: int) -> Difference:
    return Difference(
        kind, booked.school, sentence, cents, stripe_id=booked.stripe_id, entity_id=booked.entity_id
    )


def _missing_here(school: str | None, moved: Moved, booked: Booked | None = None) -> Difference:
    what = f"{booked.what} here has no amount for it" if booked is not None else "nothing here knows it"
    return Difference(
        DifferenceKind.MISSING_HERE,
        school,
        f"{moved.stripe_id} moved {_cents(_net(moved))} at Stripe, {what}.",
        _net(moved),
        stripe_id=moved.stripe_id,
        entity_id=booked.entity_id if booked is not None else None,
    )


def _net(moved: Moved) -> int:
    return moved.gross_cents - moved.fee_cents


def _is_young(moved: Moved, now: datetime, grace: timedelta) -> bool:
    return now - moved.at < grace


def _cents(cents: int) -> str:
    return f"{cents} cents"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
