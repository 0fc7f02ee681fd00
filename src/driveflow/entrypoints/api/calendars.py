"""Routes of calendar feeds: their making and revoking, and the files that calendars subscribe to."""

import asyncio
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from driveflow.calendars import reading, service
from driveflow.calendars.entries import Reader
from driveflow.entrypoints.api.schemas import (
    PROBLEMS,
    Input,
    InstantOut,
    Output,
    PageOut,
    Paging,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, NO_CONTENT, Ctx, SafeRoute, services_of

router = school_router()
public_router = APIRouter(
    route_class=SafeRoute,
    tags=["calendar feeds"],
    responses={status: PROBLEMS[status] for status in (404, 422, 429, 503)},
)

CALENDAR = "text/calendar"
_NOT_MODIFIED = HTTPStatus.NOT_MODIFIED.value
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The calendar file", "content": {CALENDAR: {"schema": {"type": "string"}}}},
    _NOT_MODIFIED: {"description": "Nothing has changed since the ETag of If-None-Match"},
}


class CalendarFeedIn(Input):
    """Whose feed: an instructor's, a student's, or else one's own, which for staff is the whole school's."""

    instructor_id: UUID | None = None
    student_id: UUID | None = None


class CalendarFeedOut(Output):
    """A feed without its secret; `hint` is its end."""

    id: UUID
    reader: Reader
    instructor_id: UUID | None
    student_id: UUID | None
    guardian_id: UUID | None
    hint: str
    created_at: InstantOut


class CalendarFeedCreatedOut(CalendarFeedOut):
    """A new feed with its secret address, shown only here: null when the answer is repeated."""

    url: str | None


@router.get("/calendar-feeds", tags=["calendar feeds"])
async def list_calendar_feeds(ctx: Ctx, paging: Paging) -> PageOut[CalendarFeedOut]:
    """Return feeds that are not revoked; instructors, students and guardians get their own."""
    page = await service.list_feeds(ctx.session, ctx.actor, paging)
    return PageOut[CalendarFeedOut].model_validate(page_out(page, CalendarFeedOut))


@router.post("/calendar-feeds", tags=["calendar feeds"], status_code=CREATED)
async def create_calendar_feed(ctx: Ctx, body: CalendarFeedIn) -> CalendarFeedCreatedOut:
    """Make a feed; the answer is the only place that shows its address."""
    made = await service.create_feed(
        ctx.session, ctx.actor, instructor_id=body.instructor_id, student_id=body.student_id, now=ctx.now
    )
    ctx.keep_secret("url")
    return CalendarFeedCreatedOut(
        **CalendarFeedOut.model_validate(made.row).model_dump(),
        url=f"{ctx.services.settings.public_base}/calendar/{made.token}.ics",
    )


@router.delete("/calendar-feeds/{feed_id}", tags=["calendar feeds"], status_code=NO_CONTENT)
async def revoke_calendar_feed(ctx: Ctx, feed_id: UUID) -> None:
    """Revoke a feed: its address stops working at once, and calendars keep what they last read."""
    await service.revoke_feed(ctx.session, ctx.actor, feed_id, now=ctx.now)


@public_router.get(
    "/calendar/{token}.ics", response_class=Response, responses=_FILE, openapi_extra={"security": []}
)
async def read_calendar(token: str, request: Request) -> Response:
    """Return a feed's lessons as a calendar file; the token in the address is the right to read it."""
    services = services_of(request)
    # A token that has proved itself has a rate of its own; guesses count against their address.
    caller = f"calendar {token}"
    address = request.client.host if request.client else None
    services.rate_limits.check(caller, address)
    content = await reading.read_feed(services.database, token, now=services.clock())
    services.rate_limits.proven(caller, address)
    headers = {
        "ETag": f'"{content.etag}"',
        "Last-Modified": _http_date(content.changed_at),
        "Cache-Control": "private, no-cache",
    }
    # Not If-Modified-Since: a lesson that leaves the feed makes its newest change older, not newer.
    if matches(request.headers.get("if-none-match"), content.etag):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    file = await asyncio.to_thread(content.file)
    headers["Content-Disposition"] = 'inline; filename="lessons.ics"'
    return Response(file, media_type=CALENDAR, headers=headers)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Tell whether an If-None-Match header names an ETag, or any (RFC 9110, section 13.1.2)."""
    named = [mark.strip().removeprefix("W/") for mark in (if_none_match or "").split(",")]
    return "*" in named or f'"{etag}"' in named


def _http_date(instant: datetime) -> str:
    return format_datetime(instant, usegmt=True)
