"""Routes of bookings; making one and listing them are hot jobs."""

from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter, model_validator

from driveflow.bookings import creation, moves, rescheduling, service
from driveflow.bookings.creation import NewBooking, Place, SeriesItem
from driveflow.bookings.lifecycle import BookingStatus
from driveflow.bookings.listing import BookingQuery, list_bookings
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor
from driveflow.core.errors import DriveFlowError
from driveflow.entrypoints import hot
from driveflow.entrypoints.api.audit import AuditOut
from driveflow.entrypoints.api.schemas import (
    PROBLEMS,
    Input,
    InstantIn,
    InstantOut,
    Line,
    Note,
    Output,
    PageOut,
    Versioned,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, Ctx
from driveflow.lessons import service as lessons
from driveflow.trips import service as trips

router = school_router("/bookings")
hot_router = APIRouter(prefix="/orgs/{org_id}/bookings", route_class=hot.HotRoute, responses=PROBLEMS)

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


_BOOKING_IN = TypeAdapter(BookingIn)


async def create_booking(request: Request) -> Response:
    """Book a lesson, or with `repeat` a weekly series.

    Staff confirm at once; a student, guardian or instructor requests, and the slot is held for a while.
    """
    entry = await hot.enter(request)
    body = await hot.parse_body(request, _BOOKING_IN)
    wanted = NewBooking(
        student_id=body.student_id,
        instructor_id=body.instructor_id,
        service_id=body.service_id,
        start_at=body.start_at,
        pickup=Place(body.pickup_address, body.pickup_lat, body.pickup_lng),
        dropoff=Place(body.dropoff_address, body.dropoff_lat, body.dropoff_lng),
        notes=body.notes,
        override_hours=body.override_hours,
    )

    async def book(connection: asyncpg.Connection) -> Response:
        if body.repeat is not None:
            items = await creation.create_series(
                connection, entry.actor, wanted, weeks=body.repeat.weeks, now=entry.now
            )
            return _series_response(items, entry.actor)
        booking = await creation.create_booking(connection, entry.actor, wanted, now=entry.now)
        return Response(shown(booking, entry.actor).model_dump_json(), CREATED, media_type=hot.JSON)

    return await hot.run(request, entry, book, *creation.locks_for(entry.actor.org_id, wanted))


async def _creation_documented(org_id: UUID) -> UUID:
    return org_id


hot_router.add_api_route(
    "",
    create_booking,
    methods=["POST"],
    tags=["bookings"],
    status_code=CREATED,
    dependencies=[Depends(_creation_documented)],
    response_model=BookingOut | SeriesOut,
    openapi_extra=hot.json_body(_BOOKING_IN),
)


def _series_response(items: list[SeriesItem], actor: Actor) -> Response:
    booked = [item.booking for item in items if item.booking is not None]
    refusals = [item.refusal for item in items if item.refusal is not None]
    if not booked:
        first: DriveFlowError = refusals[0]
        raise first
    series = SeriesOut(
        time_zone=booked[0].time_zone,
        booked=len(booked),
        refused=len(refusals),
        items=[
            SeriesItemOut(
                local_start=item.local_start,
                start_at=item.start_at,
                booked=item.booking is not None,
                booking=shown(item.booking, actor) if item.booking else None,
                code=item.refusal.code if item.refusal else None,
                detail=item.refusal.message if item.refusal else None,
            )
            for item in items
        ],
    )
    return Response(series.model_dump_json(), CREATED, media_type=hot.JSON)


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


_LIST_PARAMETERS = TypeAdapter(ListParameters)


async def list_all(request: Request) -> Response:
    """Return bookings by start; one page holds a busy week."""
    entry = await hot.enter(request)
    query = BookingQuery(**hot.parse_query(request, _LIST_PARAMETERS).model_dump())

    async def read(connection: asyncpg.Connection) -> Response:
        return hot.json_response(await list_bookings(connection, entry.actor, query))

    return await hot.run(request, entry, read)


async def _list_documented(
    org_id: UUID, query: Annotated[ListParameters, Query()]
) -> tuple[UUID, ListParameters]:
    return org_id, query


hot_router.add_api_route(
    "",
    list_all,
    methods=["GET"],
    tags=["bookings"],
    dependencies=[Depends(_list_documented)],
    response_model=PageOut[BookingSummaryOut],
)


@router.get("/{booking_id}", tags=["bookings"])
async def get_booking(ctx: Ctx, booking_id: UUID) -> BookingOut:
    """Return a booking."""
    return shown(await service.load_visible(ctx.session, ctx.actor, booking_id), ctx.actor)


@router.patch("/{booking_id}", tags=["bookings"])
async def update_booking(ctx: Ctx, booking_id: UUID, body: BookingUpdate) -> BookingOut:
    """Change notes and addresses."""
    changes = body.changes()
    version = ctx.version(changes)
    booking = await service.update_booking(
        ctx.session, ctx.actor, booking_id, changes, version=version, now=ctx.now
    )
    return shown(booking, ctx.actor)


@router.post("/{booking_id}/confirm", tags=["bookings"])
async def confirm_booking(ctx: Ctx, booking_id: UUID) -> BookingOut:
    """Confirm a requested booking."""
    booking, _ = await moves.confirm(ctx.session, ctx.actor, booking_id, now=ctx.now)
    return shown(booking, ctx.actor)


class CancelIn(Input):
    """Why; `fee_cents` only for a lesson that had begun.

    `for_student`: staff take the student's call, so the student's fee applies (and may be waived).
    """

    reason: Line | None = None
    for_student: bool = False
    waive_fee: bool = False
    fee_cents: Annotated[int, Field(ge=0, le=100_000_000)] | None = None


@router.post("/{booking_id}/cancel", tags=["bookings"])
async def cancel_booking(ctx: Ctx, booking_id: UUID, body: CancelIn) -> BookingOut:
    """Cancel a booking; its policy decides the fee."""
    booking, _ = await moves.cancel(
        ctx.session,
        ctx.actor,
        booking_id,
        reason=body.reason,
        for_student=body.for_student,
        waive_fee=body.waive_fee,
        fee_cents=body.fee_cents,
        now=ctx.now,
    )
    return shown(booking, ctx.actor)


class WaiveIn(Input):
    """Why the school waives the fee."""

    reason: Annotated[Line, Field(min_length=1)]


@router.post("/{booking_id}/waive-fee", tags=["bookings"])
async def waive_fee(ctx: Ctx, booking_id: UUID, body: WaiveIn) -> BookingOut:
    """Waive the fee of a booking that was cancelled or missed."""
    booking, _ = await moves.waive_fee(ctx.session, ctx.actor, booking_id, reason=body.reason, now=ctx.now)
    return shown(booking, ctx.actor)


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


@router.get("/{booking_id}/cancellation-quote", tags=["bookings"])
async def quote_cancellation(
    ctx: Ctx,
    booking_id: UUID,
    for_student: Annotated[bool, Query(description="For staff: what the student would pay")] = False,  # noqa: FBT002 - a parameter of the query, always named
) -> CancellationQuoteOut:
    """Return what cancelling would cost the caller now."""
    booking, quote = await moves.quote_cancellation(
        ctx.session, ctx.actor, booking_id, for_student=for_student, now=ctx.now
    )
    return CancellationQuoteOut(
        booking_id=booking.id,
        price_cents=quote.price_cents,
        fee_cents=quote.fee_cents,
        currency=booking.currency,
        percent=quote.percent,
        is_late=quote.is_late,
        reason=quote.reason,
        by=quote.by.value,
    )


class RescheduleIn(Versioned):
    """The new time, and the version that the caller saw."""

    start_at: InstantIn
    instructor_id: UUID | None = None
    override_hours: bool = False


@router.post("/{booking_id}/reschedule", tags=["bookings"])
async def reschedule_booking(ctx: Ctx, booking_id: UUID, body: RescheduleIn) -> BookingOut:
    """Move a booking to another time or instructor; the price stays."""
    booking = await rescheduling.reschedule(
        ctx.session,
        ctx.actor,
        booking_id,
        rescheduling.NewTime(body.start_at, body.instructor_id, body.override_hours),
        version=ctx.version(body.changes()),
        now=ctx.now,
    )
    return shown(booking, ctx.actor)


@router.post("/{booking_id}/no-show", tags=["bookings"])
async def record_no_show(ctx: Ctx, booking_id: UUID) -> BookingOut:
    """Record that the student did not come."""
    booking, _ = await moves.no_show(ctx.session, ctx.actor, booking_id, now=ctx.now)
    return shown(booking, ctx.actor)


class StartedOut(Output):
    """The running booking and its lesson."""

    booking: BookingOut
    lesson_id: UUID


@router.post("/{booking_id}/start", tags=["bookings"])
async def start_booking(ctx: Ctx, booking_id: UUID) -> StartedOut:
    """Begin the lesson."""
    lesson = await lessons.start_lesson(ctx.session, ctx.actor, booking_id, now=ctx.now)
    return await _with_lesson(ctx, booking_id, lesson.id)


class CompleteIn(Input):
    """Rating 1 to 5 and notes of the lesson; a reason where the start was forgotten."""

    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    notes: Note | None = None
    reason: Line | None = None


@router.post("/{booking_id}/complete", tags=["bookings"])
async def complete_booking(ctx: Ctx, booking_id: UUID, body: CompleteIn) -> StartedOut:
    """End the lesson, stop its trips, keep rating and notes."""
    lesson = await trips.finish_lesson(
        ctx.session,
        ctx.actor,
        booking_id,
        rating=body.rating,
        notes=body.notes,
        reason=body.reason,
        now=ctx.now,
    )
    return await _with_lesson(ctx, booking_id, lesson.id)


async def _with_lesson(ctx: Ctx, booking_id: UUID, lesson_id: UUID) -> StartedOut:
    booking = await service.load_visible(ctx.session, ctx.actor, booking_id)
    return StartedOut(booking=shown(booking, ctx.actor), lesson_id=lesson_id)


@router.get("/{booking_id}/events", tags=["bookings"])
async def list_booking_events(ctx: Ctx, booking_id: UUID) -> list[AuditOut]:
    """Return the booking's audit trail, oldest first."""
    trail: list[Any] = await service.events_of(ctx.session, ctx.actor, booking_id)
    return [AuditOut.model_validate(row) for row in trail]
