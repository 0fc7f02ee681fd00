"""Tables of instructors, students, guardians and their links (seed step 3)."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of
from driveflow.core.ids import new_id
from driveflow.people.preferences import PreferredChannel


class Instructor(Base, TenantMixin, TimestampsMixin):
    """Someone who gives lessons; may be a user, may be paid through Stripe Connect."""

    __tablename__ = "instructors"
    __table_args__ = (
        Index(None, "org_id", "active"),
        UniqueConstraint("org_id", "stripe_account_id"),
        CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_bps"),
        CheckConstraint(
            "kyc_status IN ('none', 'pending', 'active', 'restricted', 'disabled')", name="kyc_status"
        ),
    )

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    display_name: Mapped[str]
    phone: Mapped[str | None]
    license_id: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    stripe_account_id: Mapped[str | None] = mapped_column(ForeignKey("stripe_objects.stripe_id"))
    kyc_status: Mapped[str | None]
    fee_bps: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class Student(Base, TenantMixin, TimestampsMixin):
    """Someone who learns to drive; `search_text` holds what a search looks in, lowercase."""

    __tablename__ = "students"
    __table_args__ = (
        Index(None, "org_id", "full_name"),
        one_of("preferred_channel", PreferredChannel),
    )

    full_name: Mapped[str]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    dob: Mapped[date | None]
    notes: Mapped[str | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    search_text: Mapped[str]
    preferred_channel: Mapped[str] = mapped_column(
        default=PreferredChannel.EMAIL.value, server_default=PreferredChannel.EMAIL.value
    )
    locale: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class Guardian(Base, TenantMixin, TimestampsMixin):
    """A parent or other adult who looks after students of the school."""

    __tablename__ = "guardians"
    __table_args__ = (
        Index(None, "org_id", "full_name"),
        one_of("preferred_channel", PreferredChannel),
    )

    full_name: Mapped[str]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    search_text: Mapped[str]
    preferred_channel: Mapped[str] = mapped_column(
        default=PreferredChannel.EMAIL.value, server_default=PreferredChannel.EMAIL.value
    )
    locale: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class StudentGuardian(Base, CreatedMixin):
    """The link of a guardian to a student with what the guardian may do for this student."""

    __tablename__ = "student_guardians"
    __table_args__ = (
        UniqueConstraint("org_id", "id"),
        ForeignKeyConstraint(
            ["org_id", "student_id"], ["students.org_id", "students.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "guardian_id"], ["guardians.org_id", "guardians.id"], ondelete="CASCADE"
        ),
        Index(None, "org_id", "guardian_id"),
    )

    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    student_id: Mapped[UUID] = mapped_column(primary_key=True)
    guardian_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(default=new_id)
    relation: Mapped[str | None]
    can_book: Mapped[bool] = mapped_column(default=True, server_default="true")
    can_pay: Mapped[bool] = mapped_column(default=True, server_default="true")
    is_primary: Mapped[bool] = mapped_column(default=False, server_default="false")
    notify: Mapped[bool] = mapped_column(default=True, server_default="true")
