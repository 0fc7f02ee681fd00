"""Table of bookings (seed step 6); the database itself refuses a double booking (schema decision 6)."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Numeric, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import column, text

from driveflow.bookings.lifecycle import HOLDS_TIME, BookingStatus
from driveflow.core.db import Base, TenantMixin, TimestampsMixin, one_of

INSTRUCTOR_NO_OVERLAP = "bookings_instructor_no_overlap"
STUDENT_NO_OVERLAP = "bookings_student_no_overlap"

_HOLDING = ", ".join(f"'{status}'" for status in BookingStatus if status in HOLDS_TIME)


def _no_overlap(who: str, name: str) -> ExcludeConstraint:
    return ExcludeConstraint(
        (column("org_id"), "="),
        (column(who), "="),
        (func.tstzrange(column("start_at"), column("end_at")), "&&"),
        where=text(f"status IN ({_HOLDING})"),
        using="gist",
        name=name,
    )


class Booking(Base, TenantMixin, TimestampsMixin):
    """A scheduled commitment; price, split and cancellation policy are snapshots."""

    __tablename__ = "bookings"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "student_id"], ["students.org_id", "students.id"]),
        ForeignKeyConstraint(["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"]),
        ForeignKeyConstraint(["org_id", "service_id"], ["services.org_id", "services.id"]),
        Index(None, "org_id", "start_at"),
        Index(None, "org_id", "instructor_id", "start_at"),
        Index(None, "org_id", "student_id", "start_at"),
        _no_overlap("instructor_id", INSTRUCTOR_NO_OVERLAP),
        _no_overlap("student_id", STUDENT_NO_OVERLAP),
        one_of("status", BookingStatus),
        # The reads of overlaps rely on this bound (`sql.py`).
        CheckConstraint("start_at < end_at AND end_at <= start_at + interval '12 hours'", name="times"),
        CheckConstraint("price_cents >= 0", name="price_cents"),
        CheckConstraint("platform_fee_cents >= 0 AND instructor_share_cents >= 0", name="split_positive"),
        CheckConstraint("platform_fee_cents + instructor_share_cents = price_cents", name="split"),
        CheckConstraint("fee_cents BETWEEN 0 AND price_cents", name="fee_cents"),
        CheckConstraint("pickup_lat BETWEEN -90 AND 90 AND dropoff_lat BETWEEN -90 AND 90", name="lat"),
        CheckConstraint("pickup_lng BETWEEN -180 AND 180 AND dropoff_lng BETWEEN -180 AND 180", name="lng"),
    )

    student_id: Mapped[UUID]
    instructor_id: Mapped[UUID]
    service_id: Mapped[UUID]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(
        default=BookingStatus.REQUESTED.value, server_default=BookingStatus.REQUESTED.value
    )
    pickup_address: Mapped[str | None]
    pickup_lat: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    pickup_lng: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    dropoff_address: Mapped[str | None]
    dropoff_lat: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    dropoff_lng: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    price_cents: Mapped[int]
    platform_fee_cents: Mapped[int]
    instructor_share_cents: Mapped[int]
    notes: Mapped[str | None]
    time_zone: Mapped[str]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    cancellation_tiers: Mapped[list[Any]]
    hold_expires_at: Mapped[datetime | None]
    series_id: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    cancel_reason: Mapped[str | None]
    fee_cents: Mapped[int | None]
    fee_waived_at: Mapped[datetime | None]
    fee_waived_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
