"""Routes of instructors' weekly hours and exceptions."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Query
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails

from driveflow.availability import service
from driveflow.availability.slots import WeeklyWindow
from driveflow.entrypoints.api.schemas import (
    DayIn,
    Input,
    Line,
    Output,
    PageOut,
    Paging,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import NO_CONTENT, Ctx

router = school_router("/instructors/{instructor_id}")

StartMinute = Annotated[int, Field(ge=0, le=1439, description="Minute of the school's local day")]
EndMinute = Annotated[int, Field(ge=1, le=1440, description="Minute of the school's local day")]


class WindowIn(Input):
    """Hours of work on one weekday, within the effective dates (both included)."""

    day_of_week: Annotated[int, Field(ge=0, le=6, description="0 is Monday")]
    start_minute: StartMinute
    end_minute: EndMinute
    effective_from: DayIn | None = None
    effective_to: DayIn | None = None


class WindowOut(Output):
    """Hours of work on one weekday, within the effective dates (both included)."""

    day_of_week: int
    start_minute: int
    end_minute: int
    effective_from: dt.date | None
    effective_to: dt.date | None


class ExceptionIn(Input):
    """What changes on one day: time added to the hours or taken from them, without minutes the whole day."""

    is_available: bool
    start_minute: StartMinute | None = None
    end_minute: EndMinute | None = None
    note: Line | None = None


class ExceptionOut(Output):
    """One day on which the weekly hours do not hold."""

    date: dt.date
    is_available: bool
    start_minute: int | None
    end_minute: int | None
    note: str | None


def _named_windows(value: object, handler: ValidatorFunctionWrapHandler) -> list[WindowIn]:
    # The body is a bare list: without this its errors would be named by a number alone.
    try:
        windows: list[WindowIn] = handler(value)
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title,
            [
                InitErrorDetails(
                    type=item["type"],
                    loc=("windows", *item["loc"]),
                    input=item["input"],
                    ctx=item.get("ctx", {}),
                )
                for item in error.errors()
            ],
        ) from error
    return windows


WindowsIn = Annotated[
    list[WindowIn], Field(max_length=100), WrapValidator(_named_windows), Body(description="All of them")
]


@router.get("/availability", tags=["availability"])
async def get_availability(ctx: Ctx, instructor_id: UUID) -> list[WindowOut]:
    """Return an instructor's weekly hours."""
    windows = await service.get_windows(ctx.session, ctx.actor, instructor_id)
    return [WindowOut.model_validate(window) for window in windows]


@router.put("/availability", tags=["availability"])
async def replace_availability(ctx: Ctx, instructor_id: UUID, body: WindowsIn) -> list[WindowOut]:
    """Replace an instructor's weekly hours; bookings made before stay."""
    windows = await service.replace_windows(
        ctx.session,
        ctx.actor,
        instructor_id,
        [WeeklyWindow(**window.model_dump()) for window in body],
        now=ctx.now,
    )
    return [WindowOut.model_validate(window) for window in windows]


@router.get("/exceptions", tags=["availability"])
async def list_exceptions(
    ctx: Ctx,
    instructor_id: UUID,
    paging: Paging,
    first_day: Annotated[DayIn | None, Query(alias="from")] = None,
    last_day: Annotated[DayIn | None, Query(alias="to", description="Included")] = None,
) -> PageOut[ExceptionOut]:
    """Return an instructor's exceptions by date."""
    page = await service.list_exceptions(
        ctx.session, ctx.actor, instructor_id, paging, first_day=first_day, last_day=last_day
    )
    return PageOut[ExceptionOut].model_validate(page_out(page, ExceptionOut))


@router.put("/exceptions/{date}", tags=["availability"])
async def set_exception(
    ctx: Ctx, instructor_id: UUID, day: Annotated[DayIn, Path(alias="date")], body: ExceptionIn
) -> ExceptionOut:
    """Make a day an exception, or change the one it is."""
    row = await service.set_exception(
        ctx.session, ctx.actor, instructor_id, day, **body.model_dump(), now=ctx.now
    )
    return ExceptionOut.model_validate(row)


@router.delete("/exceptions/{date}", tags=["availability"], status_code=NO_CONTENT)
async def remove_exception(ctx: Ctx, instructor_id: UUID, day: Annotated[DayIn, Path(alias="date")]) -> None:
    """Let the weekly hours hold on this day again."""
    await service.remove_exception(ctx.session, ctx.actor, instructor_id, day, now=ctx.now)
