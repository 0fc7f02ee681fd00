"""What messages tell of: a school, a booking, its lesson, an amount; people's texts are cleaned here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from driveflow.bookings.cancellation import CancelledBy
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.bookings.models import Booking
from driveflow.lessons.models import Lesson
from driveflow.messaging.wording import clean
from driveflow.orgs.models import Org

NAME: Final = 100
PLACE: Final = 200
REMARK: Final = 1000


@dataclass(frozen=True, slots=True)
class SchoolTold:
    """The school that writes."""

    id: UUID
    name: str
    locale: str
    email: str | None
    phone: str
    address: str

    @classmethod
    def of(cls, org: Org) -> Self:
        """Return what is told of a school."""
        return cls(
            id=org.id,
            name=clean(org.name, NAME),
            locale=org.locale,
            email=org.email,
            phone=clean(org.phone, NAME),
            address=clean(org.address, PLACE),
        )


@dataclass(frozen=True, slots=True)
class BookingTold:
    """A booking; `expired` is a request that nobody confirmed in time."""

    id: UUID
    version: int
    status: BookingStatus
    start_at: datetime
    end_at: datetime
    time_zone: str
    service: str
    student: str
    instructor: str
    pickup: str
    price_cents: int
    currency: str
    fee_cents: int
    fee_waived: bool
    reason: str
    expired: bool
    hold_expires_at: datetime | None

    @classmethod
    def of(cls, booking: Booking, *, service: str, student: str, instructor: str) -> Self:
        """Return what is told of a booking."""
        return cls(
            id=booking.id,
            version=booking.version,
            status=BookingStatus(booking.status),
            start_at=booking.start_at,
            end_at=booking.end_at,
            time_zone=booking.time_zone,
            service=clean(service, NAME),
            student=clean(student, NAME),
            instructor=clean(instructor, NAME),
            pickup=clean(booking.pickup_address, PLACE),
            price_cents=booking.price_cents,
            currency=booking.currency,
            fee_cents=booking.fee_cents or 0,
            fee_waived=booking.fee_waived_at is not None,
            reason=clean(booking.cancel_reason, REMARK),
            expired=booking.cancelled_by == CancelledBy.SYSTEM,
            hold_expires_at=booking.hold_expires_at,
        )


@dataclass(frozen=True, slots=True)
class LessonTold:
    """A lesson that was given."""

    id: UUID
    duration_sec: int | None
    distance_m: int | None
    rating: int | None
    notes: str

    @classmethod
    def of(cls, lesson: Lesson) -> Self:
        """Return what is told of a lesson."""
        return cls(
            lesson.id, lesson.duration_sec, lesson.distance_m, lesson.rating, clean(lesson.notes, REMARK)
        )


@dataclass(frozen=True, slots=True)
class MoneyTold:
    """An amount that was paid, refunded or paid out."""

    amount_cents: int
    currency: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a message may tell; `now` is when it is written."""

    school: SchoolTold
    now: datetime
    booking: BookingTold | None = None
    lesson: LessonTold | None = None
    money: MoneyTold | None = None
