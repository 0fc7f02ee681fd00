"""Routes of bookings; making one and listing them are hot jobs."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from driveflow.bookings import creation, moves, rescheduling, service
from driveflow.bookings.creation import NewBooking, Place, SeriesItem
from driveflow.bookings.listing import BookingQuery, list_bookings
from driveflow.core.actor import Actor
from driveflow.core.errors import DriveFlowError
from driveflow.entrypoints import hot
from driveflow.entrypoints.api.audit import AuditOut
from driveflow.entrypoints.api.booking_pages import page_as_json
from driveflow.entrypoints.api.booking_schemas import (
    BookingIn,
    BookingOut,
    BookingSummaryOut,
    BookingUpdate,
    CancelIn,
    CancellationQuoteOut,
    CompleteIn,
    ListParameters,
    RescheduleIn,
    SeriesItemOut,
    SeriesOut,
    StartedOut,
    WaiveIn,
    shown,
)
from driveflow.entrypoints.api.schemas import (
    PROBLEMS,
    PageOut,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, Ctx
from driveflow.lessons import service as lessons
from driveflow.trips import service as trips

router = school_router("/bookings")
hot_router = APIRouter(prefix="/orgs/{org_id}/bookings", route_class=hot.HotRoute, responses=PROBLEMS)

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


_LIST_PARAMETERS = TypeAdapter(ListParameters)


async def list_all(request: Request) -> Response:
    """Return bookings by start; one page holds a busy week."""
    entry = await hot.enter(request)
    query = BookingQuery(**hot.parse_query(request, _LIST_PARAMETERS).model_dump())

    async def read(connection: asyncpg.Connection) -> Response:
        page = await list_bookings(connection, entry.actor, query)
        return Response(page_as_json(page), media_type=hot.JSON)

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


@router.post("/{booking_id}/waive-fee", tags=["bookings"])
async def waive_fee(ctx: Ctx, booking_id: UUID, body: WaiveIn) -> BookingOut:
    """Waive the fee of a booking that was cancelled or missed."""
    booking, _ = await moves.waive_fee(ctx.session, ctx.actor, booking_id, reason=body.reason, now=ctx.now)
    return shown(booking, ctx.actor)


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


@router.post("/{booking_id}/start", tags=["bookings"])
async def start_booking(ctx: Ctx, booking_id: UUID) -> StartedOut:
    """Begin the lesson."""
    lesson = await lessons.start_lesson(ctx.session, ctx.actor, booking_id, now=ctx.now)
    return await _with_lesson(ctx, booking_id, lesson.id)


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
