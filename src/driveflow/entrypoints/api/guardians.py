"""Routes of guardians, and of their links to students."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from driveflow.entrypoints.api.schemas import (
    Channel,
    Email,
    Input,
    InstantOut,
    Line,
    LocaleName,
    Name,
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
from driveflow.people import guardian_links, guardians
from driveflow.people.guardian_links import LinkedGuardian

router = school_router()

_TERMS = {"relation", "can_book", "can_pay", "is_primary", "notify"}


class GuardianIn(Input):
    """A new guardian."""

    full_name: Name
    phone: Phone | None = None
    email: Email | None = None
    preferred_channel: Channel = "email"
    locale: LocaleName | None = None


class GuardianUpdate(Versioned):
    """Changes of a guardian with the version they are based on; null clears what may be empty."""

    # The factory only makes it optional: a field that was not sent is not among the changes.
    full_name: Annotated[Name, Field(default_factory=str)]
    phone: Phone | None = None
    email: Email | None = None
    preferred_channel: Annotated[Channel, Field(default_factory=str)]
    locale: LocaleName | None = None


class GuardianOut(Output):
    """A guardian."""

    id: UUID
    full_name: str
    phone: str | None
    email: str | None
    preferred_channel: Channel
    locale: str | None
    user_id: UUID | None
    version: int
    created_at: InstantOut


class LinkIn(Input):
    """A student's guardian: a new one by name, or with `guardian_id` one the school knows."""

    guardian_id: UUID | None = None
    full_name: Name | None = None
    phone: Phone | None = None
    email: Email | None = None
    preferred_channel: Channel | None = None
    locale: LocaleName | None = None
    relation: Line | None = None
    can_book: bool = True
    can_pay: bool = True
    is_primary: bool = False
    notify: Annotated[bool, Field(description="Whether this guardian gets messages about the student")] = True


class LinkUpdate(Input):
    """Changes of what a guardian is to a student."""

    relation: Line | None = None
    # The factories only make these optional: a field that was not sent is not among the changes.
    can_book: Annotated[bool, Field(default_factory=bool)]
    can_pay: Annotated[bool, Field(default_factory=bool)]
    is_primary: Annotated[bool, Field(default_factory=bool)]
    notify: Annotated[bool, Field(default_factory=bool)]


class LinkedGuardianOut(GuardianOut):
    """A guardian and what this guardian is to one student."""

    relation: str | None
    can_book: bool
    can_pay: bool
    is_primary: bool
    notify: bool


def _linked(row: LinkedGuardian) -> LinkedGuardianOut:
    return LinkedGuardianOut(
        **GuardianOut.model_validate(row.guardian).model_dump(),
        relation=row.link.relation,
        can_book=row.link.can_book,
        can_pay=row.link.can_pay,
        is_primary=row.link.is_primary,
        notify=row.link.notify,
    )


@router.get("/guardians", tags=["guardians"])
async def list_guardians(ctx: Ctx, paging: Paging, q: SearchText = None) -> PageOut[GuardianOut]:
    """Return guardians by name; students get their own, guardians themselves."""
    page = await guardians.list_guardians(ctx.session, ctx.actor, paging, search=q)
    return PageOut[GuardianOut].model_validate(page_out(page, GuardianOut))


@router.post("/guardians", tags=["guardians"], status_code=CREATED)
async def create_guardian(ctx: Ctx, body: GuardianIn) -> GuardianOut:
    """Add a guardian, not yet linked to a student."""
    row = await guardians.create_guardian(ctx.session, ctx.actor, body.model_dump(), now=ctx.now)
    return GuardianOut.model_validate(row)


@router.get("/guardians/{guardian_id}", tags=["guardians"])
async def get_guardian(ctx: Ctx, guardian_id: UUID) -> GuardianOut:
    """Return a guardian."""
    return GuardianOut.model_validate(await guardians.get_guardian(ctx.session, ctx.actor, guardian_id))


@router.patch("/guardians/{guardian_id}", tags=["guardians"])
async def update_guardian(ctx: Ctx, guardian_id: UUID, body: GuardianUpdate) -> GuardianOut:
    """Change a guardian."""
    changes = body.changes()
    version = ctx.version(changes)
    row = await guardians.update_guardian(
        ctx.session, ctx.actor, guardian_id, changes, version=version, now=ctx.now
    )
    return GuardianOut.model_validate(row)


@router.delete("/guardians/{guardian_id}", tags=["guardians"], status_code=NO_CONTENT)
async def delete_guardian(ctx: Ctx, guardian_id: UUID) -> None:
    """Remove a guardian with all links to students."""
    await guardians.delete_guardian(ctx.session, ctx.actor, guardian_id, now=ctx.now)


@router.get("/students/{student_id}/guardians", tags=["guardians"])
async def list_links(ctx: Ctx, student_id: UUID, paging: Paging) -> PageOut[LinkedGuardianOut]:
    """Return a student's guardians; a guardian gets itself only."""
    page = await guardian_links.list_links(ctx.session, ctx.actor, student_id, paging)
    return PageOut(items=[_linked(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/students/{student_id}/guardians", tags=["guardians"], status_code=CREATED)
async def link_guardian(ctx: Ctx, student_id: UUID, body: LinkIn) -> LinkedGuardianOut:
    """Give a student a guardian; a new primary one replaces the other."""
    row = await guardian_links.link_guardian(
        ctx.session,
        ctx.actor,
        student_id,
        guardian_id=body.guardian_id,
        person=body.model_dump(exclude=_TERMS | {"guardian_id"}, exclude_none=True),
        terms=body.model_dump(include=_TERMS),
        now=ctx.now,
    )
    return _linked(row)


@router.patch("/students/{student_id}/guardians/{guardian_id}", tags=["guardians"])
async def update_link(ctx: Ctx, student_id: UUID, guardian_id: UUID, body: LinkUpdate) -> LinkedGuardianOut:
    """Change what a guardian is to a student; a new primary one replaces the other."""
    row = await guardian_links.update_link(
        ctx.session, ctx.actor, student_id, guardian_id, body.changes(), now=ctx.now
    )
    return _linked(row)


@router.delete("/students/{student_id}/guardians/{guardian_id}", tags=["guardians"], status_code=NO_CONTENT)
async def unlink_guardian(ctx: Ctx, student_id: UUID, guardian_id: UUID) -> None:
    """Take a guardian from a student; both stay."""
    await guardian_links.unlink_guardian(ctx.session, ctx.actor, student_id, guardian_id, now=ctx.now)
