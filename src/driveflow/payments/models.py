"""Tables of payments, refunds, ledger and Stripe ids (seed step 8, schema decisions 3, 8 and 9)."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of
from driveflow.integrations.stripe_calls import StripeOperation
from driveflow.payments.lifecycle import (
    DisputeStatus,
    PaymentMethod,
    PaymentStatus,
    RefundCause,
    RefundStatus,
)


class StripeRequestStatus(StrEnum):
    """`pending` until Stripe's answer is known for certain."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"


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
        ForeignKeyConstraint(["org_id", "student_id"], ["students.org_id", "students.id"]),
        ForeignKeyConstraint(["org_id", "payer_guardian_id"], ["guardians.org_id", "guardians.id"]),
        UniqueConstraint("org_id", "booking_id"),
        UniqueConstraint("org_id", "stripe_payment_intent_id"),
        Index(None, "org_id", "status"),
        Index(None, "org_id", "student_id"),
        Index(None, "org_id", "created_at"),
        one_of("status", PaymentStatus),
        CheckConstraint("amount_cents >= 0", name="amount_cents"),
        CheckConstraint("platform_fee_cents >= 0 AND instructor_share_cents >= 0", name="split_positive"),
        CheckConstraint("platform_fee_cents + instructor_share_cents = amount_cents", name="split"),
        CheckConstraint("refunded_cents BETWEEN 0 AND amount_cents", name="refunded_cents"),
        CheckConstraint("stripe_fee_cents >= 0", name="stripe_fee_cents"),
        one_of("method", PaymentMethod),
        one_of("dispute_status", DisputeStatus),
        UniqueConstraint("org_id", "stripe_checkout_session_id"),
    )

    booking_id: Mapped[UUID]
    student_id: Mapped[UUID | None]
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
    method: Mapped[str] = mapped_column(
        default=PaymentMethod.STRIPE.value, server_default=PaymentMethod.STRIPE.value
    )
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    stripe_checkout_session_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
    checkout_url: Mapped[str | None]
    checkout_expires_at: Mapped[datetime | None]
    stripe_fee_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    paid_at: Mapped[datetime | None]
    payer_guardian_id: Mapped[UUID | None]
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    reference: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    dispute_status: Mapped[str | None]


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
        one_of("cause", RefundCause),
        one_of("method", PaymentMethod),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
    )

    payment_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(
        default=RefundStatus.PENDING.value, server_default=RefundStatus.PENDING.value
    )
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    reason: Mapped[str | None]
    cause: Mapped[str] = mapped_column(
        default=RefundCause.STAFF.value, server_default=RefundCause.STAFF.value
    )
    method: Mapped[str] = mapped_column(
        default=PaymentMethod.STRIPE.value, server_default=PaymentMethod.STRIPE.value
    )
    stripe_payment_intent_id: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=1, server_default="1")
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    failure_reason: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    stripe_refund_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))


class StripeRequest(Base, TenantMixin, TimestampsMixin):
    """A call to Stripe with its frozen parameters, written before it is made (money.md, rule 2).

    Whatever dies or times out, the call is repeated with the same `idempotency_key` and `parameters`.
    """

    __tablename__ = "stripe_requests"
    __table_args__ = (
        UniqueConstraint("org_id", "idempotency_key"),
        Index(None, "org_id", "entity_id"),
        one_of("operation", StripeOperation),
        one_of("status", StripeRequestStatus),
    )

    idempotency_key: Mapped[str]
    operation: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    target_id: Mapped[str | None]
    entity_type: Mapped[str]
    entity_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(
        default=StripeRequestStatus.PENDING.value, server_default=StripeRequestStatus.PENDING.value
    )
    first_sent_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    stripe_id: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]


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
