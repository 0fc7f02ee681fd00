"""Tables of payouts and reversals (seed step 8, schema decision 9)."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of


class PayoutStatus(StrEnum):
    """States of a transfer to an instructor."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FROZEN = "frozen"
    FAILED = "failed"
    CANCELED = "canceled"
    REVERSED = "reversed"


class Payout(Base, TenantMixin, TimestampsMixin):
    """What an instructor is paid, usually for one booking."""

    __tablename__ = "payouts"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"]),
        ForeignKeyConstraint(["org_id", "booking_id"], ["bookings.org_id", "bookings.id"]),
        UniqueConstraint("org_id", "stripe_transfer_id"),
        Index(None, "org_id", "instructor_id"),
        Index(None, "org_id", "booking_id"),
        one_of("status", PayoutStatus),
        CheckConstraint("amount_cents >= 0", name="amount_cents"),
    )

    instructor_id: Mapped[UUID]
    booking_id: Mapped[UUID | None]
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(
        default=PayoutStatus.PENDING.value, server_default=PayoutStatus.PENDING.value
    )
    stripe_transfer_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))


class PayoutReversal(Base, TenantMixin, CreatedMixin):
    """Money taken back from a payout because its booking was refunded or disputed."""

    __tablename__ = "payout_reversals"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "payout_id"], ["payouts.org_id", "payouts.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "refund_id"], ["refunds.org_id", "refunds.id"]),
        UniqueConstraint("org_id", "stripe_reversal_id"),
        UniqueConstraint("org_id", "payout_id", "refund_id"),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
    )

    payout_id: Mapped[UUID]
    refund_id: Mapped[UUID | None]
    amount_cents: Mapped[int]
    stripe_reversal_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
