"""Services, the kinds of lesson that a school sells, and the price of one of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.catalog.models import RateCardItem, Service
from driveflow.catalog.pricing import PriceQuote, applicable_card, no_price, price_booking
from driveflow.catalog.rate_cards import default_cards
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.clock import local_date
from driveflow.core.db import check_version, constraint_as, get_or_404
from driveflow.core.errors import ConflictError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.orgs.service import settings_of
from driveflow.people.service import get_instructor


@dataclass(frozen=True, slots=True)
class ServiceQuote:
    """What a service costs with an instructor on a local day of the school."""

    service: Service
    instructor_id: UUID
    local_day: date
    price: PriceQuote


async def list_services(
    session: AsyncSession, actor: Actor, paging: PageRequest, *, active: bool | None = None
) -> Page[Service]:
    """Return services by name; only active or only inactive ones when `active` is given."""
    require(actor, Permission.CATALOG_READ)
    query = select(Service).where(Service.org_id == actor.org_id)
    if active is not None:
        query = query.where(Service.active.is_(active))
    return await fetch_page(session, query, [Service.name, Service.id], paging)


async def get_service(session: AsyncSession, actor: Actor, service_id: UUID) -> Service:
    """Return a service."""
    require(actor, Permission.CATALOG_READ)
    return await get_or_404(session, Service, actor.org_id, service_id)


async def create_service(
    session: AsyncSession, actor: Actor, values: dict[str, Any], *, now: datetime
) -> Service:
    """Add a service with the given fields. Raises ConflictError `name_taken`."""
    require(actor, Permission.CATALOG_MANAGE)
    row = Service(org_id=actor.org_id, created_at=now, updated_at=now, **values)
    session.add(row)
    with constraint_as("services_org_id_name_key", _name_taken()):
        await session.flush()
    record(session, actor, Action.SERVICE_CREATED, "Service", row.id, now=now, after=values)
    return row


async def update_service(
    session: AsyncSession,
    actor: Actor,
    service_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> Service:
    """Change fields of a service; bookings made before keep their length and price.

    Raises ConflictError `stale_version` or `name_taken`.
    """
    require(actor, Permission.CATALOG_MANAGE)
    row = await get_or_404(session, Service, actor.org_id, service_id, lock=True)
    check_version(row.version, version)
    before, after = apply_changes(row, changes)
    if after:
        row.version += 1
        row.updated_at = now
        record(session, actor, Action.SERVICE_UPDATED, "Service", row.id, now=now, before=before, after=after)
        with constraint_as("services_org_id_name_key", _name_taken()):
            await session.flush()
    return row


async def delete_service(session: AsyncSession, actor: Actor, service_id: UUID, *, now: datetime) -> None:
    """Remove a service that was never booked, with its prices.

    Raises ConflictError `in_use` when bookings refer to it: deactivate instead.
    """
    require(actor, Permission.CATALOG_MANAGE)
    row = await get_or_404(session, Service, actor.org_id, service_id, lock=True)
    record(
        session,
        actor,
        Action.SERVICE_DELETED,
        "Service",
        row.id,
        now=now,
        before={"name": row.name, "duration_min": row.duration_min},
    )
    await session.delete(row)
    in_use = ConflictError("Bookings refer to this service; deactivate instead.", code="in_use")
    with constraint_as("bookings_org_id_service_id_fkey", in_use):
        await session.flush()


async def quote(
    session: AsyncSession, actor: Actor, *, service_id: UUID, instructor_id: UUID, at: datetime
) -> ServiceQuote:
    """Return the price that a booking of the service starting at `at` would snapshot.

    Raises NotFoundError for an unknown service or instructor, ConflictError `service_inactive`,
    `instructor_inactive` or `no_price`: a booking would be refused for the same reason.
    """
    require(actor, Permission.QUOTE_READ)
    service = await get_or_404(session, Service, actor.org_id, service_id)
    instructor = await get_instructor(session, actor, instructor_id)
    if not service.active:
        raise ConflictError("This service is not offered any more.", code="service_inactive")
    if not instructor.active:
        raise ConflictError("This instructor takes no bookings at present.", code="instructor_inactive")
    org = await settings_of(session, actor.org_id)
    local_day = local_date(at, org.time_zone)
    card = applicable_card(await default_cards(session, actor.org_id), local_day)
    if card is None:
        raise no_price(local_day, None)
    item = await session.get(RateCardItem, (actor.org_id, card.id, service_id))
    if item is None:
        raise no_price(local_day, card)
    price = price_booking(card, item.price_cents, org.fee_bps, instructor.fee_bps)
    return ServiceQuote(service, instructor_id, local_day, price)


def _name_taken() -> ConflictError:
    return ConflictError("Another service has this name.", code="name_taken")
