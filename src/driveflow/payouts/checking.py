"""Read a school's books for `driveflow reconcile`: what each Stripe object moved, what must agree."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.payments import checking as payments
from driveflow.payments import ledger
from driveflow.payments.checking import Figures, StripeMove
from driveflow.payments.ledger import Account
from driveflow.payouts import accruing, repository, sums
from driveflow.payouts.earnings import Earned
from driveflow.payouts.lifecycle import PayoutStatus
from driveflow.payouts.reconciling import GRACE, Booked, Books, OpenItem, Pair, UnansweredCall

_NO_ID: Final = "no id here"


async def books_of(
    session: AsyncSession, actor: Actor, school: str, *, earnings: Sequence[Figures]
) -> dict[str, Books]:
    """Return a school's books by currency, all as they are at one instant: call it first in a transaction.

    `earnings` are what `check_earnings` found.
    """
    require(actor, Permission.LEDGER_READ)
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    moves = [*await payments.stripe_moves(session, actor), *await _payout_moves(session, actor)]
    balances = await ledger.balances(session, actor.org_id)
    refunds = await payments.open_refunds(session, actor)
    figures = [*await payments.figures(session, actor), *await _of_payouts(session, actor), *earnings]
    calls = tuple(
        UnansweredCall(row.operation, str(row.request_id), row.since)
        for row in await payments.unanswered(session, actor)
    )
    books = {}
    for currency in sorted({currency for _, currency in balances}):
        still = await sums.open_sums(session, actor.org_id, currency)
        figures += _of_balances(balances, still, currency, actor.org_id)
        books[currency] = Books(
            school,
            str(actor.org_id),
            tuple(_booked(school, move) for move in moves if move.currency == currency),
            balances.get((Account.STRIPE_CLEARING, currency), 0),
            tuple(_pair(figure) for figure in figures),
            tuple(
                OpenItem(
                    f"refund {row.refund_id}", row.amount_cents, row.why, str(row.refund_id), row.stripe_id
                )
                for row in refunds
                if row.currency == currency
            ),
            calls,
        )
        # They are of all currencies, and told once.
        figures, calls = [], ()
    return books


def _booked(school: str, move: StripeMove) -> Booked:
    return Booked(school, move.what, str(move.entity_id), move.stripe_id, move.gross_cents, move.fee_cents)


def _pair(figure: Figures) -> Pair:
    return Pair(
        figure.what,
        figure.left_name,
        figure.left_cents,
        figure.right_name,
        figure.right_cents,
        str(figure.entity_id),
    )


async def check_earnings(
    session: AsyncSession, actor: Actor, *, after: UUID | None, now: datetime
) -> tuple[list[Figures], UUID | None]:
    """Compare what was booked as earned with the RULE, for the next payments by id.

    Returns what was compared, and the id to go on after, None at the end. Bookings and payments that changed
    within GRACE are left out: their events may be under way.
    """
    require(actor, Permission.PAYOUTS_READ)
    page = await payments.paid_bookings(session, actor, after=after, until=now - GRACE)
    booking_ids = [booking_id for _, booking_id in page]
    booked = await repository.payouts_of_bookings(session, actor.org_id, booking_ids)
    found = []
    for booking_id, result in await accruing.earned_by(session, actor, booking_ids, until=now - GRACE):
        payout = booked.get(booking_id)
        if payout is not None and payout.status == PayoutStatus.IN_TRANSIT:
            continue
        share, school = (result.share_cents, result.school_cents) if isinstance(result, Earned) else (0, 0)
        what = f"payout {payout.id}" if payout is not None else f"booking {booking_id} without a payout"
        row_id = payout.id if payout is not None else booking_id
        had_share = payout.earned_cents if payout is not None else 0
        had_school = payout.school_cents if payout is not None else 0
        found += [
            Figures(what, row_id, "the instructor has earned", share, "booked are", had_share),
            Figures(what, row_id, "the school has earned", school, "booked are", had_school),
        ]
    return found, page[-1][0] if len(page) == payments.PAGE else None


async def _payout_moves(session: AsyncSession, actor: Actor) -> list[StripeMove]:
    moves = await payments.moves_of(session, actor, Account.STRIPE_CLEARING, ["Payout"])
    transfers = await sums.transfer_ids(session, actor.org_id)
    reversals = await sums.reversal_ids(session, actor.org_id)
    found = []
    for move in moves:
        _, _, about = move.key.split(":", 2)
        kind, _, reversal_id = about.partition(":")
        if kind == "reversal":
            what, stripe_id = f"reversal {reversal_id}", reversals.get(UUID(reversal_id))
        else:
            what, stripe_id = f"payout {move.entity_id}", transfers.get(move.entity_id)
        found.append(
            StripeMove(what, move.entity_id, stripe_id or f"{_NO_ID}: {what}", move.currency, move.cents, 0)
        )
    return found


async def _of_payouts(session: AsyncSession, actor: Actor) -> list[Figures]:
    found = []
    for row in await sums.payout_sums(session, actor.org_id):
        what = f"payout {row.payout_id}"
        found += [
            Figures(what, row.payout_id, "its amount is", row.amount_cents, "its lines are", row.lines_cents),
            Figures(
                what,
                row.payout_id,
                "it says reversed",
                row.reversed_cents,
                "reversals are",
                row.reversals_cents,
            ),
        ]
    found += [
        Figures(
            f"debt {row.debt_id}",
            row.debt_id,
            "settled are",
            row.settled_cents,
            "lines took",
            row.taken_cents,
        )
        for row in await sums.debt_sums(session, actor.org_id)
    ]
    return found


def _of_balances(
    balances: dict[tuple[Account, str], int], still: sums.OpenSums, currency: str, org_id: UUID
) -> list[Figures]:
    owed_cents = -balances.get((Account.INSTRUCTORS_PAYABLE, currency), 0)
    under_way_cents = -balances.get((Account.INSTRUCTORS_PAID, currency), 0)
    return [
        Figures(
            "instructors_payable",
            org_id,
            "the ledger owes",
            owed_cents,
            "waiting payouts less debts and reversals under way are",
            still.waiting_cents - still.debts_cents - still.reversing_cents,
        ),
        Figures(
            "instructors_paid",
            org_id,
            "the ledger has under way",
            under_way_cents,
            "transfers under way are",
            still.in_transit_cents,
        ),
    ]
