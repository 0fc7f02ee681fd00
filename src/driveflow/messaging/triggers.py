"""Decide what happens in words: which event tells whom what; the only place that knows.

| event             | when                  | message            | to |
|-------------------|-----------------------|--------------------|----|
| booking.created   | requested             | booking_requested  | learners, instructor, school |
| booking.created   | confirmed             | booking_confirmed  | learners, instructor |
| booking.confirmed |                       | booking_confirmed  | learners, instructor |
| booking.rescheduled |                     | booking_moved      | learners, instructor |
| booking.rescheduled | to another instructor | booking_handed_over | the former instructor, too |
| booking.cancelled |                       | booking_cancelled  | learners, instructor |
| booking.no_show   |                       | booking_missed     | learners |
| reminder due      | still confirmed       | reminder           | learners |
| lesson.completed  |                       | lesson_summary     | learners |
| payment.succeeded |                       | payment_receipt    | payers |
| payment.failed    |                       | payment_failed     | payers |
| refund.succeeded  |                       | refund             | payers |
| refund.failed     |                       | refund_failed      | school |
| payout.paid       |                       | payout             | instructor |

Learners are the student and those guardians whose link to the student says `notify`; payers are the student
and those of them who also may pay (`can_pay`). The school is its own address for mail (`orgs.email`). The
instructor hears of requests too, so that a later cancellation does not come out of the blue.
`booking.completed` says nothing of its own: `lesson.completed` comes with it.

People who share an address (a family's one mailbox) get a message once: the student first, then guardians in
the order of their links.

A booking that was cancelled, or is over, before a worker came round to its creation, confirmation or move
gets the message about its end only.

Messages about bookings and money are part of the business that was agreed and go on after an unsubscribe.
Optional, with a link to unsubscribe, are `reminder` and `lesson_summary`.

A message is unique in its school by event, template and recipient, a reminder by booking, start, minutes and
recipient. So whatever is retried or killed, there is one row, and a row is sent once (`delivery.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from driveflow.bookings.lifecycle import FINAL, BookingStatus
from driveflow.messaging.channels import Addresses
from driveflow.people.preferences import PreferredChannel


class TemplateKey(StrEnum):
    """Everything that DriveFlow tells people."""

    BOOKING_REQUESTED = "booking_requested"
    BOOKING_CONFIRMED = "booking_confirmed"
    BOOKING_MOVED = "booking_moved"
    BOOKING_HANDED_OVER = "booking_handed_over"
    BOOKING_CANCELLED = "booking_cancelled"
    BOOKING_MISSED = "booking_missed"
    REMINDER = "reminder"
    LESSON_SUMMARY = "lesson_summary"
    PAYMENT_RECEIPT = "payment_receipt"
    PAYMENT_FAILED = "payment_failed"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    PAYOUT = "payout"


OPTIONAL: Final = frozenset({TemplateKey.REMINDER, TemplateKey.LESSON_SUMMARY})
"""The messages that one can unsubscribe from."""


TIMELY: Final = frozenset(
    {
        TemplateKey.BOOKING_CONFIRMED,
        TemplateKey.BOOKING_MOVED,
        TemplateKey.BOOKING_HANDED_OVER,
        TemplateKey.BOOKING_CANCELLED,
        TemplateKey.REMINDER,
    }
)
"""The messages about when a lesson is: close to it they do not wait for the end of quiet hours."""


class RecipientKind(StrEnum):
    """What somebody is to the school."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    INSTRUCTOR = "instructor"
    SCHOOL = "school"


class Occasion(StrEnum):
    """What can have happened; the values are those of the topics."""

    BOOKING_CREATED = "booking.created"
    BOOKING_CONFIRMED = "booking.confirmed"
    BOOKING_RESCHEDULED = "booking.rescheduled"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_NO_SHOW = "booking.no_show"
    REMINDER_DUE = "booking.reminder_due"
    LESSON_COMPLETED = "lesson.completed"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    PAYOUT_PAID = "payout.paid"


class Audience(StrEnum):
    """Groups of recipients."""

    LEARNERS = "learners"
    PAYERS = "payers"
    INSTRUCTOR = "instructor"
    SCHOOL = "school"


@dataclass(frozen=True, slots=True)
class Trigger:
    """One line of the table."""

    template: TemplateKey
    audiences: tuple[Audience, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may get a message; `locale` None means the school's.

    `notify` and `may_pay` matter for guardians: what the link to the student says.
    """

    kind: RecipientKind
    id: UUID
    name: str
    addresses: Addresses
    locale: str | None = None
    notify: bool = True
    may_pay: bool = True


_REQUESTED: Final = Trigger(
    TemplateKey.BOOKING_REQUESTED, (Audience.LEARNERS, Audience.INSTRUCTOR, Audience.SCHOOL)
)
_CONFIRMED: Final = Trigger(TemplateKey.BOOKING_CONFIRMED, (Audience.LEARNERS, Audience.INSTRUCTOR))

_TRIGGERS: Final[Mapping[Occasion, Trigger]] = MappingProxyType(
    {
        Occasion.BOOKING_CONFIRMED: _CONFIRMED,
        Occasion.BOOKING_RESCHEDULED: Trigger(
            TemplateKey.BOOKING_MOVED, (Audience.LEARNERS, Audience.INSTRUCTOR)
        ),
        Occasion.BOOKING_CANCELLED: Trigger(
            TemplateKey.BOOKING_CANCELLED, (Audience.LEARNERS, Audience.INSTRUCTOR)
        ),
        Occasion.BOOKING_NO_SHOW: Trigger(TemplateKey.BOOKING_MISSED, (Audience.LEARNERS,)),
        Occasion.REMINDER_DUE: Trigger(TemplateKey.REMINDER, (Audience.LEARNERS,)),
        Occasion.LESSON_COMPLETED: Trigger(TemplateKey.LESSON_SUMMARY, (Audience.LEARNERS,)),
        Occasion.PAYMENT_SUCCEEDED: Trigger(TemplateKey.PAYMENT_RECEIPT, (Audience.PAYERS,)),
        Occasion.PAYMENT_FAILED: Trigger(TemplateKey.PAYMENT_FAILED, (Audience.PAYERS,)),
        Occasion.REFUND_SUCCEEDED: Trigger(TemplateKey.REFUND, (Audience.PAYERS,)),
        Occasion.REFUND_FAILED: Trigger(TemplateKey.REFUND_FAILED, (Audience.SCHOOL,)),
        Occasion.PAYOUT_PAID: Trigger(TemplateKey.PAYOUT, (Audience.INSTRUCTOR,)),
    }
)


def trigger_of(occasion: Occasion, status: BookingStatus) -> Trigger:
    """Return what an occasion tells whom; `status` is the one that the event says the booking had."""
    if occasion is Occasion.BOOKING_CREATED:
        return _REQUESTED if status is BookingStatus.REQUESTED else _CONFIRMED
    return _TRIGGERS[occasion]


def is_outdated(occasion: Occasion, status_now: BookingStatus) -> bool:
    """Return whether an occasion is not worth a message any more: the booking was cancelled or is over.

    Workers may have been away for hours; "confirmed" beside "cancelled" would only confuse.
    """
    return status_now in FINAL and occasion in {
        Occasion.BOOKING_CREATED,
        Occasion.BOOKING_CONFIRMED,
        Occasion.BOOKING_RESCHEDULED,
    }


def sets_reminders(occasion: Occasion, status: BookingStatus) -> bool:
    """Return whether reminders of the lesson are to be planned: its time has just become certain."""
    return status is BookingStatus.CONFIRMED and occasion in {
        Occasion.BOOKING_CREATED,
        Occasion.BOOKING_CONFIRMED,
        Occasion.BOOKING_RESCHEDULED,
    }


def recipients(trigger: Trigger, people: Iterable[Person]) -> tuple[Person, ...]:
    """Return those of the people around a booking who get the message; shared addresses count once."""
    chosen: list[Person] = []
    seen: set[str] = set()
    for person in people:
        if not any(_belongs(person, audience) for audience in trigger.audiences):
            continue
        known = person.addresses.email or person.addresses.phone
        if known is not None and known in seen:
            continue
        # Somebody who wants no messages does not stand in for the others at this address.
        if known is not None and person.addresses.preference is not PreferredChannel.NONE:
            seen.add(known)
        chosen.append(person)
    return tuple(chosen)


def dedupe_key(event_id: UUID, template: TemplateKey, person: Person) -> str:
    """Return what makes a message unique in its school."""
    return f"{event_id}:{template}:{person.kind}:{person.id}"


def reminder_key(booking_id: UUID, start: str, minutes_before: int, person: Person) -> str:
    """Return what makes a reminder unique in its school; `start` is the lesson's start as text."""
    return f"reminder:{booking_id}:{start}:{minutes_before}:{person.kind}:{person.id}"


def _belongs(person: Person, audience: Audience) -> bool:
    if audience is Audience.INSTRUCTOR:
        return person.kind is RecipientKind.INSTRUCTOR
    if audience is Audience.SCHOOL:
        return person.kind is RecipientKind.SCHOOL
    return _is_learner(person) and (audience is Audience.LEARNERS or person.may_pay)


def _is_learner(person: Person) -> bool:
    return person.kind is RecipientKind.STUDENT or (person.kind is RecipientKind.GUARDIAN and person.notify)
