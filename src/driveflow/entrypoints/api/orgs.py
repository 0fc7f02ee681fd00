"""Routes of the caller, schools, members and API keys."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from driveflow.bookings.cancellation import parse_tiers
from driveflow.core.actor import Role
from driveflow.core.db import set_tenant
from driveflow.entrypoints.api.schemas import (
    PROBLEMS,
    Input,
    InstantIn,
    InstantOut,
    Line,
    Name,
    Output,
    Versioned,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, NO_CONTENT, Ctx, TenantRoute
from driveflow.orgs import api_keys, members, service

caller_router = APIRouter(route_class=TenantRoute, responses=PROBLEMS)
router = school_router()

MemberRole = Literal["owner", "admin", "instructor", "student"]
_MAY_BE_MISSING = frozenset({"abn", "email", "phone", "address"})
ReminderMinutes = Annotated[int, Field(ge=15, le=20_160)]
KeyRole = Literal["owner", "admin", "instructor", "student", "guardian"]


class TierIn(Input):
    """A step of the cancellation policy: from so many hours before the start, this percentage."""

    hours_before: Annotated[int, Field(ge=0, le=8760)]
    fee_percent: Annotated[int, Field(ge=0, le=100)]


class OrgFields(Input):
    """What can be set of a school."""

    abn: Annotated[str, Field(max_length=20)] | None = None
    time_zone: Annotated[str, Field(max_length=64, examples=["Australia/Sydney"])] | None = None
    currency: Annotated[str, Field(max_length=3, examples=["AUD"])] | None = None
    fee_bps: Annotated[int, Field(ge=0, le=10_000)] | None = None
    cancellation_tiers: Annotated[list[TierIn], Field(min_length=1, max_length=10)] | None = None
    hold_minutes: Annotated[int, Field(ge=1, le=10_080)] | None = None
    buffer_minutes: Annotated[int, Field(ge=0, le=480)] | None = None
    min_notice_minutes: Annotated[int, Field(ge=0, le=43_200)] | None = None
    horizon_days: Annotated[int, Field(ge=1, le=730)] | None = None
    slot_step_minutes: Annotated[int, Field(ge=5, le=240)] | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None
    address: Annotated[Line, Field(description="On invoices and in messages")] | None = None
    locale: Annotated[str, Field(max_length=20, examples=["en_AU"])] | None = None
    confirm_on_payment: bool | None = None
    payment_minutes: (
        Annotated[int, Field(ge=30, le=1440, description="How long a payment page stays open")] | None
    ) = None
    payout_hold_minutes: (
        Annotated[int, Field(ge=0, le=129_600, description="Between a lesson's end and its payout")] | None
    ) = None
    tax_registered: Annotated[bool, Field(description="Whether invoices show the tax")] | None = None
    tax_name: Annotated[str, Field(min_length=1, max_length=20, examples=["GST"])] | None = None
    tax_bps: Annotated[int, Field(ge=0, le=10_000, examples=[1000])] | None = None
    reminder_minutes: Annotated[list[ReminderMinutes], Field(max_length=5)] | None = None
    quiet_from_minute: (
        Annotated[int, Field(ge=0, le=1439, description="Of the local day; no SMS from here on")] | None
    ) = None
    quiet_to_minute: Annotated[int, Field(ge=0, le=1439)] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the fields sent, null only where a school may have none, tiers checked by their rule."""
        sent = {
            field: value
            for field, value in self.changes().items()
            if value is not None or field in _MAY_BE_MISSING
        }
        if "cancellation_tiers" in sent:
            sent["cancellation_tiers"] = parse_tiers(sent["cancellation_tiers"]).to_json()
        return sent


class OrgCreate(OrgFields):
    """A new school."""

    name: Name
    slug: Annotated[str, Field(max_length=60)] | None = None


class OrgUpdate(Versioned, OrgFields):
    """Changes of a school with the version they are based on."""

    name: Name | None = None
    slug: Annotated[str, Field(max_length=60)] | None = None


class OrgOut(Output):
    """A school."""

    id: UUID
    name: str
    slug: str
    abn: str | None
    time_zone: str
    currency: str
    fee_bps: int
    cancellation_tiers: list[dict[str, int]]
    hold_minutes: int
    buffer_minutes: int
    min_notice_minutes: int
    horizon_days: int
    slot_step_minutes: int
    email: str | None
    phone: str | None
    address: str | None
    locale: str
    confirm_on_payment: bool
    payment_minutes: int
    payout_hold_minutes: int
    tax_registered: bool
    tax_name: str
    tax_bps: int
    reminder_minutes: list[int]
    quiet_from_minute: int
    quiet_to_minute: int
    version: int
    created_at: InstantOut


class OrgCreatedOut(OrgOut):
    """A new school with the first key of its owner, shown only here: null when the answer is repeated."""

    api_key: str | None


class MembershipOut(Output):
    """One of the caller's schools."""

    org_id: UUID
    org_name: str
    org_slug: str
    role: str


class MeOut(Output):
    """The caller."""

    user_id: UUID | None
    role: str
    org_id: UUID
    instructor_id: UUID | None
    student_ids: list[UUID]
    memberships: list[MembershipOut]


@caller_router.get("/me", tags=["orgs"])
async def get_me(ctx: Ctx) -> MeOut:
    """Return who the caller is and the schools it belongs to."""
    actor = ctx.actor
    schools = await members.memberships_of(ctx.session, actor.user_id) if actor.user_id else []
    return MeOut(
        user_id=actor.user_id,
        role=actor.role.value,
        org_id=actor.org_id,
        instructor_id=actor.instructor_id,
        student_ids=sorted(actor.student_ids),
        memberships=[
            MembershipOut(org_id=org.id, org_name=org.name, org_slug=org.slug, role=role)
            for org, role in schools
        ],
    )


@caller_router.get("/orgs", tags=["orgs"])
async def list_orgs(ctx: Ctx) -> list[OrgOut]:
    """Return the school of the key."""
    return [OrgOut.model_validate(await service.get_org(ctx.session, ctx.actor))]


@caller_router.post("/orgs", tags=["orgs"], status_code=CREATED)
async def create_org(ctx: Ctx, body: OrgCreate) -> OrgCreatedOut:
    """Open a further school, owned by the person behind the key."""
    founder = await service.founder_of(ctx.session, ctx.actor)
    settings = {field: value for field, value in body.settings().items() if field not in {"name", "slug"}}
    org, owner = await service.create_org(
        ctx.session,
        owner=founder,
        name=body.name,
        slug=body.slug,
        settings=settings,
        now=ctx.now,
        ip=ctx.actor.ip,
        request_id=ctx.actor.request_id,
    )
    key = await api_keys.create_key(
        ctx.session, owner, name="First key", role=Role.OWNER, user_id=founder.id, now=ctx.now
    )
    # The answer to an Idempotency-Key is kept in the caller's school, not in the new one.
    await ctx.session.flush()
    await set_tenant(ctx.session, ctx.actor.org_id)
    ctx.keep_secret("api_key")
    return OrgCreatedOut(**OrgOut.model_validate(org).model_dump(), api_key=key.secret)


@router.get("", tags=["orgs"])
async def get_org(ctx: Ctx) -> OrgOut:
    """Return the school."""
    return OrgOut.model_validate(await service.get_org(ctx.session, ctx.actor))


@router.patch("", tags=["orgs"])
async def update_org(ctx: Ctx, body: OrgUpdate) -> OrgOut:
    """Change the school's settings."""
    changes = body.settings()
    version = ctx.version(changes)
    return OrgOut.model_validate(
        await service.update_org(ctx.session, ctx.actor, changes, version=version, now=ctx.now)
    )


class MemberIn(Input):
    """An invitation."""

    email: Annotated[str, Field(max_length=254)]
    full_name: Name | None = None
    role: MemberRole


class MemberUpdate(Input):
    """A new role."""

    role: MemberRole


class MemberOut(Output):
    """A member."""

    id: UUID
    user_id: UUID
    role: str
    email: str
    full_name: str
    created_at: InstantOut


@router.get("/members", tags=["members"])
async def list_members(ctx: Ctx) -> list[MemberOut]:
    """Return the school's members."""
    return [MemberOut.model_validate(row) for row in await members.list_members(ctx.session, ctx.actor)]


@router.post("/members", tags=["members"], status_code=CREATED)
async def invite_member(ctx: Ctx, body: MemberIn) -> MemberOut:
    """Invite a person by e-mail."""
    member = await members.invite_member(
        ctx.session, ctx.actor, email=body.email, full_name=body.full_name, role=Role(body.role), now=ctx.now
    )
    return MemberOut.model_validate(member)


@router.patch("/members/{member_id}", tags=["members"])
async def change_member(ctx: Ctx, member_id: UUID, body: MemberUpdate) -> MemberOut:
    """Give a member another role."""
    member = await members.change_role(ctx.session, ctx.actor, member_id, role=Role(body.role), now=ctx.now)
    return MemberOut.model_validate(member)


@router.delete("/members/{member_id}", tags=["members"], status_code=NO_CONTENT)
async def remove_member(ctx: Ctx, member_id: UUID) -> None:
    """End a membership."""
    await members.remove_member(ctx.session, ctx.actor, member_id, now=ctx.now)


class ApiKeyIn(Input):
    """A new key; instructors', students' and guardians' keys name their person."""

    name: Line
    role: KeyRole
    instructor_id: UUID | None = None
    student_id: UUID | None = None
    guardian_id: UUID | None = None
    expires_at: InstantIn | None = None


class ApiKeyOut(Output):
    """A key without its secret; `hint` is its end."""

    id: UUID
    name: str
    hint: str
    role: str
    instructor_id: UUID | None
    student_id: UUID | None
    guardian_id: UUID | None
    expires_at: InstantOut | None
    created_at: InstantOut


class ApiKeyCreatedOut(ApiKeyOut):
    """A new key with its secret, shown only here: null when the answer is repeated."""

    key: str | None


@router.get("/api-keys", tags=["api keys"])
async def list_api_keys(ctx: Ctx) -> list[ApiKeyOut]:
    """Return the school's keys."""
    return [ApiKeyOut.model_validate(row) for row in await api_keys.list_keys(ctx.session, ctx.actor)]


@router.post("/api-keys", tags=["api keys"], status_code=CREATED)
async def create_api_key(ctx: Ctx, body: ApiKeyIn) -> ApiKeyCreatedOut:
    """Make a key; the answer is the only place that shows it."""
    made = await api_keys.create_key(
        ctx.session,
        ctx.actor,
        name=body.name,
        role=Role(body.role),
        user_id=ctx.actor.user_id if body.role in {"owner", "admin"} else None,
        instructor_id=body.instructor_id,
        student_id=body.student_id,
        guardian_id=body.guardian_id,
        expires_at=body.expires_at,
        now=ctx.now,
    )
    ctx.keep_secret("key")
    return ApiKeyCreatedOut(**ApiKeyOut.model_validate(made.row).model_dump(), key=made.secret)


@router.delete("/api-keys/{key_id}", tags=["api keys"], status_code=NO_CONTENT)
async def revoke_api_key(ctx: Ctx, key_id: UUID) -> None:
    """Revoke a key."""
    await api_keys.revoke_key(ctx.session, ctx.actor, key_id, now=ctx.now)
    ctx.services.authenticator.forget(key_id)
