"""Issue the paper of a payment or refund, once, with the next number of the school.

Lock order: the school's numbers, nothing else. What a paper says is read under that lock, so the papers
of one school are issued one after the other.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.bookings.service import load_visible
from driveflow.catalog.service import get_service
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError
from driveflow.invoices import repository, taxation
from driveflow.invoices.models import Invoice, number_name
from driveflow.invoices.paper import Adjusts, Buyer, Paper, Received, Seller, Supply
from driveflow.invoices.taxation import InvoiceKind, Taxation, TaxStatus
from driveflow.orgs.models import Org
from driveflow.orgs.service import settings_of
from driveflow.payments.lifecycle import PaymentStatus, RefundCause, RefundStatus
from driveflow.payments.models import Payment, Refund
from driveflow.people.guardians import get_guardian
from driveflow.people.service import get_instructor, get_student

RECEIVED: Final = frozenset(
    {
        PaymentStatus.SUCCEEDED,
        PaymentStatus.PARTIALLY_REFUNDED,
        PaymentStatus.REFUNDED,
        PaymentStatus.DISPUTED,
    }
)
"""States of a payment whose money came in, whatever became of it later."""

_CAUSES: Final = {
    RefundCause.STAFF: "Refunded by the school.",
    RefundCause.CANCELLATION: "The booking was cancelled.",
    RefundCause.FEE_WAIVED: "The fee was waived.",
    RefundCause.SLOT_LOST: "The time was no longer free when the payment arrived.",
}


async def issue_invoice(session: AsyncSession, actor: Actor, payment_id: UUID, *, now: datetime) -> Invoice:
    """Issue the invoice of a payment; again is a no-op that returns the same one.

    Raises NotFoundError, and ConflictError `not_paid` while the money is not there.
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    await repository.lock_numbers(session, actor.org_id)
    issued = await repository.invoice_of_payment(session, actor.org_id, payment_id)
    if issued is not None:
        return issued
    payment = await get_or_404(session, Payment, actor.org_id, payment_id)
    if payment.status not in RECEIVED:
        raise ConflictError("There is no invoice before the money has come in.", code="not_paid")
    booking = await load_visible(session, actor, payment.booking_id)
    org = await settings_of(session, actor.org_id)
    status = TaxStatus(org.tax_registered, org.tax_name, org.tax_bps, org.abn)
    number = await repository.next_number(session, actor.org_id, InvoiceKind.INVOICE)
    taxed = taxation.tax_invoice(payment.amount_cents, status)
    paper = Paper(
        kind=InvoiceKind.INVOICE,
        number=number_name(InvoiceKind.INVOICE, number),
        title=taxed.title,
        reason=taxed.reason,
        issued_at=now,
        time_zone=org.time_zone,
        locale=org.locale,
        currency=payment.currency,
        total_cents=taxed.total_cents,
        tax_cents=taxed.tax_cents,
        statement=taxed.statement,
        tax=status,
        seller=_seller(org),
        buyer=await _buyer(session, actor, payment, booking),
        supply=await _supply(session, actor, booking),
        received=Received(payment.method, payment.paid_at or now),
    )
    return await _keep(session, actor, booking, paper, number, payment_id, now=now)


async def issue_credit_note(
    session: AsyncSession, actor: Actor, refund_id: UUID, *, now: datetime
) -> Invoice | None:
    """Issue the credit note of a refund, and its invoice before it if need be; again is a no-op.

    None where no price has changed: for a refund that has failed meanwhile, for one that takes the place
    of an earlier one that failed after its note was issued, and for a second payment of the same booking
    that goes back, which was never invoiced. Raises NotFoundError.
    """
    require(actor, Permission.PAYMENTS_MANAGE)
    await repository.lock_numbers(session, actor.org_id)
    issued = await repository.note_of_refund(session, actor.org_id, refund_id)
    if issued is not None:
        return issued
    refund = await get_or_404(session, Refund, actor.org_id, refund_id)
    if refund.status != RefundStatus.SUCCEEDED or refund.cause == RefundCause.PAID_TWICE:
        return None
    invoice = await issue_invoice(session, actor, refund.payment_id, now=now)
    before_cents = await repository.credited_cents(session, actor.org_id, refund.payment_id)
    returned_cents = await repository.returned_cents(session, actor.org_id, refund.payment_id)
    amount_cents = min(refund.amount_cents, returned_cents - before_cents)
    if amount_cents <= 0:
        return None
    bill = Paper.from_json(invoice.paper)
    taxed = taxation.adjustment(
        amount_cents,
        credited_before_cents=before_cents,
        invoice_total_cents=bill.total_cents,
        status=bill.tax,
    )
    booking = await load_visible(session, actor, invoice.booking_id)
    number = await repository.next_number(session, actor.org_id, InvoiceKind.CREDIT_NOTE)
    paper = _credit_note(
        bill, taxed, number, before_cents, refund.reason or _CAUSES[RefundCause(refund.cause)], now
    )
    return await _keep(
        session, actor, booking, paper, number, refund.payment_id, refund_id=refund_id, now=now
    )


def _credit_note(
    bill: Paper, taxed: Taxation, number: int, before_cents: int, reason: str, now: datetime
) -> Paper:
    """Return the paper that takes back part of an invoice; seller and buyer are those of the invoice."""
    return Paper(
        kind=InvoiceKind.CREDIT_NOTE,
        number=number_name(InvoiceKind.CREDIT_NOTE, number),
        title=taxed.title,
        reason=taxed.reason,
        issued_at=now,
        time_zone=bill.time_zone,
        locale=bill.locale,
        currency=bill.currency,
        total_cents=taxed.total_cents,
        tax_cents=taxed.tax_cents,
        statement=taxed.statement,
        tax=bill.tax,
        seller=bill.seller,
        buyer=bill.buyer,
        supply=bill.supply,
        adjusts=Adjusts(
            number=bill.number,
            title=bill.title,
            issued_at=bill.issued_at,
            price_before_cents=bill.total_cents - before_cents,
            price_after_cents=bill.total_cents - before_cents - taxed.total_cents,
            reason=reason,
        ),
    )


def _seller(org: Org) -> Seller:
    return Seller(name=org.name, address=org.address, phone=org.phone, email=org.email)


async def _buyer(session: AsyncSession, actor: Actor, payment: Payment, booking: Booking) -> Buyer:
    """Return who paid: the guardian who did, else the student."""
    student = await get_student(session, actor, booking.student_id)
    if payment.payer_guardian_id is None:
        return Buyer(name=student.full_name, email=student.email, student_name=None)
    guardian = await get_guardian(session, actor, payment.payer_guardian_id)
    return Buyer(name=guardian.full_name, email=guardian.email, student_name=student.full_name)


async def _supply(session: AsyncSession, actor: Actor, booking: Booking) -> Supply:
    service = await get_service(session, actor, booking.service_id)
    instructor = await get_instructor(session, actor, booking.instructor_id)
    return Supply(
        description=f"{service.name} with {instructor.display_name}",
        start_at=booking.start_at,
        duration_min=int((booking.end_at - booking.start_at).total_seconds()) // 60,
    )


async def _keep(
    session: AsyncSession,
    actor: Actor,
    booking: Booking,
    paper: Paper,
    number: int,
    payment_id: UUID,
    *,
    refund_id: UUID | None = None,
    now: datetime,
) -> Invoice:
    row = Invoice(
        org_id=actor.org_id,
        kind=paper.kind.value,
        number=number,
        booking_id=booking.id,
        student_id=booking.student_id,
        payment_id=payment_id,
        refund_id=refund_id,
        currency=paper.currency,
        total_cents=paper.total_cents,
        tax_cents=paper.tax_cents,
        paper=paper.to_json(),
        issued_at=now,
    )
    session.add(row)
    await session.flush()
    action = Action.INVOICE_ISSUED if refund_id is None else Action.CREDIT_NOTE_ISSUED
    record(
        session,
        actor,
        action,
        "Invoice",
        row.id,
        now=now,
        after={"number": paper.number, "total_cents": row.total_cents, "tax_cents": row.tax_cents},
    )
    await session.flush()
    return row
