"""Routes of messages: what went out, what became of it, sending it again."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from driveflow.entrypoints.api.schemas import InstantOut, Output, PageOut, Paging, page_out, school_router
from driveflow.entrypoints.deps import CREATED, Ctx
from driveflow.messaging import service
from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.delivery import MessageStatus
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.triggers import RecipientKind, TemplateKey

router = school_router()


class MessageOut(Output):
    """A message to one person.

    `unknown` means that nobody knows whether it left; it is not sent again by itself. `error` says why a
    message failed, or why its last try did. `send_at` is when it may go: text messages wait for the end of
    quiet hours.
    """

    id: UUID
    to_address: str
    channel: MessageChannel
    template_key: str
    subject: str | None
    body: str | None
    provider_id: str | None
    status: MessageStatus
    error: str | None
    related_type: str | None
    related_id: UUID | None
    recipient_kind: RecipientKind | None
    recipient_id: UUID | None
    resend_of: UUID | None
    tries: int
    send_at: InstantOut | None
    sent_at: InstantOut | None
    created_at: InstantOut
    updated_at: InstantOut


@router.get("/messages", tags=["messages"])
async def list_messages(
    ctx: Ctx,
    paging: Paging,
    *,
    channel: MessageChannel | None = None,
    status: MessageStatus | None = None,
    template_key: TemplateKey | None = None,
    related_id: Annotated[UUID | None, Query(description="Of the booking or payout it is about")] = None,
    recipient_id: Annotated[UUID | None, Query(description="Of the student, guardian or instructor")] = None,
) -> PageOut[MessageOut]:
    """Return messages, newest first."""
    page = await service.list_messages(
        ctx.session,
        ctx.actor,
        paging,
        channel=channel,
        status=status,
        template_key=template_key,
        related_id=related_id,
        recipient_id=recipient_id,
    )
    return PageOut[MessageOut].model_validate(page_out(page, MessageOut))


@router.get("/messages/{message_id}", tags=["messages"])
async def get_message(ctx: Ctx, message_id: UUID) -> MessageOut:
    """Return a message."""
    return MessageOut.model_validate(await service.get_message(ctx.session, ctx.actor, message_id))


@router.post("/messages/{message_id}/resend", tags=["messages"], status_code=CREATED)
async def resend(ctx: Ctx, message_id: UUID) -> MessageOut:
    """Send a message again, as a new one, to the person's address of today.

    409 `message_under_way` while it waits or is being sent, `no_channel` when nothing reaches the person.
    """
    outlets = Outlets.of(ctx.services.settings)
    row = await service.resend(ctx.session, ctx.actor, message_id, outlets, now=ctx.now)
    return MessageOut.model_validate(row)
