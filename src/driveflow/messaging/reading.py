"""Reads what a message tells and who might get it, by the services of the packages below."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.bookings.models import Booking
from driveflow.catalog.models import Service
from driveflow.core.db import get_or_404
from driveflow.core.errors import NotFoundError
from driveflow.lessons.service import lesson_of_booking
from driveflow.messaging.channels import Addresses
from driveflow.messaging.facts import NAME, REMARK, BookingTold, Facts, LessonTold, MoneyTold, SchoolTold
from driveflow.messaging.triggers import Occasion, Person, RecipientKind
from driveflow.messaging.wording import clean
from driveflow.orgs.models import Org
from driveflow.orgs.service import email_of_user, settings_of
from driveflow.payments.models import Payment, Refund
from driveflow.payouts.models import Payout
from driveflow.people.guardian_links import guardians_of_student
from driveflow.people.models import Guardian, Instructor, Student
from driveflow.people.preferences import PreferredChannel


@dataclass(frozen=True, slots=True)
class Read:
    """What an event is about: the school's row, facts, the people around it, the row it belongs to."""

    org: Org
    facts: Facts
    people: tuple[Person, ...]
    related_type: str
    related_id: UUID


async def read(
    session: AsyncSession, org_id: UUID, occasion: Occasion, payload: Mapping[str, Any], *, now: datetime
) -> Read | None:
    """Return what a message about the event may tell; None when its rows are gone."""
    org = await settings_of(session, org_id)
    try:
        money, booking_id, instructor_id = await _money(session, org_id, occasion, payload)
        booking = await get_or_404(session, Booking, org_id, booking_id) if booking_id is not None else None
        if booking is not None:
            instructor_id = booking.instructor_id if instructor_id is None else instructor_id
        instructor = (
            await get_or_404(session, Instructor, org_id, instructor_id)
            if instructor_id is not None
            else None
        )
        student = await get_or_404(session, Student, org_id, booking.student_id) if booking else None
        told = await _booking_told(session, booking, student)
    except NotFoundError:
        return None
    lesson = None
    if occasion is Occasion.LESSON_COMPLETED and booking is not None:
        row = await lesson_of_booking(session, org_id, booking.id)
        lesson = LessonTold.of(row) if row is not None else None
    return Read(
        org=org,
        facts=Facts(SchoolTold.of(org), now, told, lesson, money),
        people=await _people(session, org, student, instructor),
        related_type="Booking" if booking is not None else "Payout",
        related_id=booking.id if booking is not None else UUID(str(payload["payout_id"])),
    )


async def person(session: AsyncSession, org_id: UUID, kind: RecipientKind, person_id: UUID) -> Person | None:
    """Return somebody with today's addresses, None when the row is gone."""
    org = await settings_of(session, org_id)
    try:
        match kind:
            case RecipientKind.STUDENT:
                return _learner(kind, await get_or_404(session, Student, org_id, person_id))
            case RecipientKind.GUARDIAN:
                return _learner(kind, await get_or_404(session, Guardian, org_id, person_id))
            case RecipientKind.INSTRUCTOR:
                return await _teacher(session, await get_or_404(session, Instructor, org_id, person_id))
            case RecipientKind.SCHOOL:
                return _office(org)
    except NotFoundError:
        return None


async def _money(
    session: AsyncSession, org_id: UUID, occasion: Occasion, payload: Mapping[str, Any]
) -> tuple[MoneyTold | None, UUID | None, UUID | None]:
    """Return the amount, the booking and, for a payout, the instructor that an event is about."""
    if occasion is Occasion.PAYOUT_PAID:
        payout = await get_or_404(session, Payout, org_id, UUID(payload["payout_id"]))
        return MoneyTold(payout.amount_cents, payout.currency), payout.booking_id, payout.instructor_id
    if occasion in {Occasion.REFUND_SUCCEEDED, Occasion.REFUND_FAILED}:
        refund = await get_or_404(session, Refund, org_id, UUID(payload["refund_id"]))
        payment = await get_or_404(session, Payment, org_id, refund.payment_id)
        told = MoneyTold(refund.amount_cents, refund.currency, clean(refund.reason, REMARK))
        return told, payment.booking_id, None
    if occasion in {Occasion.PAYMENT_SUCCEEDED, Occasion.PAYMENT_FAILED}:
        payment = await get_or_404(session, Payment, org_id, UUID(payload["payment_id"]))
        return MoneyTold(payment.amount_cents, payment.currency), payment.booking_id, None
    return None, UUID(payload["booking_id"]), None


async def _booking_told(
    session: AsyncSession, booking: Booking | None, student: Student | None
) -> BookingTold | None:
    if booking is None or student is None:
        return None
    service = await get_or_404(session, Service, booking.org_id, booking.service_id)
    instructor = await get_or_404(session, Instructor, booking.org_id, booking.instructor_id)
    return BookingTold.of(
        booking, service=service.name, student=student.full_name, instructor=instructor.display_name
    )


async def _people(
    session: AsyncSession, org: Org, student: Student | None, instructor: Instructor | None
) -> tuple[Person, ...]:
    people: list[Person] = []
    if student is not None:
        people.append(_learner(RecipientKind.STUDENT, student))
        people += [
            _learner(
                RecipientKind.GUARDIAN,
                linked.guardian,
                notify=linked.link.notify,
                may_pay=linked.link.can_pay,
            )
            for linked in await guardians_of_student(session, org.id, student.id)
        ]
    if instructor is not None:
        people.append(await _teacher(session, instructor))
    office = _office(org)
    return (*people, office) if office is not None else tuple(people)


def _learner(
    kind: RecipientKind, row: Student | Guardian, *, notify: bool = True, may_pay: bool = True
) -> Person:
    addresses = Addresses(row.email, row.phone, PreferredChannel(row.preferred_channel))
    return Person(kind, row.id, clean(row.full_name, NAME), addresses, row.locale, notify, may_pay)


async def _teacher(session: AsyncSession, row: Instructor) -> Person:
    addresses = Addresses(await email_of_user(session, row.user_id), row.phone)
    return Person(RecipientKind.INSTRUCTOR, row.id, clean(row.display_name, NAME), addresses)


def _office(org: Org) -> Person | None:
    """Return the school itself, where it has an address for mail; texts to its own desk help nobody."""
    if org.email is None:
        return None
    return Person(RecipientKind.SCHOOL, org.id, clean(org.name, NAME), Addresses(org.email, None))
