"""Messages for the school's staff, and what providers tell about them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.integrations.message_senders import OPTED_OUT_CODE
from driveflow.messaging import opt_outs, reading
from driveflow.messaging.announcing import emit_send
from driveflow.messaging.channels import Addresses, Chosen, MessageChannel, choose
from driveflow.messaging.delivery import MessageStatus, may_resend, status_of_twilio
from driveflow.messaging.dispatching import move
from driveflow.messaging.letter import Letter
from driveflow.messaging.models import Message
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.rendering import body_for, subject_for
from driveflow.messaging.triggers import OPTIONAL, RecipientKind, TemplateKey


async def list_messages(
    session: AsyncSession,
    actor: Actor,
    paging: PageRequest,
    *,
    channel: MessageChannel | None = None,
    status: MessageStatus | None = None,
    template_key: TemplateKey | None = None,
    related_id: UUID | None = None,
    recipient_id: UUID | None = None,
) -> Page[Message]:
    """Return a school's messages, newest first, narrowed by what is given."""
    require(actor, Permission.MESSAGES_READ)
    query = select(Message).where(Message.org_id == actor.org_id)
    if channel is not None:
        query = query.where(Message.channel == channel.value)
    if status is not None:
        query = query.where(Message.status == status.value)
    if template_key is not None:
        query = query.where(Message.template_key == template_key.value)
    if related_id is not None:
        query = query.where(Message.related_id == related_id)
    if recipient_id is not None:
        query = query.where(Message.recipient_id == recipient_id)
    return await fetch_page(session, query, [Message.created_at, Message.id], paging, descending=True)


async def get_message(session: AsyncSession, actor: Actor, message_id: UUID) -> Message:
    """Return a message of the actor's school."""
    require(actor, Permission.MESSAGES_READ)
    return await get_or_404(session, Message, actor.org_id, message_id)


async def resend(
    session: AsyncSession, actor: Actor, message_id: UUID, outlets: Outlets, *, now: datetime
) -> Message:
    """Send a message's content again, at once, as a new message to the person's addresses of today.

    Raises ConflictError: `message_under_way` while the first one waits or is being sent, `no_letter` for one
    that was made without content, `no_channel` when nothing reaches the person, who may also not want it.
    """
    require(actor, Permission.MESSAGES_MANAGE)
    old = await get_or_404(session, Message, actor.org_id, message_id, lock=True)
    if not may_resend(MessageStatus(old.status)):
        raise ConflictError("This message is still on its way.", code="message_under_way")
    if old.letter is None or old.recipient_kind is None or old.recipient_id is None:
        raise ConflictError("This message has no content that could be sent again.", code="no_letter")
    person = await reading.person(session, actor.org_id, RecipientKind(old.recipient_kind), old.recipient_id)
    addresses = person.addresses if person is not None else Addresses(None, None)
    template = TemplateKey(old.template_key)
    standing = await opt_outs.standing_of(session, actor.org_id, addresses, template, outlets, now=now)
    choice = choose(addresses, standing, optional=template in OPTIONAL)
    if not isinstance(choice, Chosen):
        raise ConflictError(f"The message cannot be sent: {choice.reason}.", code="no_channel")
    letter = Letter.from_json(old.letter)
    new = Message(
        org_id=actor.org_id,
        to_address=choice.address,
        channel=choice.channel.value,
        template_key=old.template_key,
        subject=subject_for(letter, choice.channel),
        body=body_for(letter, choice.channel),
        related_type=old.related_type,
        related_id=old.related_id,
        recipient_kind=old.recipient_kind,
        recipient_id=old.recipient_id,
        letter=old.letter,
        resend_of=old.id,
        reminds_of=old.reminds_of,
        send_at=now,
        status=MessageStatus.QUEUED.value,
        created_at=now,
        updated_at=now,
    )
    session.add(new)
    await session.flush()
    await emit_send(session, actor.org_id, new.id, now=now, available_at=now)
    record(
        session,
        actor,
        Action.MESSAGE_RESENT,
        "Message",
        new.id,
        now=now,
        after={"resend_of": old.id, "channel": new.channel, "to_address": new.to_address},
    )
    await session.flush()
    return new


async def note_status(
    session: AsyncSession,
    actor: Actor,
    message_id: UUID,
    *,
    provider_id: str,
    word: str,
    error_code: str | None,
    now: datetime,
) -> None:
    """Keep what Twilio says of a message; what comes late or twice, or of another one, changes nothing.

    Raises NotFoundError.
    """
    require(actor, Permission.MESSAGES_MANAGE)
    message = await get_or_404(session, Message, actor.org_id, message_id, lock=True)
    if message.provider_id is not None and message.provider_id != provider_id:
        return
    message.provider_id = provider_id
    status = status_of_twilio(word)
    if status is not None:
        told = f"{error_code}: {word}" if error_code else None
        move(message, status, now, error=told)
    if error_code == str(OPTED_OUT_CODE):
        channel = MessageChannel(message.channel)
        await opt_outs.note_refused_number(session, channel, message.to_address, error_code, now=now)
    await session.flush()
