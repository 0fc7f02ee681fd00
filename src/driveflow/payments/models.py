"""Tables of payments, refunds, ledger and Stripe ids (seed step 8, schema decisions 3, 8 and 9)."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of


class PaymentStatus(StrEnum):
    """The seed's four, and the states between them that Stripe knows."""

    INTENT_CREATED = "intent_created"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class RefundStatus(StrEnum):
    """States of a refund, as Stripe names them."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class StripeObject(Base, CreatedMixin):
    """A Stripe id with the school and row it belongs to; routes a webhook to its school (control plane)."""

    __tablename__ = "stripe_objects"
    __table_args__ = (Index(None, "org_id", "entity_id"),)

    stripe_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    entity_id: Mapped[UUID]


class Payment(Base, TenantMixin, TimestampsMixin):
    """The customer's charge for a booking; the row exists before Stripe is called."""

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "booking_id"], ["bookings.org_id", "bookings.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("org_id", "booking_id"),
        UniqueConstraint("org_id", "stripe_payment_intent_id"),
        Index(None, "org_id", "status"),
        one_of("status", PaymentStatus),
        CheckConstraint("amount_cents >= 0", name="amount_cents"),
        CheckConstraint("platform_fee_cents >= 0 AND instructor_share_cents >= 0", name="split_positive"),
        CheckConstraint("platform_fee_cents + instructor_share_cents = amount_cents", name="split"),
        CheckConstraint("refunded_cents BETWEEN 0 AND amount_cents", name="refunded_cents"),
    )

    booking_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(
        default=PaymentStatus.INTENT_CREATED.value, server_default=PaymentStatus.INTENT_CREATED.value
    )
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    platform_fee_cents: Mapped[int]
    instructor_share_cents: Mapped[int]
    refunded_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
    stripe_charge_id: Mapped[str | None]
    stripe_refund_id: Mapped[str | None]


class Refund(Base, TenantMixin, TimestampsMixin):
    """Money on its way back to a customer."""

    __tablename__ = "refunds"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "payment_id"], ["payments.org_id", "payments.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("org_id", "stripe_refund_id"),
        Index(None, "org_id", "payment_id"),
        one_of("status", RefundStatus),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
    )

    payment_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(
        default=RefundStatus.PENDING.value, server_default=RefundStatus.PENDING.value
    )
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    reason: Mapped[str | None]
    stripe_refund_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))


class LedgerEntry(Base, TenantMixin, CreatedMixin):
    """One move of money between two accounts: balanced by construction, append-only."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "booking_id"], ["bookings.org_id", "bookings.id"]),
        Index(None, "org_id", "created_at"),
        Index(None, "org_id", "booking_id"),
        UniqueConstraint("org_id", "dedupe_key"),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
        CheckConstraint("debit_account <> credit_account", name="accounts"),
    )

    debit_account: Mapped[str]
    credit_account: Mapped[str]
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    memo: Mapped[str | None]
    booking_id: Mapped[UUID | None]
    entity_type: Mapped[str | None]
    entity_id: Mapped[UUID | None]
    dedupe_key: Mapped[str | None]
