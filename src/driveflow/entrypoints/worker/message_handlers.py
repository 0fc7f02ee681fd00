"""What the worker does about messages: writes them when something happens, sends them when it is time."""

from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox import Topic, emit
from driveflow.core.outbox_queue import Event, describe
from driveflow.core.settings import Settings
from driveflow.integrations.message_senders import Answer, Mail, MailSender, Refused, TextMessage, TextSender
from driveflow.integrations.smtp_sender import SmtpSender
from driveflow.integrations.twilio_client import TwilioClient
from driveflow.messaging import announcing, dispatching
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.triggers import Occasion

log = structlog.get_logger()

ANNOUNCED: Final = tuple(
    Topic(occasion.value) for occasion in Occasion if occasion is not Occasion.REMINDER_DUE
)
"""The topics that people hear of."""


class MessageWriter:
    """Writes the messages that events cause; its methods are handlers inside the worker's transaction."""

    def __init__(self, settings: Settings) -> None:
        self._outlets = Outlets.of(settings)

    async def announce(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
        """Write the messages about an event.

        What goes wrong here must not hold up the event's other business, such as a refund: it becomes an
        event of its own, which is tried again and given up like any other.
        """
        occasion = Occasion(event.topic.value)
        try:
            async with session.begin_nested():
                await announcing.announce(
                    session, actor, event.id, occasion, event.payload, self._outlets, now=now
                )
        except (OSError, InterfaceError, OperationalError):
            raise  # the database itself
        except Exception as error:
            log.exception("messages could not be written", topic=event.topic.value, error=describe(error))
            await emit(
                session,
                actor.org_id,
                Topic.MESSAGE_WRITE_DUE,
                {"event_id": str(event.id), "occasion": occasion.value, "about": event.payload},
                now=now,
                dedupe_key=f"write:{event.id}",
            )

    async def write_again(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
        """Write the messages about an event at which that went wrong before."""
        about = event.payload
        await announcing.announce(
            session,
            actor,
            UUID(about["event_id"]),
            Occasion(about["occasion"]),
            about["about"],
            self._outlets,
            now=now,
        )

    async def remind(self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:
        """Write the reminders whose time has come."""
        await announcing.remind(session, actor, event.payload, self._outlets, now=now)


class MessageSend:
    """The outside handler of `message.send`."""

    def __init__(self, outlets: Outlets, mail: MailSender | None, texts: TextSender | None) -> None:
        self._outlets = outlets
        self._mail = mail
        self._texts = texts

    @classmethod
    def of(cls, settings: Settings) -> "MessageSend":
        """Return the handler with the senders that the settings allow."""
        mail = SmtpSender(settings.smtp_url) if settings.smtp_url is not None else None
        return cls(Outlets.of(settings), mail, TwilioClient.of(settings))

    async def prepare(
        self, session: AsyncSession, actor: Actor, event: Event, *, now: datetime
    ) -> Mail | TextMessage | None:
        """Take the message in hand, unless it is not to be sent any more."""
        return await dispatching.take(session, actor, _message_id(event), self._outlets, now=now)

    async def call(self, request: Mail | TextMessage) -> Answer:
        """Send it."""
        if isinstance(request, Mail):
            return await self._mail.send(request) if self._mail is not None else _NOT_CONFIGURED
        return await self._texts.send(request) if self._texts is not None else _NOT_CONFIGURED

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        event: Event,
        request: Mail | TextMessage,  # noqa: ARG002 - an outside handler's signature
        answer: Answer,
        *,
        now: datetime,
    ) -> None:
        """Keep what became of it."""
        await dispatching.settle(session, actor, _message_id(event), answer, now=now)


_NOT_CONFIGURED: Final = Refused("not_configured", "this worker has no settings for the channel")


def _message_id(event: Event) -> UUID:
    return UUID(event.payload["message_id"])
