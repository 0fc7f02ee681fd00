"""The seed's demo rows: what `driveflow seed` makes (seed document, step 12).

One school with its owner, an instructor, a student, a service and a rate card with one price. Every row is
looked up by its natural name first, so a second run makes nothing and returns the same rows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import inspect, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.catalog.models import RateCard, RateCardItem, Service
from driveflow.core.actor import Actor, Role
from driveflow.core.audit import Action, plain, record
from driveflow.core.contacts import search_text
from driveflow.core.db import Base, Database, TenantMixin, set_tenant
from driveflow.core.ids import new_id
from driveflow.orgs.models import Org, User
from driveflow.orgs.service import create_org
from driveflow.people.models import Instructor, Student

ORG_NAME: Final = "Demo Driving School"
ORG_SLUG: Final = "demo-driving-school"
OWNER_EMAIL: Final = "owner@demo.com"
OWNER_NAME: Final = "Demo Owner"
INSTRUCTOR_NAME: Final = "Casey Instructor"
STUDENT_NAME: Final = "Alex Student"
SERVICE_NAME: Final = "60-min Lesson"
SERVICE_DURATION_MIN: Final = 60
RATE_CARD_NAME: Final = "Default 2025"
PRICE_CENTS: Final = 9500

_LOCK_KEY: Final = 7_305_121  # any fixed number: two seeds at once take turns
# What a search looks in is no field of a person.
_INTERNAL: Final = frozenset({"search_text"})

T = TypeVar("T", bound=TenantMixin)


@dataclass(frozen=True, slots=True)
class SeedRows:
    """The seed's rows, detached; `price` is the item of the rate card for the service."""

    org: Org
    owner: User
    instructor: Instructor
    student: Student
    service: Service
    rate: RateCard
    price: RateCardItem


async def seed(database: Database, *, now: datetime) -> SeedRows:
    """Return the seed's demo rows, made if they are missing, all in one transaction."""
    async with database.session(None) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        owner = await ensure_owner(session, now=now)
        org, actor = await _ensure_org(session, owner, now=now)
        instructor = await _ensure(
            session,
            actor,
            Action.INSTRUCTOR_CREATED,
            Instructor(display_name=INSTRUCTOR_NAME, active=True),
            "display_name",
            now=now,
        )
        student = await _ensure(
            session,
            actor,
            Action.STUDENT_CREATED,
            Student(full_name=STUDENT_NAME, search_text=search_text(STUDENT_NAME)),
            "full_name",
            now=now,
        )
        service = await _ensure(
            session,
            actor,
            Action.SERVICE_CREATED,
            Service(name=SERVICE_NAME, duration_min=SERVICE_DURATION_MIN),
            "name",
            now=now,
        )
        rate = await _ensure(
            session,
            actor,
            Action.RATE_CARD_CREATED,
            RateCard(name=RATE_CARD_NAME, currency=org.currency, is_default=True),
            "name",
            now=now,
        )
        price = await _ensure_price(session, actor, rate, service, now=now)
        rows = SeedRows(org, owner, instructor, student, service, rate, price)
        await session.flush()
        # The first run must show what a second one reads: defaults filled in, JSON in the database's order.
        for row in (org, owner, instructor, student, service, rate, price):
            await session.refresh(row)
        return rows


def seed_json(rows: SeedRows) -> dict[str, dict[str, Any]]:
    """Return the rows as JSON can hold them: `org`, `owner`, `instructor`, `student`, `service`, `rate`.

    Each is an object of its columns; `rate` also has `items`, a list of `service_id` and `price_cents`.
    """
    item = {"service_id": str(rows.price.service_id), "price_cents": rows.price.price_cents}
    return {
        "org": _fields(rows.org),
        "owner": _fields(rows.owner),
        "instructor": _fields(rows.instructor),
        "student": _fields(rows.student),
        "service": _fields(rows.service),
        "rate": {**_fields(rows.rate), "items": [item]},
    }


async def ensure_owner(session: AsyncSession, *, now: datetime) -> User:
    """Return the demo's owner, who owns the seed's school and the demo school, made if missing."""
    await session.execute(
        insert(User)
        .values(id=new_id(), email=OWNER_EMAIL, full_name=OWNER_NAME, created_at=now, updated_at=now)
        .on_conflict_do_nothing(index_elements=["email"])
    )
    return (await session.scalars(select(User).where(User.email == OWNER_EMAIL))).one()


async def _ensure_org(session: AsyncSession, owner: User, *, now: datetime) -> tuple[Org, Actor]:
    org = (await session.scalars(select(Org).where(Org.slug == ORG_SLUG))).one_or_none()
    if org is None:
        return await create_org(session, owner=owner, name=ORG_NAME, slug=ORG_SLUG, settings={}, now=now)
    await set_tenant(session, org.id)
    return org, Actor(org_id=org.id, role=Role.OWNER, user_id=owner.id)


async def _ensure(
    session: AsyncSession, actor: Actor, action: Action, new: T, name_field: str, *, now: datetime
) -> T:
    """Return the school's oldest row with the name of `new`, or `new` itself, added and recorded."""
    model, name = type(new), getattr(new, name_field)
    same_name = select(model).where(model.org_id == actor.org_id, getattr(model, name_field) == name)
    found = (await session.scalars(same_name.order_by(model.id).limit(1))).one_or_none()
    if found is not None:
        return found
    new.org_id, new.id = actor.org_id, new_id()
    session.add(new)
    record(session, actor, action, model.__name__, new.id, now=now, after={name_field: name})
    await session.flush()
    return new


async def _ensure_price(
    session: AsyncSession, actor: Actor, rate: RateCard, service: Service, *, now: datetime
) -> RateCardItem:
    item = await session.get(RateCardItem, (actor.org_id, rate.id, service.id))
    if item is None:
        item = RateCardItem(
            org_id=actor.org_id, rate_card_id=rate.id, service_id=service.id, price_cents=PRICE_CENTS
        )
        session.add(item)
        record(
            session,
            actor,
            Action.RATE_CARD_ITEM_SET,
            RateCard.__name__,
            rate.id,
            now=now,
            after={"service_id": service.id, "price_cents": PRICE_CENTS},
        )
    return item


def _fields(row: Base) -> dict[str, Any]:
    columns = inspect(type(row)).column_attrs
    return plain({column.key: getattr(row, column.key) for column in columns if column.key not in _INTERNAL})
