"""Turns events into messages: who gets one, how, in which words, when. Nothing leaves here.

Runs in the worker's transaction of the event. Each message is a row and an event `message.send` with the time
at which it may go; `dispatching.py` sends it. A second run of the same event finds the rows and adds none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.lifecycle import BookingStatus
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.messaging import opt_outs, quiet_hours, reading, triggers
from driveflow.messaging.channels import PHONE_CHANNELS, Chosen, Unreachable, Unwanted, choose
from driveflow.messaging.delivery import MessageStatus
from driveflow.messaging.facts import BookingTold
from driveflow.messaging.language import language
from driveflow.messaging.letter import Letter, Writer, with_unsubscribe
from driveflow.messaging.letters import write
from driveflow.messaging.models import Message
from driveflow.messaging.outlets import Outlets
from driveflow.messaging.quiet_hours import Means, QuietHours
from driveflow.messaging.reading import Read
from driveflow.messaging.rendering import body_for, subject_for
from driveflow.messaging.triggers import OPTIONAL, TIMELY, Occasion, Person, RecipientKind, TemplateKey
from driveflow.orgs.models import Org


@dataclass(frozen=True, slots=True)
class _Order:
    """One message to be written."""

    template: TemplateKey
    person: Person
    dedupe_key: str
    means: Means = Means.ANY
    reminds_of: datetime | None = None


async def announce(
    session: AsyncSession,
    actor: Actor,
    event_id: UUID,
    occasion: Occasion,
    payload: Mapping[str, Any],
    outlets: Outlets,
    *,
    now: datetime,
) -> None:
    """Write the messages that an event causes, and plan the reminders of a lesson that has become certain."""
    require(actor, Permission.MESSAGES_MANAGE)
    found = await reading.read(session, actor.org_id, occasion, payload, now=now)
    if found is None:
        return
    booking = found.facts.booking
    if booking is not None:
        if triggers.is_outdated(occasion, booking.status):
            return
        if triggers.sets_reminders(occasion, booking.status):
            await _plan_reminders(session, found.org, booking, now=now)
    # What the event was about then, not what the booking has become since.
    status = BookingStatus(payload.get("status") or (booking.status if booking else BookingStatus.CONFIRMED))
    trigger = triggers.trigger_of(occasion, status)
    orders = [(trigger.template, person) for person in triggers.recipients(trigger, found.people)]
    former_id = payload.get("former_instructor_id")
    if former_id is not None:
        former = await reading.person(session, actor.org_id, RecipientKind.INSTRUCTOR, UUID(former_id))
        orders += [(TemplateKey.BOOKING_HANDED_OVER, former)] if former is not None else []
    for template, person in orders:
        key = triggers.dedupe_key(event_id, template, person)
        await _write(session, found, _Order(template, person, key), outlets, now=now)


async def remind(
    session: AsyncSession, actor: Actor, payload: Mapping[str, Any], outlets: Outlets, *, now: datetime
) -> None:
    """Write the reminders whose time has come, unless the lesson is not what it was."""
    require(actor, Permission.MESSAGES_MANAGE)
    found = await reading.read(session, actor.org_id, Occasion.REMINDER_DUE, payload, now=now)
    if found is None or found.facts.booking is None:
        return
    booking = found.facts.booking
    start_at = datetime.fromisoformat(payload["start_at"])
    if reminder_obstacle(booking.status, booking.start_at, start_at, now) is not None:
        return
    trigger = triggers.trigger_of(Occasion.REMINDER_DUE, booking.status)
    minutes, means = int(payload["minutes_before"]), Means(payload["means"])
    for person in triggers.recipients(trigger, found.people):
        key = triggers.reminder_key(booking.id, payload["start_at"], minutes, person)
        order = _Order(trigger.template, person, key, means, start_at)
        await _write(session, found, order, outlets, now=now)


def reminder_obstacle(
    status: BookingStatus, start_at: datetime, reminded_of: datetime, now: datetime
) -> str | None:
    """Return None if a reminder may go, else why not."""
    return quiet_hours.reminder_holds(
        is_confirmed=status is BookingStatus.CONFIRMED, start_at=start_at, reminded_of=reminded_of, now=now
    )


def quiet_hours_of(org: Org) -> QuietHours:
    """Return a school's quiet hours."""
    return QuietHours(org.quiet_from_minute, org.quiet_to_minute, org.time_zone)


async def _plan_reminders(session: AsyncSession, org: Org, booking: BookingTold, *, now: datetime) -> None:
    start = booking.start_at.isoformat()
    for reminder in quiet_hours.plan_reminders(
        quiet_hours_of(org), org.reminder_minutes, booking.start_at, now
    ):
        await emit(
            session,
            org.id,
            Topic.BOOKING_REMINDER_DUE,
            {
                "booking_id": str(booking.id),
                "start_at": start,
                "minutes_before": reminder.minutes_before,
                "means": reminder.means.value,
            },
            now=now,
            available_at=reminder.at,
            # With the version: a booking that was moved away and back needs its timers again.
            dedupe_key=f"reminder:{booking.id}:{booking.version}:{reminder.minutes_before}:{reminder.means}",
        )


async def _write(
    session: AsyncSession, found: Read, order: _Order, outlets: Outlets, *, now: datetime
) -> None:
    person, org = order.person, found.org
    optional = order.template in OPTIONAL
    standing = await opt_outs.standing_of(session, org.id, person.addresses, order.template, outlets, now=now)
    choice = choose(person.addresses, standing, optional=optional)
    if isinstance(choice, Unwanted):
        return
    by_phone = choice.channel in PHONE_CHANNELS
    if order.means is not Means.ANY and by_phone is not (order.means is Means.PHONE):
        return
    begins_at = found.facts.booking.start_at if found.facts.booking and order.template in TIMELY else None
    send_at = quiet_hours.send_at(quiet_hours_of(org), now, by_phone=by_phone, begins_at=begins_at)
    message_id = new_id()
    letter = _letter(found, order, outlets)
    token = None
    if optional and not by_phone:
        token = opt_outs.new_token(org.id, message_id)
        url = f"{outlets.public_url}/unsubscribe/{token}"
        letter = with_unsubscribe(letter, language(person.locale or org.locale), url)
    made = await session.execute(
        insert(Message)
        .values(
            org_id=org.id,
            id=message_id,
            to_address=choice.address,
            channel=choice.channel.value,
            template_key=order.template.value,
            subject=subject_for(letter, choice.channel),
            body=body_for(letter, choice.channel),
            related_type=found.related_type,
            related_id=found.related_id,
            recipient_kind=person.kind.value,
            recipient_id=person.id,
            letter=letter.to_json(),
            dedupe_key=order.dedupe_key,
            reminds_of=order.reminds_of,
            send_at=send_at,
            unsubscribe_token=token,
            created_at=now,
            updated_at=now,
            **_outcome(choice),
        )
        .on_conflict_do_nothing()
        .returning(Message.id)
    )
    if made.scalar_one_or_none() is not None and isinstance(choice, Chosen):
        await emit_send(session, org.id, message_id, now=now, available_at=send_at)


async def emit_send(
    session: AsyncSession,
    org_id: UUID,
    message_id: UUID,
    *,
    now: datetime,
    available_at: datetime,
    tries: int = 0,
) -> None:
    """Ask the worker to send a queued message at a time; `tries` counts those before."""
    await emit(
        session,
        org_id,
        Topic.MESSAGE_SEND,
        {"message_id": str(message_id)},
        now=now,
        available_at=available_at,
        dedupe_key=f"message:{message_id}:{tries}",
    )


def _outcome(choice: Chosen | Unreachable) -> dict[str, Any]:
    if isinstance(choice, Unreachable):
        return {"status": MessageStatus.FAILED.value, "error": choice.reason}
    return {"status": MessageStatus.QUEUED.value, "error": None}


def _letter(found: Read, order: _Order, outlets: Outlets) -> Letter:
    return write(
        order.template,
        Writer(
            facts=found.facts,
            reader=order.person,
            language=language(order.person.locale or found.org.locale),
            public_url=outlets.public_url,
            organizer_email=found.org.email or outlets.mail_from,
        ),
    )
