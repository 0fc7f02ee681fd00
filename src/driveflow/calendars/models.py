"""Table of calendar feeds; a feed's secret is stored as its SHA-256 only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.calendars.entries import Reader
from driveflow.core.db import Base, CreatedMixin, TenantMixin, one_of


class CalendarFeed(Base, TenantMixin, CreatedMixin):
    """A secret address of lessons: an instructor's, a student's, those of a guardian's student, or all.

    `user_id` is the member of the school who made a feed of the whole school, and whose standing it needs.
    """

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        UniqueConstraint("org_id", "token_hash"),
        ForeignKeyConstraint(
            ["org_id", "instructor_id"], ["instructors.org_id", "instructors.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "student_id"], ["students.org_id", "students.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "guardian_id"], ["guardians.org_id", "guardians.id"], ondelete="CASCADE"
        ),
        Index(None, "org_id", "instructor_id"),
        Index(None, "org_id", "student_id"),
        one_of("reader", Reader),
        CheckConstraint("(reader = 'instructor') = (instructor_id IS NOT NULL)", name="instructor"),
        CheckConstraint("(reader IN ('student', 'guardian')) = (student_id IS NOT NULL)", name="student"),
        CheckConstraint("(reader = 'guardian') = (guardian_id IS NOT NULL)", name="guardian"),
    )

    reader: Mapped[str]
    instructor_id: Mapped[UUID | None]
    student_id: Mapped[UUID | None]
    guardian_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes]
    hint: Mapped[str]
    revoked_at: Mapped[datetime | None]
