"""The queries of invoices: numbers without gaps, and papers found by what they are of."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.invoices.models import Invoice, InvoiceNumber
from driveflow.invoices.taxation import InvoiceKind
from driveflow.payments.lifecycle import RefundCause, RefundStatus
from driveflow.payments.models import Refund


async def lock_numbers(session: AsyncSession, org_id: UUID) -> None:
    """Let nobody else of the school issue a paper until the transaction ends.

    One lock for both kinds: a credit note may have to issue its invoice first, and two workers that took the
    kinds' numbers in different order would wait for each other for ever.
    """
    await session.execute(
        insert(InvoiceNumber)
        .values([{"org_id": org_id, "kind": kind.value, "last_number": 0} for kind in sorted(InvoiceKind)])
        .on_conflict_do_nothing()
    )
    await session.execute(
        select(InvoiceNumber.last_number)
        .where(InvoiceNumber.org_id == org_id, InvoiceNumber.kind == InvoiceKind.INVOICE.value)
        .with_for_update()
    )


async def next_number(session: AsyncSession, org_id: UUID, kind: InvoiceKind) -> int:
    """Return the next number of a kind, from 1; the caller has called `lock_numbers`.

    The number is taken exactly if the transaction commits.
    """
    number: int = (
        await session.execute(
            update(InvoiceNumber)
            .where(InvoiceNumber.org_id == org_id, InvoiceNumber.kind == kind.value)
            .values(last_number=InvoiceNumber.last_number + 1)
            .returning(InvoiceNumber.last_number)
        )
    ).scalar_one()
    return number


async def invoice_of_payment(session: AsyncSession, org_id: UUID, payment_id: UUID) -> Invoice | None:
    """Return the invoice of a payment, None before it is issued."""
    query = select(Invoice).where(
        Invoice.org_id == org_id, Invoice.payment_id == payment_id, Invoice.refund_id.is_(None)
    )
    return (await session.scalars(query)).one_or_none()


async def note_of_refund(session: AsyncSession, org_id: UUID, refund_id: UUID) -> Invoice | None:
    """Return the credit note of a refund, None before it is issued."""
    query = select(Invoice).where(Invoice.org_id == org_id, Invoice.refund_id == refund_id)
    return (await session.scalars(query)).one_or_none()


async def credited_cents(session: AsyncSession, org_id: UUID, payment_id: UUID) -> int:
    """Return how much of a payment's invoice the credit notes so far take back."""
    query = select(func.coalesce(func.sum(Invoice.total_cents), 0)).where(
        Invoice.org_id == org_id, Invoice.payment_id == payment_id, Invoice.refund_id.is_not(None)
    )
    return int((await session.scalars(query)).one())


async def returned_cents(session: AsyncSession, org_id: UUID, payment_id: UUID) -> int:
    """Return how much of a payment's price has gone back and stayed there.

    A read of the payments' table: what is credited has to follow from the refunds as they are, not from
    events.
    """
    query = select(func.coalesce(func.sum(Refund.amount_cents), 0)).where(
        Refund.org_id == org_id,
        Refund.payment_id == payment_id,
        Refund.status == RefundStatus.SUCCEEDED.value,
        Refund.cause != RefundCause.PAID_TWICE.value,
    )
    return int((await session.scalars(query)).one())


def papers(
    org_id: UUID,
    *,
    kind: InvoiceKind | None,
    payment_id: UUID | None,
    booking_id: UUID | None,
    student_id: UUID | None,
    only_of_students: Collection[UUID] | None,
) -> Select[Invoice]:
    """Return the query for a school's papers, narrowed by what is given."""
    query = select(Invoice).where(Invoice.org_id == org_id)
    if kind is not None:
        query = query.where(Invoice.kind == kind.value)
    if payment_id is not None:
        query = query.where(Invoice.payment_id == payment_id)
    if booking_id is not None:
        query = query.where(Invoice.booking_id == booking_id)
    if student_id is not None:
        query = query.where(Invoice.student_id == student_id)
    if only_of_students is not None:
        query = query.where(Invoice.student_id.in_(only_of_students))
    return query
