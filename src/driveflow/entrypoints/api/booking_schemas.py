"""Schemas of bookings: what `bookings.py` takes and answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from driveflow.bookings import creation, service
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor
from driveflow.entrypoints.api.schemas import (
    Input,
    InstantIn,
    InstantOut,
    Line,
    Note,
    Output,
    Versioned,
)

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Places(Input):
    """Where the lesson begins and ends; a position needs both of its numbers."""

    pickup_address: Line | None = None
    pickup_lat: Latitude | None = None
    pickup_lng: Longitude | None = None
    dropoff_address: Line | None = None
    dropoff_lat: Latitude | None = None
    dropoff_lng: Longitude | None = None

    @model_validator(mode="after")
    def _whole_positions(self) -> "Places":
        for place in ("pickup", "dropoff"):
            if (getattr(self, f"{place}_lat") is None) != (getattr(self, f"{place}_lng") is None):
                raise ValueError(f"{place}_lat and {place}_lng go together")
        return self


class Repeat(Input):
    """The same wall time in so many weeks running, the first included."""

    weeks: Annotated[int, Field(ge=2, le=creation.MAX_SERIES_WEEKS)]


class BookingIn(Places):
    """A booking to make; `override_hours` lets staff book outside hours, notice, horizon and grid."""

    student_id: UUID
    instructor_id: UUID
    service_id: UUID
    start_at: InstantIn
    notes: Note | None = None
    override_hours: bool = False
    repeat: Repeat | None = None


class BookingUpdate(Versioned, Places):
    """Changes of what is neither status nor time."""

    notes: Note | None = None


class BookingOut(Output):
    """A booking; `fee_cents` is what its cancellation or no-show cost.

    The split of the price is null for students and guardians.
    """

    id: UUID
    student_id: UUID
    instructor_id: UUID
    service_id: UUID
    start_at: InstantOut
    end_at: InstantOut
    time_zone: str
    status: str
    pickup_address: str | None
    pickup_lat: float | None
    pickup_lng: float | None
    dropoff_address: str | None
    dropoff_lat: float | None
    dropoff_lng: float | None
    currency: str
    price_cents: int
    platform_fee_cents: int | None
    instructor_share_cents: int | None
    notes: str | None
    version: int
    cancellation_tiers: list[dict[str, int]]
    hold_expires_at: InstantOut | None
    series_id: UUID | None
    cancelled_at: InstantOut | None
    cancelled_by: str | None
    cancel_reason: str | None
    fee_cents: int | None
    fee_waived_at: InstantOut | None
    fee_waived_by: UUID | None
    created_at: InstantOut
    updated_at: InstantOut


def shown(booking: Booking, actor: Actor) -> BookingOut:
    """Return a booking as the actor may see it."""
    answer = BookingOut.model_validate(booking)
    if not service.sees_split(actor, booking):
        answer.platform_fee_cents = answer.instructor_share_cents = None
    return answer


class SeriesItemOut(Output):
    """One date of a series: booked, or why not."""

    local_start: str
    start_at: InstantOut | None
    booked: bool
    booking: BookingOut | None
    code: str | None
    detail: str | None


class SeriesOut(Output):
    """The dates of a series in order."""

    time_zone: str
    booked: int
    refused: int
    items: list[SeriesItemOut]


class BookingSummaryOut(Output):
    """A booking in a list."""

    id: UUID
    start_at: InstantOut
    end_at: InstantOut
    status: str
    student_id: UUID
    student_name: str
    instructor_id: UUID
    instructor_name: str
    service_id: UUID
    service_name: str
    currency: str
    price_cents: int
    fee_cents: int | None
    pickup_address: str | None
    hold_expires_at: InstantOut | None
    series_id: UUID | None
    version: int


class ListParameters(BaseModel):
    """Which bookings."""

    since: Annotated[InstantIn | None, Field(alias="from", description="Earliest start")] = None
    until: Annotated[InstantIn | None, Field(alias="to", description="Starts before this")] = None
    instructor_id: UUID | None = None
    student_id: UUID | None = None
    status: BookingStatus | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: Annotated[str | None, Field(max_length=500)] = None


class CancelIn(Input):
    """Why; `fee_cents` only for a lesson that had begun.

    `for_student`: staff take the student's call, so the student's fee applies (and may be waived).
    """

    reason: Line | None = None
    for_student: bool = False
    waive_fee: bool = False
    fee_cents: Annotated[int, Field(ge=0, le=100_000_000)] | None = None


class WaiveIn(Input):
    """Why the school waives the fee."""

    reason: Annotated[Line, Field(min_length=1)]


class CancellationQuoteOut(Output):
    """What cancelling costs now, and why."""

    booking_id: UUID
    price_cents: int
    fee_cents: int
    currency: str
    percent: int | None
    is_late: bool
    reason: str
    by: Literal["student", "guardian", "instructor", "school", "system"]


class RescheduleIn(Versioned):
    """The new time, and the version that the caller saw."""

    start_at: InstantIn
    instructor_id: UUID | None = None
    override_hours: bool = False


class StartedOut(Output):
    """The running booking and its lesson."""

    booking: BookingOut
    lesson_id: UUID


class CompleteIn(Input):
    """Rating 1 to 5 and notes of the lesson; a reason where the start was forgotten."""

    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    notes: Note | None = None
    reason: Line | None = None
