"""Routes of students; their guardians are in `guardians.py`."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from driveflow.entrypoints.api.schemas import (
    Channel,
    DayIn,
    Email,
    Input,
    InstantOut,
    LocaleName,
    Name,
    Note,
    Output,
    PageOut,
    Paging,
    Phone,
    SearchText,
    Versioned,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, NO_CONTENT, Ctx
from driveflow.people import service, students

router = school_router()


class StudentIn(Input):
    """A new student."""

    full_name: Name
    phone: Phone | None = None
    email: Email | None = None
    dob: DayIn | None = None
    notes: Note | None = None
    preferred_channel: Channel = "email"
    locale: LocaleName | None = None


class StudentUpdate(Versioned):
    """Changes of a student with the version they are based on; null clears what may be empty."""

    # The factory only makes it optional: a field that was not sent is not among the changes.
    full_name: Annotated[Name, Field(default_factory=str)]
    phone: Phone | None = None
    email: Email | None = None
    dob: DayIn | None = None
    notes: Note | None = None
    preferred_channel: Annotated[Channel, Field(default_factory=str)]
    locale: LocaleName | None = None


class StudentOut(Output):
    """A student."""

    id: UUID
    full_name: str
    phone: str | None
    email: str | None
    dob: date | None
    notes: str | None
    preferred_channel: Channel
    locale: str | None
    user_id: UUID | None
    version: int
    created_at: InstantOut


@router.get("/students", tags=["students"])
async def list_students(ctx: Ctx, paging: Paging, q: SearchText = None) -> PageOut[StudentOut]:
    """Return students by name; students and guardians get their own only."""
    page = await students.list_students(ctx.session, ctx.actor, paging, search=q)
    return PageOut[StudentOut].model_validate(page_out(page, StudentOut))


@router.post("/students", tags=["students"], status_code=CREATED)
async def create_student(ctx: Ctx, body: StudentIn) -> StudentOut:
    """Add a student."""
    row = await students.create_student(ctx.session, ctx.actor, body.model_dump(), now=ctx.now)
    return StudentOut.model_validate(row)


@router.get("/students/{student_id}", tags=["students"])
async def get_student(ctx: Ctx, student_id: UUID) -> StudentOut:
    """Return a student."""
    return StudentOut.model_validate(await service.get_student(ctx.session, ctx.actor, student_id))


@router.patch("/students/{student_id}", tags=["students"])
async def update_student(ctx: Ctx, student_id: UUID, body: StudentUpdate) -> StudentOut:
    """Change a student."""
    changes = body.changes()
    version = ctx.version(changes)
    row = await students.update_student(
        ctx.session, ctx.actor, student_id, changes, version=version, now=ctx.now
    )
    return StudentOut.model_validate(row)


@router.delete("/students/{student_id}", tags=["students"], status_code=NO_CONTENT)
async def delete_student(ctx: Ctx, student_id: UUID) -> None:
    """Remove a student who never had a booking; 409 `in_use` otherwise."""
    await students.delete_student(ctx.session, ctx.actor, student_id, now=ctx.now)
