"""The ledger: where each cent is, as moves between two accounts; append-only, every move once.

A row takes an amount from `credit_account` to `debit_account`, so the sum over all accounts is 0 by
construction, and `dedupe_key` makes every move unique in its school whatever is repeated. A positive balance
means that the account has been debited more: money that is there (`stripe_clearing`, `cash`) or was spent
(`stripe_fees`, `disputes`); a negative one that somebody is owed or has earned it.

| what happened                  | debit              | credit             | written by |
|--------------------------------|--------------------|--------------------|------------|
| a customer paid                | stripe_clearing or cash | customers     | payments |
| Stripe took its fee            | stripe_fees        | stripe_clearing    | payments |
| a refund was decided           | customers          | refunds            | payments |
| a refund left                  | refunds            | stripe_clearing or cash | payments |
| a refund came back             | stripe_clearing    | refunds            | payments |
| a dispute took money           | disputes           | stripe_clearing    | payments |
| a dispute gave it back         | stripe_clearing    | disputes           | payments |
| a dispute was lost             | customers          | disputes           | payouts |
| a lesson or a fee was earned   | customers          | school_fees, instructors_payable | payouts |
| what was earned is lost again  | school_fees, instructors_payable | customers | payouts |
| a transfer was decided         | instructors_payable | instructors_paid  | payouts |
| a transfer was made            | instructors_paid   | stripe_clearing    | payouts |
| a transfer was reversed        | stripe_clearing    | instructors_payable | payouts |
| staff paid an instructor       | instructors_payable | cash              | payouts |

So `stripe_clearing` equals the platform's balance at Stripe, and a balance of `refunds` other than 0 is a
refund on its way or an open item.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.core.ids import new_id
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.payments.models import LedgerEntry


class Account(StrEnum):
    """Where money can be."""

    CUSTOMERS = "customers"
    STRIPE_CLEARING = "stripe_clearing"
    CASH = "cash"
    STRIPE_FEES = "stripe_fees"
    SCHOOL_FEES = "school_fees"
    INSTRUCTORS_PAYABLE = "instructors_payable"
    INSTRUCTORS_PAID = "instructors_paid"
    REFUNDS = "refunds"
    DISPUTES = "disputes"


@dataclass(frozen=True, slots=True)
class Balance:
    """Debits minus credits of an account, in one currency."""

    account: Account
    currency: str
    balance_cents: int


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Which entries; None is any. `account` finds both sides, times are from inclusive to exclusive."""

    account: Account | None = None
    booking_id: UUID | None = None
    entity_id: UUID | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


async def post(
    session: AsyncSession,
    org_id: UUID,
    *,
    debit: Account,
    credit: Account,
    amount_cents: int,
    currency: str,
    booking_id: UUID | None,
    entity_type: str,
    entity_id: UUID,
    memo: str,
    dedupe_key: str,
    now: datetime,
) -> bool:
    """Write a move of money, once; return whether it is new. An amount of 0 is no move.

    Raises ValueError for a negative amount.
    """
    if amount_cents < 0:
        raise ValueError(f"a move of money is positive: {amount_cents}")
    if amount_cents == 0:
        return False
    written = await session.execute(
        insert(LedgerEntry)
        .values(
            org_id=org_id,
            id=new_id(),
            debit_account=debit.value,
            credit_account=credit.value,
            amount_cents=amount_cents,
            currency=currency,
            booking_id=booking_id,
            entity_type=entity_type,
            entity_id=entity_id,
            memo=memo,
            dedupe_key=dedupe_key,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(LedgerEntry.id)
    )
    return written.scalar_one_or_none() is not None


async def is_posted(session: AsyncSession, org_id: UUID, dedupe_key: str) -> bool:
    """Return whether a move was written."""
    query = select(LedgerEntry.id).where(LedgerEntry.org_id == org_id, LedgerEntry.dedupe_key == dedupe_key)
    return (await session.scalars(query)).one_or_none() is not None


async def balances(
    session: AsyncSession, org_id: UUID, *, booking_id: UUID | None = None
) -> dict[tuple[Account, str], int]:
    """Return debits minus credits per account and currency, of the school or of one booking."""
    conditions = [LedgerEntry.org_id == org_id]
    if booking_id is not None:
        conditions.append(LedgerEntry.booking_id == booking_id)
    sides = union_all(
        *(
            select(
                account.label("account"),
                LedgerEntry.currency.label("currency"),
                (LedgerEntry.amount_cents * literal(sign)).label("cents"),
            ).where(*conditions)
            for account, sign in ((LedgerEntry.debit_account, 1), (LedgerEntry.credit_account, -1))
        )
    ).subquery()
    rows = await session.execute(
        select(sides.c.account, sides.c.currency, func.sum(sides.c.cents)).group_by(
            sides.c.account, sides.c.currency
        )
    )
    return {(Account(account), currency): int(cents) for account, currency, cents in rows}


async def list_balances(session: AsyncSession, actor: Actor) -> list[Balance]:
    """Return the balance of every account that was ever used, in the order of `Account`."""
    require(actor, Permission.LEDGER_READ)
    found = await balances(session, actor.org_id)
    order = list(Account)
    return [
        Balance(account, currency, cents)
        for (account, currency), cents in sorted(
            found.items(), key=lambda item: (item[0][1], order.index(item[0][0]))
        )
    ]


async def list_entries(
    session: AsyncSession, actor: Actor, wanted: EntryQuery, paging: PageRequest
) -> Page[LedgerEntry]:
    """Return entries, newest first."""
    require(actor, Permission.LEDGER_READ)
    query = select(LedgerEntry).where(LedgerEntry.org_id == actor.org_id)
    if wanted.account is not None:
        name = wanted.account.value
        query = query.where(or_(LedgerEntry.debit_account == name, LedgerEntry.credit_account == name))
    if wanted.booking_id is not None:
        query = query.where(LedgerEntry.booking_id == wanted.booking_id)
    if wanted.entity_id is not None:
        query = query.where(LedgerEntry.entity_id == wanted.entity_id)
    if wanted.from_at is not None:
        query = query.where(LedgerEntry.created_at >= wanted.from_at)
    if wanted.to_at is not None:
        query = query.where(LedgerEntry.created_at < wanted.to_at)
    return await fetch_page(session, query, [LedgerEntry.created_at, LedgerEntry.id], paging, descending=True)
