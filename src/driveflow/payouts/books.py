"""What every change of a payout writes: its lines, its debts, its moves, its rows of the ledger."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.payments import ledger
from driveflow.payments.ledger import Account
from driveflow.payouts.earnings import LineKind
from driveflow.payouts.lifecycle import Cause, PayoutStatus, decide, enforce
from driveflow.payouts.models import Payout, PayoutDebt, PayoutLine


def move(payout: Payout, cause: Cause, *, now: datetime) -> None:
    """Move a payout; raises ConflictError `invalid_transition` when its status does not allow it."""
    payout.status = enforce(decide(PayoutStatus(payout.status), cause)).value
    payout.updated_at = now


def add_line(
    session: AsyncSession,
    payout: Payout,
    kind: LineKind,
    amount_cents: int,
    memo: str,
    *,
    debt: PayoutDebt | None = None,
    now: datetime,
) -> None:
    """Add a line to a payout; the caller keeps `amount_cents` equal to their sum."""
    session.add(
        PayoutLine(
            org_id=payout.org_id,
            payout_id=payout.id,
            kind=kind.value,
            amount_cents=amount_cents,
            booking_id=payout.booking_id,
            debt_id=debt.id if debt is not None else None,
            memo=memo,
            created_at=now,
        )
    )


def add_debt(session: AsyncSession, payout: Payout, amount_cents: int, memo: str, *, now: datetime) -> None:
    """Note what the instructor owes because this payout could not give it back."""
    session.add(
        PayoutDebt(
            org_id=payout.org_id,
            instructor_id=payout.instructor_id,
            payout_id=payout.id,
            currency=payout.currency,
            amount_cents=amount_cents,
            memo=memo,
            created_at=now,
            updated_at=now,
        )
    )


async def post(
    session: AsyncSession,
    payout: Payout,
    *,
    debit: Account,
    credit: Account,
    amount_cents: int,
    memo: str,
    key: str,
    now: datetime,
) -> None:
    """Write a move of money about a payout; `key` is unique among those of the payout."""
    await ledger.post(
        session,
        payout.org_id,
        debit=debit,
        credit=credit,
        amount_cents=amount_cents,
        currency=payout.currency,
        booking_id=payout.booking_id,
        entity_type="Payout",
        entity_id=payout.id,
        memo=memo,
        dedupe_key=f"payout:{payout.id}:{key}",
        now=now,
    )
