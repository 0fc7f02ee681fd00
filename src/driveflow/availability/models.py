"""Tables of weekly hours and exceptions (seed step 5)."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin


class InstructorAvailability(Base, TenantMixin, TimestampsMixin):
    """A weekly window in minutes of the school's local day; 0 is Monday."""

    __tablename__ = "instructor_availabilities"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"], ondelete="CASCADE"
        ),
        Index(None, "org_id", "instructor_id", "day_of_week"),
        CheckConstraint("day_of_week BETWEEN 0 AND 6", name="day_of_week"),
        CheckConstraint(
            "0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440", name="window"
        ),
        CheckConstraint("effective_from <= effective_to", name="effective"),
    )

    instructor_id: Mapped[UUID]
    day_of_week: Mapped[int]
    start_minute: Mapped[int]
    end_minute: Mapped[int]
    effective_from: Mapped[date | None]
    effective_to: Mapped[date | None]


class AvailabilityException(Base, TenantMixin, CreatedMixin):
    """One day on which the weekly hours do not hold; minutes null means the whole day."""

    __tablename__ = "availability_exceptions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("org_id", "instructor_id", "date"),
        CheckConstraint("(start_minute IS NULL) = (end_minute IS NULL)", name="both_minutes"),
        CheckConstraint(
            "0 <= start_minute AND start_minute < end_minute AND end_minute <= 1440", name="window"
        ),
    )

    instructor_id: Mapped[UUID]
    date: Mapped[date] = mapped_column(Date)
    is_available: Mapped[bool]
    start_minute: Mapped[int | None]
    end_minute: Mapped[int | None]
    note: Mapped[str | None]
