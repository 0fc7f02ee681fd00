"""Tables of schools, users, memberships and API keys (seed step 2)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin
from driveflow.core.ids import new_id

# The default of every new school; `bookings/cancellation.py` owns the rule and its shape.
DEFAULT_CANCELLATION_TIERS = (
    {"hours_before": 24, "fee_percent": 0},
    {"hours_before": 2, "fee_percent": 50},
    {"hours_before": 0, "fee_percent": 100},
)


DEFAULT_CURRENCY = "AUD"


class Org(Base, TimestampsMixin):
    """A school with its settings; control plane, so that its slug and membership can be found."""

    __tablename__ = "orgs"
    __table_args__ = (
        Index(None, "name"),
        CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_bps"),
        CheckConstraint("hold_minutes BETWEEN 1 AND 10080", name="hold_minutes"),
        CheckConstraint("buffer_minutes BETWEEN 0 AND 480", name="buffer_minutes"),
        CheckConstraint("min_notice_minutes BETWEEN 0 AND 43200", name="min_notice_minutes"),
        CheckConstraint("horizon_days BETWEEN 1 AND 36500", name="horizon_days"),
        CheckConstraint("slot_step_minutes BETWEEN 5 AND 240", name="slot_step_minutes"),
        CheckConstraint("payment_minutes BETWEEN 30 AND 1440", name="payment_minutes"),
        CheckConstraint("payout_hold_minutes BETWEEN 0 AND 129600", name="payout_hold_minutes"),
        CheckConstraint("tax_bps BETWEEN 0 AND 10000", name="tax_bps"),
        CheckConstraint("quiet_from_minute BETWEEN 0 AND 1439", name="quiet_from_minute"),
        CheckConstraint("quiet_to_minute BETWEEN 0 AND 1439", name="quiet_to_minute"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    abn: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(default="Australia/Sydney", server_default="Australia/Sydney")
    currency: Mapped[str] = mapped_column(default=DEFAULT_CURRENCY, server_default=DEFAULT_CURRENCY)
    fee_bps: Mapped[int] = mapped_column(default=500, server_default="500")
    cancellation_tiers: Mapped[list[Any]] = mapped_column(
        default=lambda: [dict(tier) for tier in DEFAULT_CANCELLATION_TIERS]
    )
    hold_minutes: Mapped[int] = mapped_column(default=30, server_default="30")
    buffer_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    min_notice_minutes: Mapped[int] = mapped_column(default=60, server_default="60")
    horizon_days: Mapped[int] = mapped_column(default=90, server_default="90")
    slot_step_minutes: Mapped[int] = mapped_column(default=15, server_default="15")
    email: Mapped[str | None]
    phone: Mapped[str | None]
    address: Mapped[str | None]
    locale: Mapped[str] = mapped_column(default="en_AU", server_default="en_AU")
    confirm_on_payment: Mapped[bool] = mapped_column(default=True, server_default="true")
    payment_minutes: Mapped[int] = mapped_column(default=30, server_default="30")
    payout_hold_minutes: Mapped[int] = mapped_column(default=4320, server_default="4320")
    tax_registered: Mapped[bool] = mapped_column(default=False, server_default="false")
    tax_name: Mapped[str] = mapped_column(default="GST", server_default="GST")
    tax_bps: Mapped[int] = mapped_column(default=1000, server_default="1000")
    reminder_minutes: Mapped[list[Any]] = mapped_column(
        default=lambda: [1440, 120], server_default=text("'[1440, 120]'")
    )
    quiet_from_minute: Mapped[int] = mapped_column(default=1260, server_default="1260")
    quiet_to_minute: Mapped[int] = mapped_column(default=480, server_default="480")
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class User(Base, TimestampsMixin):
    """A person who logs in; may belong to several schools. Stores no password."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    phone: Mapped[str | None]
    external_id: Mapped[str | None] = mapped_column(unique=True)


class UserOrg(Base, CreatedMixin):
    """A membership: one user, one school, one role."""

    __tablename__ = "user_orgs"
    __table_args__ = (
        UniqueConstraint("user_id", "org_id", "role"),
        Index(None, "org_id", "role"),
        CheckConstraint("role IN ('owner', 'admin', 'instructor', 'student')", name="role"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    role: Mapped[str]


class ApiKey(Base, TenantMixin, CreatedMixin):
    """A key of one school and role; only its SHA-256 is stored.

    The key itself carries the school's id, so it is looked up inside the school's row-level security.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("org_id", "key_hash"),
        ForeignKeyConstraint(
            ["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "student_id"], ["students.org_id", "students.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "guardian_id"], ["guardians.org_id", "guardians.id"], ondelete="CASCADE"
        ),
        CheckConstraint("role IN ('owner', 'admin', 'instructor', 'student', 'guardian')", name="role"),
        CheckConstraint("(role = 'instructor') = (instructor_id IS NOT NULL)", name="instructor"),
        CheckConstraint("(role = 'student') = (student_id IS NOT NULL)", name="student"),
        CheckConstraint("(role = 'guardian') = (guardian_id IS NOT NULL)", name="guardian"),
    )

    name: Mapped[str]
    key_hash: Mapped[bytes]
    hint: Mapped[str]
    role: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    instructor_id: Mapped[UUID | None]
    student_id: Mapped[UUID | None]
    guardian_id: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
