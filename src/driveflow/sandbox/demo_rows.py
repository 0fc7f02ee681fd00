"""The people, the catalog and the hours of the demo school as rows of the database's tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from driveflow.availability.models import AvailabilityException, InstructorAvailability
from driveflow.availability.slots import DayException
from driveflow.bookings.cancellation import DEFAULT_POLICY
from driveflow.catalog.models import RateCard, RateCardItem, Service
from driveflow.core.actor import Role
from driveflow.core.contacts import search_text
from driveflow.core.db import Base
from driveflow.orgs.models import UserOrg
from driveflow.people.models import Guardian, Instructor, Student, StudentGuardian
from driveflow.sandbox.demo_bookings import FEE_BPS, HOLD_MINUTES, DemoBooking, DemoSchoolRules
from driveflow.sandbox.demo_calendar import BUFFER_MIN, SLOT_STEP_MIN, TIME_ZONE, DemoService
from driveflow.sandbox.demo_catalog import CURRENCY
from driveflow.sandbox.demo_lessons import DemoLesson
from driveflow.sandbox.demo_people import DemoGuardian, DemoInstructor, DemoStudent, demo_id

ORG_NAME: Final = "Harbour Driving School"
ORG_SLUG: Final = "harbour-driving-school"
# Made up; only its checksum is right.
_ABN: Final = "23638204971"
# Somebody who tries the demo will not wait for the three days that are usual.
PAYOUT_HOLD_MIN: Final = 1
_OPENED_BEFORE: Final = timedelta(days=400)
# Before the first of them books; each a day after the one before.
_FIRST_STUDENT_BEFORE: Final = timedelta(days=150)

_EXCEPTIONS_BEFORE: Final = timedelta(days=30)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoData:
    """All that the demo school holds, made up around `now`."""

    now: datetime
    rules: DemoSchoolRules
    instructors: tuple[DemoInstructor, ...]
    students: tuple[DemoStudent, ...]
    services: tuple[DemoService, ...]
    exceptions: dict[UUID, dict[DayException, str]]
    bookings: tuple[DemoBooking, ...]
    lessons: tuple[DemoLesson, ...]

    @property
    def opened_at(self) -> datetime:
        """When the school was opened."""
        return self.now - _OPENED_BEFORE

    def joined_at(self, number: int) -> datetime:
        """Return when the student of this number (from 0) joined."""
        return self.now - _FIRST_STUDENT_BEFORE + timedelta(days=number)

    def guardians(self) -> dict[DemoGuardian, datetime]:
        """Return each guardian once, with when their first student joined."""
        first_joined: dict[DemoGuardian, datetime] = {}
        for number, student in enumerate(self.students):
            for guardian in student.guardians:
                first_joined.setdefault(guardian, self.joined_at(number))
        return first_joined


def org(data: DemoData) -> Row:
    """Return the row of the school."""
    return {
        "id": data.rules.org_id,
        "name": ORG_NAME,
        "slug": ORG_SLUG,
        "abn": _ABN,
        "time_zone": TIME_ZONE,
        "currency": CURRENCY,
        "fee_bps": FEE_BPS,
        "cancellation_tiers": DEFAULT_POLICY.to_json(),
        "hold_minutes": HOLD_MINUTES,
        "buffer_minutes": BUFFER_MIN,
        "slot_step_minutes": SLOT_STEP_MIN,
        "email": "desk@harbour.example",
        "phone": "+61290000000",
        "address": "12 Wharf Road, Sydney NSW 2000",
        "tax_registered": True,
        "payout_hold_minutes": PAYOUT_HOLD_MIN,
        **stamps(data.opened_at),
    }


def users(data: DemoData) -> list[Row]:
    """Return the rows of everybody who logs in, but the owner."""
    people: list[tuple[UUID, str, str, str, datetime]] = [
        (person.user_id, person.email, person.display_name, person.phone, data.opened_at)
        for person in data.instructors
    ]
    people += [
        (person.user_id, person.email, person.full_name, person.phone, data.joined_at(number))
        for number, person in enumerate(data.students)
    ]
    people += [
        (person.user_id, person.email, person.full_name, person.phone, joined_at)
        for person, joined_at in data.guardians().items()
    ]
    return [
        {"id": user_id, "email": email, "full_name": name, "phone": phone, **stamps(at)}
        for user_id, email, name, phone, at in people
    ]


def tables(data: DemoData) -> Iterator[tuple[type[Base], list[Row]]]:
    """Yield the tables of people, catalog and hours with their rows, those that others refer to first."""
    yield UserOrg, _memberships(data)
    yield Instructor, _instructors(data)
    yield Student, _students(data)
    yield Guardian, _guardians(data)
    yield StudentGuardian, _guardian_links(data)
    yield Service, _services(data)
    yield RateCard, _rate_cards(data)
    yield RateCardItem, _prices(data)
    yield InstructorAvailability, _hours(data)
    yield AvailabilityException, _exceptions(data)


def _memberships(data: DemoData) -> list[Row]:
    members = [(data.rules.owner_user_id, Role.OWNER, data.opened_at)]
    members += [(person.user_id, Role.INSTRUCTOR, data.opened_at) for person in data.instructors]
    members += [
        (person.user_id, Role.STUDENT, data.joined_at(number)) for number, person in enumerate(data.students)
    ]
    return [
        {
            "id": demo_id("member", role, number),
            "user_id": user_id,
            "org_id": data.rules.org_id,
            "role": role.value,
            "created_at": at,
        }
        for number, (user_id, role, at) in enumerate(members)
    ]


def _instructors(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": person.id,
            "user_id": person.user_id,
            "display_name": person.display_name,
            "phone": person.phone,
            "license_id": person.license_id,
            "fee_bps": person.fee_bps,
            **stamps(data.opened_at),
        }
        for person in data.instructors
    ]


def _students(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": person.id,
            "user_id": person.user_id,
            "full_name": person.full_name,
            "phone": person.phone,
            "email": person.email,
            "dob": person.dob,
            "notes": person.notes,
            "search_text": search_text(person.full_name, person.email, person.phone),
            **stamps(data.joined_at(number)),
        }
        for number, person in enumerate(data.students)
    ]


def _guardians(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": person.id,
            "user_id": person.user_id,
            "full_name": person.full_name,
            "phone": person.phone,
            "email": person.email,
            "search_text": search_text(person.full_name, person.email, person.phone),
            **stamps(joined_at),
        }
        for person, joined_at in data.guardians().items()
    ]


def _guardian_links(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "student_id": student.id,
            "guardian_id": guardian.id,
            "id": demo_id("guardian link", student.id, guardian.id),
            "relation": guardian.relation,
            "can_book": place == 0,
            "can_pay": True,
            "is_primary": place == 0,
            "created_at": data.joined_at(number),
        }
        for number, student in enumerate(data.students)
        for place, guardian in enumerate(student.guardians)
    ]


def _services(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": service.id,
            "name": service.name,
            "description": service.description,
            "duration_min": service.duration_min,
            **stamps(data.opened_at),
        }
        for service in data.services
    ]


def _rate_cards(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": card.id,
            "name": card.name,
            "currency": card.currency,
            "is_default": card.is_default,
            "valid_from": card.valid_from,
            "valid_to": card.valid_to,
            **stamps(data.opened_at),
        }
        for card in data.rules.cards
    ]


def _prices(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "rate_card_id": card_id,
            "service_id": service_id,
            "id": demo_id("price", card_id, service_id),
            "price_cents": price_cents,
            "created_at": data.opened_at,
        }
        for (card_id, service_id), price_cents in data.rules.prices.items()
    ]


def _hours(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": demo_id("hours", person.id, window.day_of_week, window.start_minute),
            "instructor_id": person.id,
            **window._asdict(),
            **stamps(data.opened_at),
        }
        for person in data.instructors
        for window in person.windows
    ]


def _exceptions(data: DemoData) -> list[Row]:
    return [
        {
            "org_id": data.rules.org_id,
            "id": demo_id("exception", instructor_id, change.day),
            "instructor_id": instructor_id,
            "date": change.day,
            "is_available": change.is_available,
            "start_minute": change.start_minute,
            "end_minute": change.end_minute,
            "note": note,
            "created_at": data.now - _EXCEPTIONS_BEFORE,
        }
        for instructor_id, changes in data.exceptions.items()
        for change, note in changes.items()
    ]


def stamps(at: datetime) -> Row:
    """Return when a row was made, and that nobody changed it since."""
    return {"created_at": at, "updated_at": at}
