"""Who wants no messages: STOP of phone numbers, unsubscribed e-mail addresses, and what follows from them.

A link to unsubscribe holds the school, the message and a random secret that is kept with the message. Whoever
has the link may use it, for ever, and nobody can make one: there is no key to keep, to share between machines
or to lose.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.audit import Action, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.core.ids import new_id
from driveflow.messaging.channels import PHONE_CHANNELS, Addresses, MessageChannel, Standing
from driveflow.messaging.models import MailOptOut, Message, PhoneContact
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.triggers import TemplateKey

WHATSAPP_WINDOW: Final = timedelta(hours=24)
_ID_BYTES: Final = 16
_SECRET_BYTES: Final = 16
# Twilio's own lists: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link to unsubscribe names; `token` is its text."""

    org_id: UUID
    message_id: UUID
    token: str


def new_token(org_id: UUID, message_id: UUID) -> str:
    """Return a new token for a message's link."""
    return urlsafe_b64encode(org_id.bytes + message_id.bytes + secrets.token_bytes(_SECRET_BYTES)).decode()


def read_token(token: str) -> Ticket:
    """Return what a token names; raises NotFoundError for a text that is none."""
    try:
        content = urlsafe_b64decode(token.encode("ascii"))
    except (Base64Error, ValueError) as error:
        raise NotFoundError from error
    if len(content) != 2 * _ID_BYTES + _SECRET_BYTES:
        raise NotFoundError
    return Ticket(UUID(bytes=content[:_ID_BYTES]), UUID(bytes=content[_ID_BYTES : 2 * _ID_BYTES]), token)


async def standing_of(
    session: AsyncSession,
    org_id: UUID,
    addresses: Addresses,
    template: TemplateKey,
    outlets: Outlets,
    *,
    now: datetime,
) -> Standing:
    """Return what a person's addresses allow for a message."""
    contacts: list[PhoneContact] = []
    if addresses.phone is not None:
        query = select(PhoneContact).where(
            PhoneContact.channel.in_([channel.value for channel in PHONE_CHANNELS]),
            PhoneContact.address == addresses.phone,
        )
        contacts = list(await session.scalars(query.execution_options(populate_existing=True)))
    heard = any(
        contact.channel == MessageChannel.WHATSAPP
        and contact.last_inbound_at is not None
        and contact.last_inbound_at > now - WHATSAPP_WINDOW
        for contact in contacts
    )
    return Standing(
        configured=outlets.configured,
        stopped=frozenset(
            MessageChannel(contact.channel) for contact in contacts if contact.opted_out_at is not None
        ),
        unsubscribed=await _is_unsubscribed(session, org_id, addresses.email),
        whatsapp_allowed=heard or template in outlets.content_sids,
    )


async def address_of_ticket(session: AsyncSession, ticket: Ticket) -> str:
    """Return the e-mail address that a link would unsubscribe; raises NotFoundError for a wrong link."""
    message = await get_or_404(session, Message, ticket.org_id, ticket.message_id)
    known = message.unsubscribe_token
    if known is None or not hmac.compare_digest(known.encode(), ticket.token.encode()):
        raise NotFoundError
    return message.to_address


async def unsubscribe(session: AsyncSession, actor: Actor, ticket: Ticket, *, now: datetime) -> str:
    """Keep optional messages from the address of a link from now on; again is a no-op. Returns the address.

    Raises NotFoundError for a wrong link.
    """
    address = await address_of_ticket(session, ticket)
    made = await session.execute(
        insert(MailOptOut)
        .values(org_id=ticket.org_id, id=new_id(), address=address, created_at=now)
        .on_conflict_do_nothing()
        .returning(MailOptOut.id)
    )
    row_id = made.scalar_one_or_none()
    if row_id is not None:
        record(
            session,
            actor,
            Action.MAIL_UNSUBSCRIBED,
            "MailOptOut",
            row_id,
            now=now,
            after={"address": address},
        )
        await session.flush()
    return address


async def note_inbound(
    session: AsyncSession, channel: MessageChannel, address: str, text: str, *, now: datetime
) -> None:
    """Keep that a phone number wrote to us, and obey a STOP or START."""
    word = text.strip().upper()
    changes: dict[str, object] = {"last_inbound_at": now}
    if word in _STOP:
        changes |= {"opted_out_at": now, "opted_out_by": word}
    elif word in _START:
        changes |= {"opted_out_at": None, "opted_out_by": None}
    await _keep(session, channel, address, changes)


async def note_refused_number(
    session: AsyncSession, channel: MessageChannel, address: str, code: str, *, now: datetime
) -> None:
    """Keep that the provider refuses a number because it has said STOP to the provider."""
    await _keep(session, channel, address, {"opted_out_at": now, "opted_out_by": code})


async def _keep(
    session: AsyncSession, channel: MessageChannel, address: str, changes: dict[str, object]
) -> None:
    await session.execute(
        insert(PhoneContact)
        .values(channel=channel.value, address=address, **changes)
        .on_conflict_do_update(index_elements=["channel", "address"], set_=changes)
    )


async def _is_unsubscribed(session: AsyncSession, org_id: UUID, address: str | None) -> bool:
    if address is None:
        return False
    query = select(MailOptOut.id).where(MailOptOut.org_id == org_id, MailOptOut.address == address)
    return (await session.scalars(query)).one_or_none() is not None
