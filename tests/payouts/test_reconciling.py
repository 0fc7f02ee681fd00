"""The comparison of books and Stripe's statement: each kind of difference, and quiet where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from driveflow.payouts.reconciling import (
    STUCK_AFTER,
    Booked,
    Books,
    DifferenceKind,
    OpenItem,
    Pair,
    StatementBuilder,
    UnansweredCall,
    compare_balance,
    compare_with_stripe,
    compare_within,
)

NOW = datetime(2026, 8, 3, tzinfo=UTC)
LONG_AGO = int((NOW - timedelta(hours=1)).timestamp())
PAID = Booked("bondi", "payment 1", "1", "pi_1", 9500)
FEE = Booked("bondi", "payment 1", "1", "ch_1", 0, 192)
REFUND = Booked("bondi", "refund 2", "2", "re_2", -2000)


def charge(**changes: Any) -> dict[str, Any]:
    """The balance transaction of the payment."""
    return {
        "id": "txn_1",
        "type": "charge",
        "amount": 9500,
        "fee": 192,
        "net": 9308,
        "created": LONG_AGO,
        "source": {
            "object": "charge",
            "id": "ch_1",
            "payment_intent": "pi_1",
            "metadata": {"org_id": "org", "request_id": "request"},
        },
    } | changes


def refund(**changes: Any) -> dict[str, Any]:
    """The balance transaction of a refund."""
    return {
        "id": "txn_2",
        "type": "refund",
        "amount": -2000,
        "fee": 0,
        "net": -2000,
        "created": LONG_AGO,
        "source": {"object": "refund", "id": "re_2", "metadata": {}},
    } | changes


def books(*booked: Booked, **more: Any) -> Books:
    total = sum(row.gross_cents - row.fee_cents for row in booked)
    return Books("bondi", "org", booked, **({"clearing_cents": total} | more))


def differences(
    told: list[dict[str, Any]], *booked: Booked, whole: bool = True, **more: Any
) -> list[tuple[DifferenceKind, int]]:
    builder = StatementBuilder()
    for transaction in told:
        builder.add(transaction)
    found = compare_with_stripe([books(*booked, **more)], builder.statement(0), now=NOW, whole=whole)
    for one in found:
        assert one.sentence.endswith(".")
        assert one.stripe_id in one.sentence if one.stripe_id else one.school is None
    return [(one.kind, one.cents) for one in found]


def test_books_that_say_what_stripe_says_have_no_difference() -> None:
    assert differences([charge(), refund()], PAID, FEE, REFUND) == []


@pytest.mark.parametrize(
    ("told", "booked", "expected"),
    [
        ([charge()], [PAID, FEE, REFUND], (DifferenceKind.MISSING_THERE, 2000)),
        ([charge(), refund()], [PAID, FEE], (DifferenceKind.MISSING_HERE, -2000)),
        ([charge(), refund(amount=-2500)], [PAID, FEE, REFUND], (DifferenceKind.OTHER_AMOUNT, -500)),
        ([charge(fee=200)], [PAID, FEE], (DifferenceKind.OTHER_AMOUNT, -8)),
        (
            [charge(), refund(), refund(id="txn_3", type="refund_failure", amount=2000)],
            [PAID, FEE, REFUND],
            (DifferenceKind.OTHER_STATUS, 2000),
        ),
        (
            [charge(), refund()],
            [PAID, FEE, REFUND, replace(REFUND, gross_cents=2000)],
            (DifferenceKind.OTHER_STATUS, -2000),
        ),
    ],
)
def test_each_difference_is_named_with_its_cents(
    told: list[dict[str, Any]], booked: list[Booked], expected: tuple[DifferenceKind, int]
) -> None:
    assert differences(told, *booked) == [expected]


def test_what_left_and_came_back_on_both_sides_is_no_difference() -> None:
    back = refund(id="txn_3", type="refund_failure", amount=2000)
    assert differences([refund(), back], REFUND, replace(REFUND, gross_cents=2000)) == []
    assert differences([], REFUND, replace(REFUND, gross_cents=2000)) == []


def test_a_dispute_counts_by_its_transactions_under_the_name_of_the_dispute() -> None:
    told = refund(id="txn_4", type="adjustment", fee=2500, source={"object": "dispute", "id": "du_1"})
    taken = Booked("bondi", "the dispute of payment 1", "1", "txn_4", -2000)
    fee = replace(taken, gross_cents=0, fee_cents=2500)
    assert differences([told], taken, fee) == []


def test_what_is_young_or_waits_for_its_answer_is_no_difference() -> None:
    young = int((NOW - timedelta(minutes=9)).timestamp())
    assert differences([charge(created=young)]) == []
    assert differences([refund(created=young)], replace(REFUND, gross_cents=-1)) == []
    waiting = UnansweredCall("create_refund", "request", NOW)
    assert differences([charge()], unanswered=(waiting,)) == []
    assert differences([charge()]) == [(DifferenceKind.MISSING_HERE, 9308)]


def test_one_school_alone_misses_only_what_names_it() -> None:
    assert differences([refund()], whole=False) == []
    assert differences([charge()], whole=False) == [(DifferenceKind.MISSING_HERE, 9308)]


def test_money_to_and_from_the_platforms_bank_is_counted_apart() -> None:
    builder = StatementBuilder()
    builder.add(charge())
    builder.add(charge(id="txn_5", type="payout", amount=-9000, fee=0, net=-9000, source="po_1"))
    assert compare_balance(builder.statement(308)) == []
    [difference] = compare_balance(builder.statement(300))
    assert (difference.kind, difference.cents) == (DifferenceKind.BALANCE, -8)
    assert compare_with_stripe([books(PAID, FEE)], builder.statement(308), now=NOW) == []


def test_a_source_that_was_not_expanded_counts_by_its_id() -> None:
    assert differences([refund(source="re_2")], REFUND) == []


def test_contradictions_open_items_and_stuck_calls_within_the_books_are_named() -> None:
    found = compare_within(
        books(
            PAID,
            clearing_cents=9000,
            pairs=(Pair("payout 3", "its amount is", 5, "its lines are", 7, "3"), Pair("x", "a", 1, "b", 1)),
            open_items=(OpenItem("refund 2", 2000, "it failed; try it again.", "2", "re_2"),),
            unanswered=(
                UnansweredCall("create_transfer", "4", NOW - STUCK_AFTER),
                UnansweredCall("create_refund", "5", NOW - STUCK_AFTER + timedelta(seconds=1)),
            ),
        ),
        now=NOW,
    )
    assert [(one.kind, one.cents, one.entity_id) for one in found] == [
        (DifferenceKind.BALANCE, -500, None),
        (DifferenceKind.INCONSISTENT, -2, "3"),
        (DifferenceKind.OPEN_ITEM, 2000, "2"),
        (DifferenceKind.STUCK, 0, "4"),
    ]
    assert found[1].sentence == "Payout 3: its amount is 5 cents, its lines are 7 cents."
    assert compare_within(books(PAID, FEE), now=NOW) == []
