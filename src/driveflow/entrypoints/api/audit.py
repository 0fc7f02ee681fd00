"""Route of the audit log."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from driveflow.core import audit_trail
from driveflow.entrypoints.api.schemas import (
    InstantIn,
    InstantOut,
    Output,
    PageOut,
    Paging,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import Ctx

router = school_router()


class AuditOut(Output):
    """Who did what to which row; before and after hold the changed fields only."""

    id: UUID
    created_at: InstantOut
    actor: str
    actor_user_id: UUID | None
    action: str
    entity_type: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ip: str | None
    request_id: str | None


@router.get("/audit-log", tags=["audit"])
async def list_audit_log(
    ctx: Ctx,
    paging: Paging,
    entity_type: Annotated[str | None, Query(max_length=40, pattern="^[A-Za-z]+$")] = None,
    entity_id: UUID | None = None,
    actor_user_id: UUID | None = None,
    since: Annotated[InstantIn | None, Query(alias="from")] = None,
    until: Annotated[InstantIn | None, Query(alias="to")] = None,
) -> PageOut[AuditOut]:
    """Return the audit log, newest first."""
    page = await audit_trail.list_changes(
        ctx.session,
        ctx.actor,
        paging,
        entity_type=entity_type,
        entity_id=entity_id,
        actor_user_id=actor_user_id,
        since=since,
        until=until,
    )
    return PageOut[AuditOut].model_validate(page_out(page, AuditOut))
