"""Table of lessons (seed step 6)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, TenantMixin, TimestampsMixin


class Lesson(Base, TenantMixin, TimestampsMixin):
    """A lesson that began; distance and duration come from its trips."""

    __tablename__ = "lessons"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "booking_id"], ["bookings.org_id", "bookings.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"]),
        ForeignKeyConstraint(["org_id", "student_id"], ["students.org_id", "students.id"]),
        UniqueConstraint("org_id", "booking_id"),
        Index(None, "org_id", "instructor_id", "started_at"),
        Index(None, "org_id", "student_id", "started_at"),
        Index(None, "org_id", "started_at"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("ended_at >= started_at", name="times"),
    )

    booking_id: Mapped[UUID]
    instructor_id: Mapped[UUID]
    student_id: Mapped[UUID]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    rating: Mapped[int | None]
    notes: Mapped[str | None]
    distance_m: Mapped[int | None] = mapped_column("distance_meters")
    duration_sec: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
