"""Routes of lessons: what happened, how it went."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from driveflow.entrypoints.api.schemas import (
    InstantIn,
    InstantOut,
    Note,
    Output,
    PageOut,
    Paging,
    Versioned,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import Ctx
from driveflow.lessons import service

router = school_router()

Rating = Annotated[int, Field(ge=1, le=5)]


class LessonUpdate(Versioned):
    """Changes of a lesson with the version they are based on; null takes a rating or notes back."""

    rating: Rating | None = None
    notes: Note | None = None


class LessonOut(Output):
    """A lesson that began; `distance_m` and `duration_sec` are set when it ends."""

    id: UUID
    booking_id: UUID
    instructor_id: UUID
    student_id: UUID
    started_at: InstantOut | None
    ended_at: InstantOut | None
    rating: int | None
    notes: str | None
    distance_m: int | None
    duration_sec: int | None
    version: int
    created_at: InstantOut
    updated_at: InstantOut


@router.get("/lessons", tags=["lessons"])
async def list_lessons(
    ctx: Ctx,
    paging: Paging,
    *,
    since: Annotated[InstantIn | None, Query(alias="from", description="Begun at or after")] = None,
    until: Annotated[InstantIn | None, Query(alias="to", description="Begun before")] = None,
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    booking_id: UUID | None = None,
) -> PageOut[LessonOut]:
    """Return lessons, newest first; instructors, students and guardians get their own."""
    page = await service.list_lessons(
        ctx.session,
        ctx.actor,
        paging,
        since=since,
        until=until,
        instructor_id=instructor_id,
        student_id=student_id,
        booking_id=booking_id,
    )
    return PageOut[LessonOut].model_validate(page_out(page, LessonOut))


@router.get("/lessons/{lesson_id}", tags=["lessons"])
async def get_lesson(ctx: Ctx, lesson_id: UUID) -> LessonOut:
    """Return a lesson."""
    return LessonOut.model_validate(await service.get_lesson(ctx.session, ctx.actor, lesson_id))


@router.patch("/lessons/{lesson_id}", tags=["lessons"])
async def update_lesson(ctx: Ctx, lesson_id: UUID, body: LessonUpdate) -> LessonOut:
    """Rate a lesson and keep notes on it."""
    changes = body.changes()
    version = ctx.version(changes)
    lesson = await service.update_lesson(
        ctx.session, ctx.actor, lesson_id, changes, version=version, now=ctx.now
    )
    return LessonOut.model_validate(lesson)
