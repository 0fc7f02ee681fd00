"""Tables of issued papers and of their numbers; the application may add papers, never change one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, TenantMixin, one_of
from driveflow.invoices.taxation import InvoiceKind


class InvoiceNumber(Base):
    """The last number that a school has given to a kind of paper.

    A row that is locked until the paper's transaction ends, and no sequence object, which would lose the
    numbers of transactions that were rolled back.
    """

    __tablename__ = "invoice_numbers"
    __table_args__ = (
        one_of("kind", InvoiceKind),
        CheckConstraint("last_number >= 0", name="last_number"),
    )

    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    last_number: Mapped[int]


class Invoice(Base, TenantMixin):
    """An issued invoice or credit note; `paper` is all that is printed on it; append-only."""

    __tablename__ = "invoices"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "booking_id"], ["bookings.org_id", "bookings.id"]),
        ForeignKeyConstraint(["org_id", "student_id"], ["students.org_id", "students.id"]),
        ForeignKeyConstraint(["org_id", "payment_id"], ["payments.org_id", "payments.id"]),
        ForeignKeyConstraint(["org_id", "refund_id"], ["refunds.org_id", "refunds.id"]),
        UniqueConstraint("org_id", "kind", "number"),
        UniqueConstraint("org_id", "refund_id"),
        Index(
            "invoices_one_per_payment_idx",
            "org_id",
            "payment_id",
            unique=True,
            postgresql_where=text("refund_id IS NULL"),
        ),
        Index(None, "org_id", "payment_id"),
        Index(None, "org_id", "student_id", "issued_at"),
        Index(None, "org_id", "issued_at"),
        one_of("kind", InvoiceKind),
        CheckConstraint("(kind = 'credit_note') = (refund_id IS NOT NULL)", name="refund"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("total_cents >= 0 AND tax_cents BETWEEN 0 AND total_cents", name="amounts"),
    )

    kind: Mapped[str]
    number: Mapped[int]
    booking_id: Mapped[UUID]
    student_id: Mapped[UUID]
    payment_id: Mapped[UUID]
    refund_id: Mapped[UUID | None]
    currency: Mapped[str]
    total_cents: Mapped[int]
    tax_cents: Mapped[int]
    paper: Mapped[dict[str, Any]]
    issued_at: Mapped[datetime]

    @property
    def name(self) -> str:
        """The number as it is printed, such as `INV-000042`."""
        return number_name(InvoiceKind(self.kind), self.number)


_PREFIXES = {InvoiceKind.INVOICE: "INV", InvoiceKind.CREDIT_NOTE: "CN"}


def number_name(kind: InvoiceKind, number: int) -> str:
    """Return a number as it is printed, such as `INV-000042` or `CN-000007`."""
    return f"{_PREFIXES[kind]}-{number:06}"
