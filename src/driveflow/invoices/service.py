"""Read issued papers: staff all, students and guardians those of their lessons."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, scope_of
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.invoices import repository
from driveflow.invoices.models import Invoice
from driveflow.invoices.taxation import InvoiceKind


async def list_invoices(
    session: AsyncSession,
    actor: Actor,
    paging: PageRequest,
    *,
    kind: InvoiceKind | None = None,
    payment_id: UUID | None = None,
    booking_id: UUID | None = None,
    student_id: UUID | None = None,
) -> Page[Invoice]:
    """Return the papers that the actor may see, the latest first."""
    own = scope_of(actor, Permission.PAYMENTS_READ) is Scope.OWN
    query = repository.papers(
        actor.org_id,
        kind=kind,
        payment_id=payment_id,
        booking_id=booking_id,
        student_id=student_id,
        only_of_students=actor.student_ids if own else None,
    )
    return await fetch_page(session, query, [Invoice.issued_at, Invoice.id], paging, descending=True)


async def get_invoice(session: AsyncSession, actor: Actor, invoice_id: UUID) -> Invoice:
    """Return a paper; others' are NotFoundError, as if they were not there."""
    own = scope_of(actor, Permission.PAYMENTS_READ) is Scope.OWN
    row = await get_or_404(session, Invoice, actor.org_id, invoice_id)
    if own and not actor.stands_for(row.student_id):
        raise NotFoundError
    return row


async def get_invoice_of_payment(session: AsyncSession, actor: Actor, payment_id: UUID) -> Invoice:
    """Return the invoice of a payment; NotFoundError also while there is none, as the money is not there."""
    own = scope_of(actor, Permission.PAYMENTS_READ) is Scope.OWN
    row = await repository.invoice_of_payment(session, actor.org_id, payment_id)
    if row is None or (own and not actor.stands_for(row.student_id)):
        raise NotFoundError
    return row
