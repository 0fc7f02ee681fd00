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

What is under way is no difference: an object whose call waits for its answer to be booked, and moves at
Stripe younger than `GRACE`, which events may not have told yet. Money that Stripe moves to and from the
platform's own bank, and its fees for other services, are not in the ledger; they are counted apart.

Amounts are whole cents; positive ones came to the platform.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
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
    """What a row of the ledger says of a Stripe object; `what` names our row, as in "refund 0199...".

    `gross_cents` is without Stripe's fee; `fee_cents` is positive.
    """

    school: str
    what: str
    entity_id: str
    stripe_id: str
    gross_cents: int
    fee_cents: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """What one object moved at Stripe, in how many moves, the latest at `at`.

    `org_id` and `request_id` are from its metadata: the school and the call that made it, where we made it.
    """

    stripe_id: str
    gross_cents: int
    fee_cents: int
    moves: int
    at: datetime
    org_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """A school's books: objects, and the ledger's sums that its rows must add up to."""

    school: str
    org_id: str
    booked: tuple[Booked, ...]
    clearing_cents: int
    pairs: tuple["Pair", ...] = ()
    open_items: tuple["OpenItem", ...] = ()
    unanswered: tuple["UnansweredCall", ...] = ()


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
class UnansweredCall:
    """A call to Stripe whose answer is not booked, written down at `since`."""

    operation: str
    request_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """Stripe's side: what each object moved, what moved outside of the books, and the balance.

    `names` gives, for the id of a charge or a transaction, the id under which it counts.
    """

    moved: tuple[Moved, ...]
    outside_cents: int
    balance_cents: int
    names: Mapping[str, str]


@dataclass(slots=True)
class _Sum:
    at: datetime
    gross_cents: int = 0
    fee_cents: int = 0
    moves: int = 0
    org_id: str | None = None
    request_id: str | None = None


class StatementBuilder:
    """Sums up the balance transactions of one currency as they come, page by page.

    They are expected with their `source` expanded. A charge counts under its PaymentIntent, the name that the
    books have for it.
    """

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}
        self._names: dict[str, str] = {}
        self._outside_cents = 0

    def add(self, transaction: Mapping[str, Any]) -> None:
        """Count one balance transaction."""
        source = transaction.get("source")
        if transaction["type"] in _OUTSIDE_THE_BOOKS or source is None:
            self._outside_cents += transaction["net"]
            return
        known = source if isinstance(source, Mapping) else {"id": source}
        name = known.get("payment_intent") if known.get("object") == "charge" else None
        stripe_id = str(name or known["id"])
        self._names[known["id"]] = self._names[transaction["id"]] = stripe_id
        at = datetime.fromtimestamp(transaction["created"], UTC)
        total = self._sums.setdefault(stripe_id, _Sum(at))
        metadata = known.get("metadata") or {}
        total.at = max(total.at, at)
        total.gross_cents += transaction["amount"]
        total.fee_cents += transaction["fee"]
        total.moves += 1
        total.org_id = total.org_id or metadata.get("org_id")
        total.request_id = total.request_id or metadata.get("request_id")

    def statement(self, balance_cents: int) -> Statement:
        """Return the whole."""
        moved = (
            Moved(
                stripe_id,
                total.gross_cents,
                total.fee_cents,
                total.moves,
                total.at,
                total.org_id,
                total.request_id,
            )
            for stripe_id, total in self._sums.items()
        )
        return Statement(tuple(moved), self._outside_cents, balance_cents, self._names)


def compare_with_stripe(
    books: Sequence[Books],
    statement: Statement,
    *,
    now: datetime,
    grace: timedelta = GRACE,
    whole: bool = True,
) -> list[Difference]:
    """Return the differences between schools' books and Stripe's statement.

    `whole` says that the books are those of all schools; if not, only objects that name one of these schools
    are missed in them.
    """
    found = {moved.stripe_id: moved for moved in statement.moved}
    schools = {book.org_id: book.school for book in books}
    under_way = {call.request_id for book in books for call in book.unanswered}
    differences: list[Difference] = []
    known: set[str] = set()
    for book in books:
        for booked in _by_object(book.booked, statement.names):
            known.add(booked.stripe_id)
            differences += _compare(booked, found.get(booked.stripe_id), now=now, grace=grace)
    for moved in statement.moved:
        is_ours = whole or moved.org_id in schools
        if not is_ours or moved.stripe_id in known or moved.request_id in under_way:
            continue
        if _net(moved) and not _is_young(moved, now, grace):
            differences.append(_missing_here(schools.get(moved.org_id or ""), moved))
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
        for call in books.unanswered
        if now - call.since >= STUCK_AFTER
    ]
    return differences


def _by_object(booked: Sequence[Booked], names: Mapping[str, str]) -> Iterable[Booked]:
    """Add up what the ledger's rows say of each object."""
    totals: dict[str, Booked] = {}
    for row in booked:
        name = names.get(row.stripe_id, row.stripe_id)
        total = totals.get(name, replace(row, stripe_id=name, gross_cents=0, fee_cents=0))
        totals[name] = replace(
            total,
            gross_cents=total.gross_cents + row.gross_cents,
            fee_cents=total.fee_cents + row.fee_cents,
        )
    return totals.values()


def _compare(booked: Booked, moved: Moved | None, *, now: datetime, grace: timedelta) -> list[Difference]:
    what = f"{_capital(booked.what)} ({booked.stripe_id})"
    if moved is None:
        if booked.gross_cents == booked.fee_cents == 0:
            return []
        sentence = f"{what} moved {_cents(booked.gross_cents)} here, Stripe has no such move."
        return [_difference(DifferenceKind.MISSING_THERE, booked, sentence, -booked.gross_cents)]
    off_cents = moved.gross_cents - booked.gross_cents
    if _is_young(moved, now, grace) or (off_cents == 0 and moved.fee_cents == booked.fee_cents):
        return []
    kind = DifferenceKind.OTHER_AMOUNT
    if off_cents == 0:
        off_cents = booked.fee_cents - moved.fee_cents
        sentence = (
            f"Stripe's fee for {booked.what} ({booked.stripe_id}) is {_cents(booked.fee_cents)} here, "
            f"{_cents(moved.fee_cents)} there."
        )
    else:
        sentence = f"{what} moved {_cents(booked.gross_cents)} here, {_cents(moved.gross_cents)} at Stripe."
        # A move and its undoing, of which one side has only the first: a refund that came back, say.
        if booked.gross_cents == 0 or (moved.gross_cents == 0 and moved.moves > 1):
            kind = DifferenceKind.OTHER_STATUS
            sentence = f"{sentence} It came back on one side only."
    return [_difference(kind, booked, sentence, off_cents)]


def _difference(kind: DifferenceKind, booked: Booked, sentence: str, cents: int) -> Difference:
    return Difference(
        kind, booked.school, sentence, cents, stripe_id=booked.stripe_id, entity_id=booked.entity_id
    )


def _missing_here(school: str | None, moved: Moved) -> Difference:
    return Difference(
        DifferenceKind.MISSING_HERE,
        school,
        f"{moved.stripe_id} moved {_cents(_net(moved))} at Stripe, nothing here knows it.",
        _net(moved),
        stripe_id=moved.stripe_id,
    )


def _net(moved: Moved) -> int:
    return moved.gross_cents - moved.fee_cents


def _is_young(moved: Moved, now: datetime, grace: timedelta) -> bool:
    return now - moved.at < grace


def _cents(cents: int) -> str:
    return f"{cents} cents"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
