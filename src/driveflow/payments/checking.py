"""What `driveflow reconcile` asks of payments: which Stripe object moved what, and what must agree."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, case, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.payments.ledger import Account
from driveflow.payments.lifecycle import PAID, PaymentMethod, RefundCause, RefundStatus
from driveflow.payments.models import LedgerEntry, Payment, Refund, StripeRequest, StripeRequestStatus

PAGE: Final = 1_000
"""How many payments are looked at in one step."""

_FEES: Final = frozenset({"fee", "dispute-fee"})
_ON_THE_WAY: Final = (RefundStatus.PENDING.value, RefundStatus.REQUIRES_ACTION.value)
_ARRIVED: Final = (RefundStatus.SUCCEEDED.value,)
_OPEN_REFUNDS: Final = (RefundStatus.FAILED.value, RefundStatus.CANCELED.value)


@dataclass(frozen=True, slots=True)
class LedgerMove:
    """A row of the ledger that moved an account: positive amounts came, and its dedupe key says by what."""

    key: str
    entity_id: UUID
    currency: str
    cents: int


@dataclass(frozen=True, slots=True)
class StripeMove:
    """What the ledger says that an object at Stripe moved; `stripe_id` may name one of its transactions."""

    what: str
    entity_id: UUID
    stripe_id: str
    currency: str
    gross_cents: int
    fee_cents: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Two figures of one row that must be equal."""

    what: str
    entity_id: UUID
    left_name: str
    left_cents: int
    right_name: str
    right_cents: int


@dataclass(frozen=True, slots=True)
class OpenRefund:
    """A refund that the customer has not got, and why."""

    refund_id: UUID
    stripe_id: str | None
    currency: str
    amount_cents: int
    why: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A call to Stripe whose answer is not known."""

    request_id: UUID
    operation: str
    since: datetime


async def moves_of(
    session: AsyncSession, actor: Actor, account: Account, entity_types: Collection[str]
) -> list[LedgerMove]:
    """Return the ledger's rows of an account about these kinds of rows, oldest first."""
    require(actor, Permission.LEDGER_READ)
    debited = LedgerEntry.debit_account == account.value
    query = (
        select(
            LedgerEntry.dedupe_key,
            LedgerEntry.entity_id,
            LedgerEntry.currency,
            case((debited, LedgerEntry.amount_cents), else_=-LedgerEntry.amount_cents),
        )
        .where(
            LedgerEntry.org_id == actor.org_id,
            or_(debited, LedgerEntry.credit_account == account.value),
            LedgerEntry.entity_type.in_(entity_types),
        )
        .order_by(LedgerEntry.id)
    )
    return [
        LedgerMove(key or "", entity_id, currency, int(cents))
        for key, entity_id, currency, cents in await session.execute(query)
    ]


async def stripe_moves(session: AsyncSession, actor: Actor) -> list[StripeMove]:
    """Return what payments, refunds and disputes moved at Stripe, by the names in the ledger's keys."""
    moves = await moves_of(session, actor, Account.STRIPE_CLEARING, ["Payment", "Refund"])
    found = []
    for move in moves:
        kind, _, stripe_id = move.key.partition(":")
        is_fee = kind in _FEES
        what = "refund" if kind.startswith("refund") else "payment"
        if kind.startswith("dispute"):
            what = "the dispute of payment"
        found.append(
            StripeMove(
                f"{what} {move.entity_id}",
                move.entity_id,
                stripe_id,
                move.currency,
                0 if is_fee else move.cents,
                -move.cents if is_fee else 0,
            )
        )
    return found


async def paid_bookings(
    session: AsyncSession, actor: Actor, *, after: UUID | None, until: datetime
) -> list[tuple[UUID, UUID]]:
    """Return up to PAGE payments that are at rest since `until`, with their bookings.

    At rest means paid by then, and no refund on its way or settled later.
    """
    require(actor, Permission.PAYMENTS_READ)
    on_the_way = select(Refund.id).where(
        Refund.org_id == Payment.org_id,
        Refund.payment_id == Payment.id,
        or_(Refund.status.in_(_ON_THE_WAY), Refund.settled_at > until),
    )
    query = select(Payment.id, Payment.booking_id).where(
        Payment.org_id == actor.org_id,
        Payment.status.in_([status.value for status in PAID]),
        Payment.paid_at <= until,
        ~on_the_way.exists(),
    )
    if after is not None:
        query = query.where(Payment.id > after)
    rows = await session.execute(query.order_by(Payment.id).limit(PAGE))
    return [(payment_id, booking_id) for payment_id, booking_id in rows]


async def figures(session: AsyncSession, actor: Actor) -> list[Figures]:
    """Return what must agree within payments and refunds, and with the ledger."""
    require(actor, Permission.LEDGER_READ)
    return [*await _of_payments(session, actor.org_id), *await _of_refunds(session, actor.org_id)]


async def open_refunds(session: AsyncSession, actor: Actor) -> list[OpenRefund]:
    """Return refunds that wait for a person: they failed, or are to be handed over in cash."""
    require(actor, Permission.PAYMENTS_READ)
    by_hand = (Refund.status == RefundStatus.PENDING.value) & (Refund.method != PaymentMethod.STRIPE.value)
    query = select(Refund).where(
        Refund.org_id == actor.org_id, or_(Refund.status.in_(_OPEN_REFUNDS), by_hand)
    )
    return [
        OpenRefund(
            row.id,
            row.stripe_refund_id,
            row.currency,
            row.amount_cents,
            f"it {row.status} ({row.failure_reason}); try it again."
            if row.status in _OPEN_REFUNDS
            else "it is to be given back by hand, and then marked by trying it again.",
        )
        for row in await session.scalars(query.order_by(Refund.id))
    ]


async def unanswered(session: AsyncSession, actor: Actor) -> list[Unanswered]:
    """Return the calls to Stripe whose answer is not known, oldest first."""
    require(actor, Permission.OPS)
    query = select(StripeRequest).where(
        StripeRequest.org_id == actor.org_id, StripeRequest.status == StripeRequestStatus.PENDING.value
    )
    rows = await session.scalars(query.order_by(StripeRequest.created_at, StripeRequest.id))
    return [Unanswered(row.id, row.operation, row.created_at) for row in rows]


async def _of_payments(session: AsyncSession, org_id: UUID) -> Sequence[Figures]:
    refunded = (
        select(Refund.payment_id, func.sum(Refund.amount_cents).label("cents"))
        .where(Refund.org_id == org_id, Refund.cause != RefundCause.PAID_TWICE.value)
        .group_by(Refund.payment_id)
        .subquery()
    )
    own_key = func.concat("paid:", func.coalesce(Payment.stripe_payment_intent_id, cast(Payment.id, Text)))
    query = (
        select(Payment, func.coalesce(refunded.c.cents, 0), func.coalesce(LedgerEntry.amount_cents, 0))
        .outerjoin(refunded, refunded.c.payment_id == Payment.id)
        .outerjoin(LedgerEntry, (LedgerEntry.org_id == Payment.org_id) & (LedgerEntry.dedupe_key == own_key))
        .where(Payment.org_id == org_id)
    )
    paid = {status.value for status in PAID}
    found = []
    for row, refunded_cents, received_cents in await session.execute(query):
        what = f"payment {row.id}"
        due_cents = row.amount_cents if row.status in paid else 0
        found += [
            Figures(
                what, row.id, "its refunds are", int(refunded_cents), "it says refunded", row.refunded_cents
            ),
            Figures(
                what, row.id, f"it is {row.status}, so paid", due_cents, "the ledger got", received_cents
            ),
        ]
    return found


async def _of_refunds(session: AsyncSession, org_id: UUID) -> Sequence[Figures]:
    def total(side: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((side, LedgerEntry.amount_cents), else_=0)), 0)

    account = Account.REFUNDS.value
    query = (
        select(
            Refund,
            total(LedgerEntry.credit_account == account),
            total(LedgerEntry.debit_account == account),
            total((LedgerEntry.credit_account == account) & (LedgerEntry.debit_account != Account.CUSTOMERS)),
        )
        .outerjoin(LedgerEntry, (LedgerEntry.org_id == Refund.org_id) & (LedgerEntry.entity_id == Refund.id))
        .where(Refund.org_id == org_id, Refund.status.in_([*_ARRIVED, *_OPEN_REFUNDS]))
        .group_by(Refund.org_id, Refund.id)
    )
    found = []
    for row, credited, left, back in await session.execute(query):
        what = f"refund {row.id}"
        gone_cents = row.amount_cents if row.status in _ARRIVED else 0
        found += [
            Figures(
                what,
                row.id,
                "its amount is",
                row.amount_cents,
                "the ledger decided",
                int(credited) - int(back),
            ),
            Figures(
                what,
                row.id,
                f"it {row.status}, so gone",
                gone_cents,
                "the ledger let go",
                int(left) - int(back),
            ),
        ]
    return found
