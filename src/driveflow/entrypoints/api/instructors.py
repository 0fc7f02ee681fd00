"""Routes of instructors; their hours are in `availability.py`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field

from driveflow.core.actor import Actor
from driveflow.entrypoints.api.schemas import (
    Input,
    InstantOut,
    Line,
    Name,
    Output,
    PageOut,
    Paging,
    Phone,
    Versioned,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, NO_CONTENT, Ctx
from driveflow.people import instructors, service
from driveflow.people.models import Instructor

router = school_router()

FeeBps = Annotated[int, Field(ge=0, le=10_000, description="Instead of the school's; 500 is 5 %")]


class InstructorIn(Input):
    """A new instructor."""

    display_name: Name
    phone: Phone | None = None
    license_id: Line | None = None
    active: bool = True
    fee_bps: FeeBps | None = None


class InstructorUpdate(Versioned):
    """Changes of an instructor with the version they are based on; null clears what may be empty."""

    # The factories only make these optional: a field that was not sent is not among the changes.
    display_name: Annotated[Name, Field(default_factory=str)]
    phone: Phone | None = None
    license_id: Line | None = None
    active: Annotated[bool, Field(default_factory=bool)]
    fee_bps: FeeBps | None = None


class InstructorOut(Output):
    """An instructor; `license_id`, `fee_bps` and `kyc_status` are for staff and that instructor only."""

    id: UUID
    display_name: str
    phone: str | None
    active: bool
    user_id: UUID | None
    license_id: str | None
    fee_bps: int | None
    kyc_status: str | None
    version: int
    created_at: InstantOut


def _shown(row: Instructor, actor: Actor) -> InstructorOut:
    out = InstructorOut.model_validate(row)
    if service.sees_terms(actor, row.id):
        return out
    return out.model_copy(update={"license_id": None, "fee_bps": None, "kyc_status": None})


@router.get("/instructors", tags=["instructors"])
async def list_instructors(
    ctx: Ctx,
    paging: Paging,
    active: Annotated[bool | None, Query(description="Only active ones, or only inactive ones")] = None,
) -> PageOut[InstructorOut]:
    """Return instructors by name."""
    page = await instructors.list_instructors(ctx.session, ctx.actor, paging, active=active)
    return PageOut(items=[_shown(row, ctx.actor) for row in page.items], next_cursor=page.next_cursor)


@router.post("/instructors", tags=["instructors"], status_code=CREATED)
async def create_instructor(ctx: Ctx, body: InstructorIn) -> InstructorOut:
    """Add an instructor."""
    row = await instructors.create_instructor(ctx.session, ctx.actor, body.model_dump(), now=ctx.now)
    return _shown(row, ctx.actor)


@router.get("/instructors/{instructor_id}", tags=["instructors"])
async def get_instructor(ctx: Ctx, instructor_id: UUID) -> InstructorOut:
    """Return an instructor."""
    return _shown(await service.get_instructor(ctx.session, ctx.actor, instructor_id), ctx.actor)


@router.patch("/instructors/{instructor_id}", tags=["instructors"])
async def update_instructor(ctx: Ctx, instructor_id: UUID, body: InstructorUpdate) -> InstructorOut:
    """Change an instructor."""
    changes: dict[str, Any] = body.changes()
    version = ctx.version(changes)
    row = await instructors.update_instructor(
        ctx.session, ctx.actor, instructor_id, changes, version=version, now=ctx.now
    )
    return _shown(row, ctx.actor)


@router.delete("/instructors/{instructor_id}", tags=["instructors"], status_code=NO_CONTENT)
async def delete_instructor(ctx: Ctx, instructor_id: UUID) -> None:
    """Remove an instructor who never had a booking; 409 `in_use` otherwise: deactivate instead."""
    await instructors.delete_instructor(ctx.session, ctx.actor, instructor_id, now=ctx.now)
