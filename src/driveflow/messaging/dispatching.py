"""Sends queued messages, in the three steps of a call to the outside world (`core/outside.py`).

`take` marks the message as being sent and returns it as it leaves; `settle` keeps what became of it. A
message that is found marked already was in the hands of a worker that died: it becomes `unknown`.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.bookings.models import Booking
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.integrations.message_senders import (
    Answer,
    CalendarFile,
    Deferred,
    Mail,
    Refused,
    Sent,
    TextMessage,
    Unknown,
)
from driveflow.messaging import opt_outs
from driveflow.messaging.announcing import emit_send, reminder_obstacle
from driveflow.messaging.channels import Addresses, Chosen, MessageChannel, choose
from driveflow.messaging.delivery import MessageStatus, may_move, pause_after
from driveflow.messaging.letter import Letter
from driveflow.messaging.models import Message
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.rendering import as_html, as_text
from driveflow.messaging.triggers import OPTIONAL, TemplateKey
from driveflow.orgs.models import Org
from driveflow.orgs.service import settings_of
from driveflow.people.preferences import PreferredChannel

_DIED = "The worker died while it was sending; whether the message left is not known. It is not sent again."


async def take(
    session: AsyncSession, actor: Actor, message_id: UUID, outlets: Outlets, *, now: datetime
) -> Mail | TextMessage | None:
    """Return a queued message as it leaves and mark it `sending`; None when it is not to be sent."""
    require(actor, Permission.MESSAGES_MANAGE)
    try:
        message = await get_or_404(session, Message, actor.org_id, message_id, lock=True)
    except NotFoundError:
        return None
    status = MessageStatus(message.status)
    if status is MessageStatus.SENDING:
        move(message, MessageStatus.UNKNOWN, now, error=_DIED)
        return None
    if status is not MessageStatus.QUEUED:
        return None
    obstacle = await _obstacle(session, message, outlets, now=now)
    if obstacle is not None:
        move(message, MessageStatus.FAILED, now, error=f"not sent: {obstacle}")
        return None
    org = await settings_of(session, actor.org_id)
    move(message, MessageStatus.SENDING, now)
    message.tries += 1
    await session.flush()
    return _outgoing(message, org, outlets)


async def settle(
    session: AsyncSession, actor: Actor, message_id: UUID, answer: Answer, *, now: datetime
) -> None:
    """Keep what became of a message; what certainly did not leave is queued again, with a growing pause.

    A callback that was faster keeps its word.
    """
    require(actor, Permission.MESSAGES_MANAGE)
    message = await get_or_404(session, Message, actor.org_id, message_id, lock=True)
    match answer:
        case Sent(provider_id):
            message.provider_id = message.provider_id or provider_id
            move(message, MessageStatus.SENT, now, error=None)
        case Refused(code, reason, opted_out):
            move(message, MessageStatus.FAILED, now, error=f"{code}: {reason}")
            if opted_out:
                channel = MessageChannel(message.channel)
                await opt_outs.note_refused_number(session, channel, message.to_address, code, now=now)
        case Unknown(reason):
            move(message, MessageStatus.UNKNOWN, now, error=reason)
        case Deferred(reason):
            await _postpone(session, message, reason, now=now)
    await session.flush()


async def _postpone(session: AsyncSession, message: Message, reason: str, *, now: datetime) -> None:
    pause = pause_after(message.tries)
    if pause is None:
        move(message, MessageStatus.FAILED, now, error=f"given up after {message.tries} tries: {reason}")
    elif move(message, MessageStatus.QUEUED, now, error=reason):
        await emit_send(
            session, message.org_id, message.id, now=now, available_at=now + pause, tries=message.tries
        )


def move(message: Message, to: MessageStatus, now: datetime, **changes: Any) -> bool:
    """Move a locked message's status if the table allows it, with other changes; return whether it did."""
    if not may_move(MessageStatus(message.status), to):
        return False
    message.status = to.value
    message.updated_at = now
    if to is MessageStatus.SENT or (to is MessageStatus.DELIVERED and message.sent_at is None):
        message.sent_at = now
    for name, value in changes.items():
        setattr(message, name, value)
    return True


async def _obstacle(
    session: AsyncSession, message: Message, outlets: Outlets, *, now: datetime
) -> str | None:
    """Return why a message is not to be sent after all, None if it is: much may have changed meanwhile."""
    channel, template = MessageChannel(message.channel), TemplateKey(message.template_key)
    by_mail = channel is MessageChannel.EMAIL
    addresses = Addresses(
        email=message.to_address if by_mail else None,
        phone=None if by_mail else message.to_address,
        preference=PreferredChannel(channel.value),
    )
    standing = await opt_outs.standing_of(session, message.org_id, addresses, template, outlets, now=now)
    # Only the channel that was chosen counts: another one's words would be others.
    standing = replace(standing, configured=standing.configured & {channel})
    choice = choose(addresses, standing, optional=template in OPTIONAL)
    if not isinstance(choice, Chosen):
        return choice.reason
    if message.reminds_of is not None and message.related_id is not None:
        booking = await get_or_404(session, Booking, message.org_id, message.related_id)
        return reminder_obstacle(BookingStatus(booking.status), booking.start_at, message.reminds_of, now)
    return None


def _outgoing(message: Message, org: Org, outlets: Outlets) -> Mail | TextMessage:
    letter = Letter.from_json(message.letter or {})
    if message.channel == MessageChannel.EMAIL:
        calendar = (
            CalendarFile(letter.calendar, letter.calendar_method)
            if letter.calendar is not None and letter.calendar_method is not None
            else None
        )
        return Mail(
            id=message.id,
            to=message.to_address,
            from_name=org.name,
            from_address=outlets.mail_from,
            reply_to=org.email,
            subject=letter.subject,
            text=as_text(letter),
            html=as_html(letter),
            language=letter.language_tag,
            date=message.created_at,
            unsubscribe_url=letter.unsubscribe_url,
            calendar=calendar,
        )
    whatsapp = message.channel == MessageChannel.WHATSAPP
    return TextMessage(
        id=message.id,
        to=message.to_address,
        whatsapp=whatsapp,
        body=message.body or letter.short,
        status_callback=f"{outlets.public_url}/webhooks/twilio/{message.id}?school={message.org_id}",
        content_sid=outlets.content_sids.get(message.template_key) if whatsapp else None,
        content_variables={str(number): value for number, value in enumerate(letter.variables, 1)},
    )
