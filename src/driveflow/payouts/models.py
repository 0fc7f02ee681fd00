"""Tables of payouts: what they are made of, what was taken back, what is owed (seed step 8, decision 9)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of
from driveflow.payouts.earnings import EarningKind, LineKind
from driveflow.payouts.lifecycle import PayoutStatus


class PayoutMethod(StrEnum):
    """How the instructor gets the money: a transfer by Stripe, or by hand from the school's own money."""

    STRIPE = "stripe"
    MANUAL = "manual"


class ReversalStatus(StrEnum):
    """`pending` until Stripe's answer; what it refuses becomes a debt."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"


class DisputeStatus(StrEnum):
    """How a dispute over a booking's payment stands."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Payout(Base, TenantMixin, TimestampsMixin):
    """What an instructor is paid for one booking.

    `earned_cents` and `school_cents` are what both have earned by the booking at present; `amount_cents` is
    what is paid, the sum of the payout's lines; `reversed_cents` of it has been or is being reversed.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"]),
        ForeignKeyConstraint(["org_id", "booking_id"], ["bookings.org_id", "bookings.id"]),
        UniqueConstraint("org_id", "stripe_transfer_id"),
        UniqueConstraint("org_id", "booking_id", "kind"),
        Index(None, "org_id", "instructor_id"),
        Index(None, "org_id", "booking_id"),
        Index(None, "org_id", "status"),
        one_of("status", PayoutStatus),
        one_of("kind", EarningKind),
        one_of("method", PayoutMethod),
        CheckConstraint("amount_cents >= 0", name="amount_cents"),
        CheckConstraint("earned_cents >= 0 AND school_cents >= 0", name="earned"),
        CheckConstraint("reversed_cents BETWEEN 0 AND amount_cents", name="reversed_cents"),
    )

    instructor_id: Mapped[UUID]
    booking_id: Mapped[UUID | None]
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(
        default=PayoutStatus.PENDING.value, server_default=PayoutStatus.PENDING.value
    )
    stripe_transfer_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
    kind: Mapped[str] = mapped_column(
        default=EarningKind.LESSON.value, server_default=EarningKind.LESSON.value
    )
    method: Mapped[str] = mapped_column(
        default=PayoutMethod.STRIPE.value, server_default=PayoutMethod.STRIPE.value
    )
    earned_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    school_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    reversed_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime | None]
    waiting_reason: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    revision: Mapped[int] = mapped_column(default=0, server_default="0")
    failure_code: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    marked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    reference: Mapped[str | None]


class PayoutLine(Base, TenantMixin, CreatedMixin):
    """One signed part of a payout's amount, with its reason in `memo`."""

    __tablename__ = "payout_lines"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "payout_id"], ["payouts.org_id", "payouts.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "booking_id"], ["bookings.org_id", "bookings.id"]),
        ForeignKeyConstraint(["org_id", "debt_id"], ["payout_debts.org_id", "payout_debts.id"]),
        Index(None, "org_id", "payout_id"),
        one_of("kind", LineKind),
        CheckConstraint("amount_cents <> 0", name="amount_cents"),
    )

    payout_id: Mapped[UUID]
    kind: Mapped[str]
    amount_cents: Mapped[int]
    booking_id: Mapped[UUID | None]
    debt_id: Mapped[UUID | None]
    memo: Mapped[str]


class PayoutReversal(Base, TenantMixin, TimestampsMixin):
    """Money taken back from a payout that was made, because its booking was refunded or disputed."""

    __tablename__ = "payout_reversals"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "payout_id"], ["payouts.org_id", "payouts.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["org_id", "refund_id"], ["refunds.org_id", "refunds.id"]),
        UniqueConstraint("org_id", "stripe_reversal_id"),
        UniqueConstraint("org_id", "payout_id", "refund_id"),
        one_of("status", ReversalStatus),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
    )

    payout_id: Mapped[UUID]
    refund_id: Mapped[UUID | None]
    amount_cents: Mapped[int]
    stripe_reversal_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
    status: Mapped[str] = mapped_column(
        default=ReversalStatus.PENDING.value, server_default=ReversalStatus.PENDING.value
    )
    memo: Mapped[str | None]


class PayoutDebt(Base, TenantMixin, TimestampsMixin):
    """What an instructor owes because a payout could not give it back; taken out of the next payouts."""

    __tablename__ = "payout_debts"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"]),
        ForeignKeyConstraint(["org_id", "payout_id"], ["payouts.org_id", "payouts.id"], ondelete="CASCADE"),
        Index(None, "org_id", "instructor_id"),
        CheckConstraint("amount_cents > 0", name="amount_cents"),
        CheckConstraint("settled_cents BETWEEN 0 AND amount_cents", name="settled_cents"),
    )

    instructor_id: Mapped[UUID]
    payout_id: Mapped[UUID]
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    amount_cents: Mapped[int]
    settled_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    memo: Mapped[str]


class PayoutDispute(Base, TenantMixin, TimestampsMixin):
    """A dispute over a booking's payment, as far as it holds up or takes back a payout; one per booking."""

    __tablename__ = "payout_disputes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "booking_id"], ["bookings.org_id", "bookings.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("org_id", "booking_id"),
        one_of("status", DisputeStatus),
        CheckConstraint("amount_cents >= 0", name="amount_cents"),
    )

    booking_id: Mapped[UUID]
    amount_cents: Mapped[int]
    status: Mapped[str] = mapped_column(
        default=DisputeStatus.OPEN.value, server_default=DisputeStatus.OPEN.value
    )
