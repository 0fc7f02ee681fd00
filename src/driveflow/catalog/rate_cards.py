"""Rate cards and the prices on them; two default cards never share a day (`pricing.py` says why)."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.catalog.models import DEFAULT_CARDS_NO_OVERLAP, RateCard, RateCardItem, Service
from driveflow.catalog.pricing import RateCardFacts, check_validity, overlapping_default
from driveflow.core.actor import Actor, Permission, require
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import check_version, constraint_as, get_or_404
from driveflow.core.errors import ConflictError, NotFoundError
from driveflow.core.ids import new_id
from driveflow.core.money import check_currency
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.orgs.service import settings_of


@dataclass(frozen=True, slots=True)
class PricedCard:
    """A rate card with its prices."""

    card: RateCard
    items: list[RateCardItem]


async def list_cards(session: AsyncSession, actor: Actor, paging: PageRequest) -> Page[PricedCard]:
    """Return rate cards by name, each with its prices."""
    require(actor, Permission.CATALOG_READ)
    query = select(RateCard).where(RateCard.org_id == actor.org_id)
    page = await fetch_page(session, query, [RateCard.name, RateCard.id], paging)
    items = await _items_of(session, actor.org_id, [card.id for card in page.items])
    return Page([PricedCard(card, items[card.id]) for card in page.items], page.next_cursor)


async def get_card(session: AsyncSession, actor: Actor, card_id: UUID) -> PricedCard:
    """Return a rate card with its prices."""
    require(actor, Permission.CATALOG_READ)
    return await _with_items(session, await get_or_404(session, RateCard, actor.org_id, card_id))


async def default_cards(session: AsyncSession, org_id: UUID) -> list[RateCardFacts]:
    """Return a school's default cards as the pricing rule sees them."""
    cards = await session.scalars(
        select(RateCard).where(RateCard.org_id == org_id, RateCard.is_default).order_by(RateCard.id)
    )
    return [_facts(card) for card in cards]


async def create_card(
    session: AsyncSession, actor: Actor, values: dict[str, Any], *, now: datetime
) -> PricedCard:
    """Add a rate card without prices, in the school's currency unless another is given.

    Raises ConflictError `name_taken` or `overlapping_default`, InvalidInputError naming the wrong field.
    """
    require(actor, Permission.CATALOG_MANAGE)
    org = await settings_of(session, actor.org_id)
    checked = {**values, "currency": check_currency(values.get("currency") or org.currency)}
    check_validity(checked.get("valid_from"), checked.get("valid_to"))
    row = RateCard(org_id=actor.org_id, id=new_id(), created_at=now, updated_at=now, **checked)
    await _refuse_overlap(session, row)
    session.add(row)
    await _save(session)
    record(session, actor, Action.RATE_CARD_CREATED, "RateCard", row.id, now=now, after=checked)
    return PricedCard(row, [])


async def update_card(
    session: AsyncSession,
    actor: Actor,
    card_id: UUID,
    changes: dict[str, Any],
    *,
    version: int,
    now: datetime,
) -> PricedCard:
    """Change fields of a rate card; bookings made before keep their price.

    Raises ConflictError `stale_version`, and all that `create_card` raises.
    """
    require(actor, Permission.CATALOG_MANAGE)
    row = await get_or_404(session, RateCard, actor.org_id, card_id, lock=True)
    check_version(row.version, version)
    checked = dict(changes)
    if "currency" in checked:
        checked["currency"] = check_currency(checked["currency"])
    with session.no_autoflush:
        before, after = apply_changes(row, checked)
        check_validity(row.valid_from, row.valid_to)
        if after:
            await _refuse_overlap(session, row)
    if after:
        row.version += 1
        row.updated_at = now
        record(
            session, actor, Action.RATE_CARD_UPDATED, "RateCard", row.id, now=now, before=before, after=after
        )
        await _save(session)
    return await _with_items(session, row)


async def delete_card(session: AsyncSession, actor: Actor, card_id: UUID, *, now: datetime) -> None:
    """Remove a rate card with its prices; bookings keep theirs as a snapshot."""
    require(actor, Permission.CATALOG_MANAGE)
    row = await get_or_404(session, RateCard, actor.org_id, card_id, lock=True)
    record(
        session,
        actor,
        Action.RATE_CARD_DELETED,
        "RateCard",
        row.id,
        now=now,
        before={"name": row.name, "currency": row.currency, "is_default": row.is_default},
    )
    await session.delete(row)
    await session.flush()


async def set_price(
    session: AsyncSession, actor: Actor, card_id: UUID, service_id: UUID, *, price_cents: int, now: datetime
) -> RateCardItem:
    """Put the price of a service on a rate card, or change it."""
    require(actor, Permission.CATALOG_MANAGE)
    await get_or_404(session, RateCard, actor.org_id, card_id, lock=True)
    await get_or_404(session, Service, actor.org_id, service_id, lock=True)
    item = await session.get(RateCardItem, (actor.org_id, card_id, service_id))
    before = None if item is None else _price_fields(item)
    if item is None:
        item = RateCardItem(
            org_id=actor.org_id,
            rate_card_id=card_id,
            service_id=service_id,
            price_cents=price_cents,
            created_at=now,
        )
        session.add(item)
    item.price_cents = price_cents
    after = _price_fields(item)
    if before != after:
        record(
            session,
            actor,
            Action.RATE_CARD_ITEM_SET,
            "RateCard",
            card_id,
            now=now,
            before=before,
            after=after,
        )
        await session.flush()
    return item


async def remove_price(
    session: AsyncSession, actor: Actor, card_id: UUID, service_id: UUID, *, now: datetime
) -> None:
    """Take the price of a service off a rate card. Raises NotFoundError when it has none there."""
    require(actor, Permission.CATALOG_MANAGE)
    await get_or_404(session, RateCard, actor.org_id, card_id, lock=True)
    item = await session.get(RateCardItem, (actor.org_id, card_id, service_id))
    if item is None:
        raise NotFoundError
    record(
        session,
        actor,
        Action.RATE_CARD_ITEM_REMOVED,
        "RateCard",
        card_id,
        now=now,
        before=_price_fields(item),
    )
    await session.delete(item)
    await session.flush()


async def _refuse_overlap(session: AsyncSession, row: RateCard) -> None:
    if not row.is_default:
        return
    other = overlapping_default(await default_cards(session, row.org_id), _facts(row))
    if other is not None:
        raise ConflictError(
            f"The default rate card {other.name!r} is valid on some of the same days.",
            code="overlapping_default",
            rate_card_id=other.id,
        )


async def _save(session: AsyncSession) -> None:
    # The check above gives the better answer; two cards saved at the same moment only the database sees.
    with (
        constraint_as("rate_cards_org_id_name_key", _name_taken()),
        constraint_as(
            DEFAULT_CARDS_NO_OVERLAP,
            ConflictError(
                "Another default rate card is valid on some of the same days.", code="overlapping_default"
            ),
        ),
    ):
        await session.flush()


async def _with_items(session: AsyncSession, card: RateCard) -> PricedCard:
    return PricedCard(card, (await _items_of(session, card.org_id, [card.id]))[card.id])


async def _items_of(
    session: AsyncSession, org_id: UUID, card_ids: Collection[UUID]
) -> dict[UUID, list[RateCardItem]]:
    rows = await session.scalars(
        select(RateCardItem)
        .where(RateCardItem.org_id == org_id, RateCardItem.rate_card_id.in_(card_ids))
        .order_by(RateCardItem.created_at, RateCardItem.id)
    )
    items: dict[UUID, list[RateCardItem]] = defaultdict(list)
    for row in rows:
        items[row.rate_card_id].append(row)
    return items


def _facts(card: RateCard) -> RateCardFacts:
    return RateCardFacts(
        id=card.id,
        name=card.name,
        currency=card.currency,
        is_default=card.is_default,
        valid_from=card.valid_from,
        valid_to=card.valid_to,
    )


def _price_fields(item: RateCardItem) -> dict[str, Any]:
    return {"service_id": item.service_id, "price_cents": item.price_cents}


def _name_taken() -> ConflictError:
    return ConflictError("Another rate card has this name.", code="name_taken")
