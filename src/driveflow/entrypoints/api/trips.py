"""Routes of trips and their points; `POST .../points` is one of the hot jobs."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Depends, Query, Request
from fastapi.responses import Response

from driveflow.entrypoints import hot
from driveflow.entrypoints.api.accept import preferred
from driveflow.entrypoints.api.schemas import InstantIn, InstantOut, Output, school_router
from driveflow.entrypoints.deps import CREATED, Ctx
from driveflow.trips import formats, service
from driveflow.trips.models import Trip
from driveflow.trips.recording import record_batch
from driveflow.trips.track import MAX_POINTS_PER_BATCH, Fix, RejectReason

router = school_router()

GPX = "application/gpx+xml"
GEOJSON = "application/geo+json"
MAX_POINTS_PER_PAGE = 20_000


class TripOut(Output):
    """A recorded drive; `ended_at`, `distance_m` and `duration_sec` are null while it runs."""

    id: UUID
    lesson_id: UUID
    started_at: InstantOut
    ended_at: InstantOut | None
    distance_m: int | None
    duration_sec: int | None
    created_at: InstantOut


class TripStartedOut(TripOut):
    """A running trip with its device token for Traccar Client, shown only here."""

    device_token: str | None


@router.post(
    "/lessons/{lesson_id}/trips",
    tags=["trips"],
    status_code=CREATED,
    responses={200: {"model": TripStartedOut, "description": "A trip was running: that one."}},
)
async def start_trip(ctx: Ctx, lesson_id: UUID, response: Response) -> TripStartedOut:
    """Start recording a drive of a lesson in progress.

    While one is running, that one is returned with a new device token; the token before stops working.
    """
    started = await service.start_trip(ctx.session, ctx.actor, lesson_id, now=ctx.now)
    if not started.is_new:
        response.status_code = 200
    trip = TripOut.model_validate(started.trip)
    ctx.keep_secret("device_token")
    return TripStartedOut(**trip.model_dump(), device_token=started.device_token)


@router.get("/lessons/{lesson_id}/trips", tags=["trips"])
async def list_trips(ctx: Ctx, lesson_id: UUID) -> list[TripOut]:
    """Return the trips of a lesson, oldest first."""
    trips = await service.list_trips(ctx.session, ctx.actor, lesson_id)
    return [TripOut.model_validate(trip) for trip in trips]


@router.get("/trips/{trip_id}", tags=["trips"])
async def get_trip(ctx: Ctx, trip_id: UUID) -> TripOut:
    """Return a trip."""
    return TripOut.model_validate(await service.get_trip(ctx.session, ctx.actor, trip_id))


@router.post("/trips/{trip_id}/stop", tags=["trips"])
async def stop_trip(ctx: Ctx, trip_id: UUID) -> TripOut:
    """Stop recording; batches that the phone still holds may follow."""
    return TripOut.model_validate(await service.stop_trip(ctx.session, ctx.actor, trip_id, now=ctx.now))


class PointIn(msgspec.Struct, forbid_unknown_fields=True):
    """A GPS fix of a phone: when, where (WGS 84), how fast, and within which radius of error."""

    ts: Annotated[datetime, msgspec.Meta(tz=True)]
    lat: float
    lng: float
    speed_kph: float | None = None
    accuracy_m: float | None = None


_Points = Annotated[list[PointIn], msgspec.Meta(min_length=1, max_length=MAX_POINTS_PER_BATCH)]
_POINTS = msgspec.json.Decoder(_Points)


class RejectedOut(Output):
    """A refused fix: its place in the batch, from 0, and why."""

    index: int
    reason: RejectReason
    message: str


class RecordedOut(Output):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[RejectedOut]


async def add_points(request: Request) -> Response:
    """Store up to 1,000 fixes of a trip, sorted by time; the same fix again is a duplicate, not an error.

    A stopped trip takes late batches with fixes from within its times. `Idempotency-Key` is not needed.
    """
    entry = await hot.enter(request)
    trip_id = hot.path_id(request, "trip_id")
    points = await hot.decode_body(request, _POINTS)
    fixes = [Fix(point.ts, point.lat, point.lng, point.speed_kph, point.accuracy_m) for point in points]
    recorded = await record_batch(entry.services.database, entry.actor, trip_id, fixes, now=entry.now)
    return hot.json_response(recorded)


async def _trip(trip_id: UUID) -> UUID:
    return trip_id


router.add_api_route(
    "/trips/{trip_id}/points",
    add_points,
    methods=["POST"],
    tags=["trips"],
    dependencies=[Depends(_trip)],
    response_model=RecordedOut,
    openapi_extra=hot.msgspec_body(_Points),
    route_class_override=hot.HotRoute,
)


class PointOut(Output):
    """A stored fix."""

    ts: InstantOut
    lat: float
    lng: float
    speed_kph: float | None
    accuracy_m: float | None


class PointsOut(Output):
    """Stored fixes by time; `next_cursor` is null unless there are more."""

    items: list[PointOut]
    next_cursor: str | None


@router.get(
    "/trips/{trip_id}/points",
    tags=["trips"],
    response_model=PointsOut,
    responses={
        200: {"content": {GPX: {"schema": {"type": "string"}}, GEOJSON: {"schema": {"type": "object"}}}}
    },
)
async def list_points(
    ctx: Ctx,
    trip_id: UUID,
    request: Request,
    limit: Annotated[
        int, Query(ge=1, le=MAX_POINTS_PER_PAGE, description="Fixes of a page")
    ] = MAX_POINTS_PER_PAGE,
    cursor: Annotated[
        InstantIn | None, Query(description="`next_cursor` of the page before, or any time: fixes after it")
    ] = None,
) -> Response:
    """Return a trip's fixes as JSON, GPX 1.1 or GeoJSON, as `Accept` says; only JSON comes in pages."""
    kind = preferred(request.headers.get("accept", ""), (hot.JSON, GPX, GEOJSON))
    if kind == hot.JSON:
        _, fixes = await service.read_track(
            ctx.session, ctx.actor, trip_id, now=ctx.now, after=cursor, limit=limit + 1
        )
        page = fixes[:limit]
        response = hot.json_response(
            {
                "items": [fix._asdict() for fix in page],
                "next_cursor": page[-1].ts if len(fixes) > limit else None,
            }
        )
    else:
        trip, fixes = await service.read_track(ctx.session, ctx.actor, trip_id, now=ctx.now)
        # A long track takes a second of computing, which other requests need not wait for.
        response = await asyncio.to_thread(_gpx if kind == GPX else _geojson, trip, fixes)
    response.headers["Vary"] = "Accept"
    return response


def _gpx(trip: Trip, fixes: Sequence[Fix]) -> Response:
    return Response(
        formats.to_gpx(fixes, f"Trip {trip.id}"),
        media_type=GPX,
        headers={"Content-Disposition": f'attachment; filename="trip-{trip.id}.gpx"'},
    )


def _geojson(trip: Trip, fixes: Sequence[Fix]) -> Response:
    properties = TripOut.model_validate(trip).model_dump(mode="json")
    return Response(msgspec.json.encode(formats.to_geojson(fixes, properties)), media_type=GEOJSON)
