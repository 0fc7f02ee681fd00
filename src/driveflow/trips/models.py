"""Tables of trips and their points (seed step 7)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin

PARTITIONS_BACK = 3
"""Months before the first migration for which points have a partition of their own."""
PARTITIONS_AHEAD = 3
"""Months that the worker is ahead with partitions."""


class Trip(Base, TenantMixin, CreatedMixin):
    """A recorded drive of a lesson; at most one of a lesson is open."""

    __tablename__ = "trips"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "lesson_id"], ["lessons.org_id", "lessons.id"], ondelete="CASCADE"),
        Index(None, "org_id", "lesson_id"),
        Index(
            "trips_one_open_key",
            "org_id",
            "lesson_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        UniqueConstraint("org_id", "device_token_hash"),
        CheckConstraint("ended_at >= started_at", name="times"),
    )

    lesson_id: Mapped[UUID]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    device_token_hash: Mapped[bytes | None]
    distance_m: Mapped[int | None] = mapped_column("distance_meters")
    duration_sec: Mapped[int | None]


class TripPoint(Base):
    """One accepted GPS fix; partitioned by month of `ts`, no surrogate id (schema decisions 1 and 12)."""

    __tablename__ = "trip_points"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "trip_id"], ["trips.org_id", "trips.id"], ondelete="CASCADE"),
        CheckConstraint("lat BETWEEN -90 AND 90", name="lat"),
        CheckConstraint("lng BETWEEN -180 AND 180", name="lng"),
        CheckConstraint("speed_kph >= 0", name="speed_kph"),
        {"postgresql_partition_by": "RANGE (ts)"},
    )

    # No foreign key of its own to the school: the trip has it, and each one costs on every point.
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[UUID] = mapped_column(primary_key=True)
    ts: Mapped[datetime] = mapped_column(primary_key=True)
    lat: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    lng: Mapped[Decimal] = mapped_column(Numeric(9, 6))
    speed_kph: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    accuracy_m: Mapped[float | None] = mapped_column(REAL)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
