"""The rule of triggers: which event tells whom what."""

from uuid import UUID, uuid4

import pytest

from driveflow.bookings.lifecycle import FINAL, BookingStatus
from driveflow.core.outbox import Topic
from driveflow.messaging.channels import Addresses
from driveflow.messaging.triggers import (
    Occasion,
    Person,
    RecipientKind,
    TemplateKey,
    dedupe_key,
    is_outdated,
    recipients,
    reminder_key,
    sets_reminders,
    trigger_of,
)
from driveflow.people.preferences import PreferredChannel

ANY = BookingStatus.CONFIRMED


def person(
    kind: RecipientKind,
    name: str,
    *,
    notify: bool = True,
    may_pay: bool = True,
    email: str | None = "",
    preference: PreferredChannel = PreferredChannel.EMAIL,
) -> Person:
    address = f"{name}@x.example" if email == "" else email
    return Person(kind, uuid4(), name, Addresses(address, None, preference), None, notify, may_pay)


STUDENT = person(RecipientKind.STUDENT, "student")
PARENT = person(RecipientKind.GUARDIAN, "parent")
SILENT = person(RecipientKind.GUARDIAN, "silent", notify=False)
POOR = person(RecipientKind.GUARDIAN, "poor", may_pay=False)
TEACHER = person(RecipientKind.INSTRUCTOR, "teacher")
OFFICE = person(RecipientKind.SCHOOL, "office")
ALL = (STUDENT, PARENT, SILENT, POOR, TEACHER, OFFICE)


@pytest.mark.parametrize(
    ("occasion", "status", "template", "names"),
    [
        ("booking.created", "requested", "booking_requested", "student parent poor teacher office"),
        ("booking.created", "confirmed", "booking_confirmed", "student parent poor teacher"),
        ("booking.confirmed", "confirmed", "booking_confirmed", "student parent poor teacher"),
        ("booking.rescheduled", "confirmed", "booking_moved", "student parent poor teacher"),
        ("booking.cancelled", "cancelled", "booking_cancelled", "student parent poor teacher"),
        ("booking.no_show", "no_show", "booking_missed", "student parent poor"),
        ("booking.reminder_due", "confirmed", "reminder", "student parent poor"),
        ("lesson.completed", "completed", "lesson_summary", "student parent poor"),
        ("payment.succeeded", "confirmed", "payment_receipt", "student parent"),
        ("payment.failed", "confirmed", "payment_failed", "student parent"),
        ("refund.succeeded", "cancelled", "refund", "student parent"),
        ("refund.failed", "cancelled", "refund_failed", "office"),
        ("payout.paid", "completed", "payout", "teacher"),
    ],
)
def test_the_table_of_messages(occasion: str, status: str, template: str, names: str) -> None:
    trigger = trigger_of(Occasion(occasion), BookingStatus(status))
    assert trigger.template is TemplateKey(template)
    assert " ".join(one.name for one in recipients(trigger, ALL)) == names


def test_every_occasion_is_a_topic_and_has_a_message() -> None:
    for occasion in Occasion:
        assert Topic(occasion.value)
    used = {trigger_of(occasion, status).template for occasion in Occasion for status in BookingStatus}
    assert used | {TemplateKey.BOOKING_HANDED_OVER} == set(TemplateKey)


def test_a_shared_mailbox_gets_a_message_once() -> None:
    twin = person(RecipientKind.GUARDIAN, "twin", email="student@x.example")
    nobody = person(RecipientKind.GUARDIAN, "nobody", email=None)
    trigger = trigger_of(Occasion.BOOKING_CONFIRMED, ANY)
    assert recipients(trigger, (STUDENT, twin, nobody, nobody)) == (STUDENT, nobody, nobody)


def test_who_wants_no_messages_does_not_stand_in_for_the_rest_of_the_family() -> None:
    silent = person(RecipientKind.STUDENT, "s", email="home@x.example", preference=PreferredChannel.NONE)
    parent = person(RecipientKind.GUARDIAN, "p", email="home@x.example")
    assert parent in recipients(trigger_of(Occasion.BOOKING_CONFIRMED, ANY), (silent, parent))


@pytest.mark.parametrize("occasion", list(Occasion))
@pytest.mark.parametrize("status", list(BookingStatus))
def test_only_new_times_set_reminders_and_only_the_end_of_a_booking_silences_them(
    occasion: Occasion, status: BookingStatus
) -> None:
    makes_time = occasion.value in {"booking.created", "booking.confirmed", "booking.rescheduled"}
    assert sets_reminders(occasion, status) == (makes_time and status is BookingStatus.CONFIRMED)
    assert is_outdated(occasion, status) == (makes_time and status in FINAL)


def test_a_message_is_unique_by_event_template_and_recipient() -> None:
    one, other = UUID(int=1), UUID(int=2)
    keys = {
        dedupe_key(event, template, who)
        for event in (one, other)
        for template in (TemplateKey.REMINDER, TemplateKey.REFUND)
        for who in (STUDENT, PARENT)
    }
    keys |= {
        reminder_key(booking, start, minutes, who)
        for booking in (one, other)
        for start in ("a", "b")
        for minutes in (120, 1440)
        for who in (STUDENT, PARENT)
    }
    assert len(keys) == 8 + 16
