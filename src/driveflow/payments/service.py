"""Reading payments."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, scope_of
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.payments import repository
from driveflow.payments.lifecycle import PaymentMethod, PaymentStatus
from driveflow.payments.models import Payment


@dataclass(frozen=True, slots=True)
class PaymentQuery:
    """Which payments; None is any. Times are of the payment's beginning, from inclusive to exclusive."""

    booking_id: UUID | None = None
    student_id: UUID | None = None
    status: PaymentStatus | None = None
    method: PaymentMethod | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


async def list_payments(
    session: AsyncSession, actor: Actor, wanted: PaymentQuery, paging: PageRequest
) -> Page[Payment]:
    """Return payments, newest first; students and guardians find their own only."""
    scope = scope_of(actor, Permission.PAYMENTS_READ)
    query = repository.payments_between(actor.org_id, wanted.from_at, wanted.to_at)
    if scope is Scope.OWN:
        query = query.where(Payment.student_id.in_(actor.student_ids))
    if wanted.booking_id is not None:
        query = query.where(Payment.booking_id == wanted.booking_id)
    if wanted.student_id is not None:
        query = query.where(Payment.student_id == wanted.student_id)
    if wanted.status is not None:
        query = query.where(Payment.status == wanted.status.value)
    if wanted.method is not None:
        query = query.where(Payment.method == wanted.method.value)
    return await fetch_page(session, query, [Payment.created_at, Payment.id], paging, descending=True)


def sees_split(actor: Actor) -> bool:
    """Return whether the actor may see what of a payment is the platform's and the instructor's."""
    return actor.is_staff
