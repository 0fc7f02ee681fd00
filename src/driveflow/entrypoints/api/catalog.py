"""Routes of services, rate cards, prices and quotes."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from driveflow.catalog import rate_cards, service
from driveflow.catalog.rate_cards import PricedCard
from driveflow.entrypoints.api.schemas import (
    Cents,
    DayIn,
    Input,
    InstantIn,
    InstantOut,
    Name,
    Note,
    Output,
    PageOut,
    Paging,
    Versioned,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, NO_CONTENT, Ctx
from driveflow.people.service import sees_terms

router = school_router()

DurationMin = Annotated[int, Field(ge=5, le=720, examples=[60])]
Currency = Annotated[str, Field(max_length=3, examples=["AUD"])]


class ServiceIn(Input):
    """A new service."""

    name: Name
    description: Note | None = None
    duration_min: DurationMin
    active: bool = True


class ServiceUpdate(Versioned):
    """Changes of a service with the version they are based on; null clears the description."""

    # The factories only make these optional: a field that was not sent is not among the changes.
    name: Annotated[Name, Field(default_factory=str)]
    description: Note | None = None
    duration_min: Annotated[DurationMin, Field(default_factory=int)]
    active: Annotated[bool, Field(default_factory=bool)]


class ServiceOut(Output):
    """A service."""

    id: UUID
    name: str
    description: str | None
    duration_min: int
    active: bool
    version: int
    created_at: InstantOut


class RateCardIn(Input):
    """A new rate card, valid on all days from `valid_from` to `valid_to`, both included."""

    name: Name
    currency: Currency | None = None
    is_default: bool = False
    valid_from: DayIn | None = None
    valid_to: DayIn | None = None


class RateCardUpdate(Versioned):
    """Changes of a rate card with the version they are based on; null opens an end of its validity."""

    # The factories only make these optional: a field that was not sent is not among the changes.
    name: Annotated[Name, Field(default_factory=str)]
    currency: Annotated[Currency, Field(default_factory=str)]
    is_default: Annotated[bool, Field(default_factory=bool)]
    valid_from: DayIn | None = None
    valid_to: DayIn | None = None


class PriceIn(Input):
    """The price of a service in the currency of the card."""

    price_cents: Cents


class PriceOut(Output):
    """The price of a service on a rate card."""

    service_id: UUID
    price_cents: int


class RateCardOut(Output):
    """A rate card with its prices."""

    id: UUID
    name: str
    currency: str
    is_default: bool
    valid_from: date | None
    valid_to: date | None
    items: list[PriceOut]
    version: int
    created_at: InstantOut


class QuoteOut(Output):
    """What a booking would cost; how it is split is for staff and that instructor only."""

    service_id: UUID
    instructor_id: UUID
    local_day: date
    duration_min: int
    price_cents: int
    currency: str
    rate_card_id: UUID
    rate_card_name: str
    platform_fee_cents: int | None
    instructor_share_cents: int | None
    fee_bps: int | None


def _priced(row: PricedCard) -> RateCardOut:
    card = row.card
    return RateCardOut(
        id=card.id,
        name=card.name,
        currency=card.currency,
        is_default=card.is_default,
        valid_from=card.valid_from,
        valid_to=card.valid_to,
        items=[PriceOut.model_validate(item) for item in row.items],
        version=card.version,
        created_at=card.created_at,
    )


@router.get("/services", tags=["services"])
async def list_services(
    ctx: Ctx,
    paging: Paging,
    active: Annotated[bool | None, Query(description="Only active ones, or only inactive ones")] = None,
) -> PageOut[ServiceOut]:
    """Return services by name."""
    page = await service.list_services(ctx.session, ctx.actor, paging, active=active)
    return PageOut[ServiceOut].model_validate(page_out(page, ServiceOut))


@router.post("/services", tags=["services"], status_code=CREATED)
async def create_service(ctx: Ctx, body: ServiceIn) -> ServiceOut:
    """Add a service."""
    row = await service.create_service(ctx.session, ctx.actor, body.model_dump(), now=ctx.now)
    return ServiceOut.model_validate(row)


@router.get("/services/{service_id}", tags=["services"])
async def get_service(ctx: Ctx, service_id: UUID) -> ServiceOut:
    """Return a service."""
    return ServiceOut.model_validate(await service.get_service(ctx.session, ctx.actor, service_id))


@router.patch("/services/{service_id}", tags=["services"])
async def update_service(ctx: Ctx, service_id: UUID, body: ServiceUpdate) -> ServiceOut:
    """Change a service."""
    changes = body.changes()
    version = ctx.version(changes)
    row = await service.update_service(
        ctx.session, ctx.actor, service_id, changes, version=version, now=ctx.now
    )
    return ServiceOut.model_validate(row)


@router.delete("/services/{service_id}", tags=["services"], status_code=NO_CONTENT)
async def delete_service(ctx: Ctx, service_id: UUID) -> None:
    """Remove a service that was never booked; 409 `in_use` otherwise: deactivate instead."""
    await service.delete_service(ctx.session, ctx.actor, service_id, now=ctx.now)


@router.get("/rate-cards", tags=["rate cards"])
async def list_rate_cards(ctx: Ctx, paging: Paging) -> PageOut[RateCardOut]:
    """Return rate cards by name, with their prices."""
    page = await rate_cards.list_cards(ctx.session, ctx.actor, paging)
    return PageOut(items=[_priced(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/rate-cards", tags=["rate cards"], status_code=CREATED)
async def create_rate_card(ctx: Ctx, body: RateCardIn) -> RateCardOut:
    """Add a rate card, in the school's currency unless another is given."""
    return _priced(await rate_cards.create_card(ctx.session, ctx.actor, body.model_dump(), now=ctx.now))


@router.get("/rate-cards/{rate_card_id}", tags=["rate cards"])
async def get_rate_card(ctx: Ctx, rate_card_id: UUID) -> RateCardOut:
    """Return a rate card with its prices."""
    return _priced(await rate_cards.get_card(ctx.session, ctx.actor, rate_card_id))


@router.patch("/rate-cards/{rate_card_id}", tags=["rate cards"])
async def update_rate_card(ctx: Ctx, rate_card_id: UUID, body: RateCardUpdate) -> RateCardOut:
    """Change a rate card."""
    changes = body.changes()
    version = ctx.version(changes)
    row = await rate_cards.update_card(
        ctx.session, ctx.actor, rate_card_id, changes, version=version, now=ctx.now
    )
    return _priced(row)


@router.delete("/rate-cards/{rate_card_id}", tags=["rate cards"], status_code=NO_CONTENT)
async def delete_rate_card(ctx: Ctx, rate_card_id: UUID) -> None:
    """Remove a rate card with its prices; bookings keep what they cost."""
    await rate_cards.delete_card(ctx.session, ctx.actor, rate_card_id, now=ctx.now)


@router.put("/rate-cards/{rate_card_id}/items/{service_id}", tags=["rate cards"])
async def set_price(ctx: Ctx, rate_card_id: UUID, service_id: UUID, body: PriceIn) -> PriceOut:
    """Set the price of a service on a rate card."""
    item = await rate_cards.set_price(
        ctx.session, ctx.actor, rate_card_id, service_id, price_cents=body.price_cents, now=ctx.now
    )
    return PriceOut.model_validate(item)


@router.delete("/rate-cards/{rate_card_id}/items/{service_id}", tags=["rate cards"], status_code=NO_CONTENT)
async def remove_price(ctx: Ctx, rate_card_id: UUID, service_id: UUID) -> None:
    """Take a service off a rate card."""
    await rate_cards.remove_price(ctx.session, ctx.actor, rate_card_id, service_id, now=ctx.now)


@router.get("/quote", tags=["services"])
async def get_quote(
    ctx: Ctx,
    service_id: UUID,
    instructor_id: UUID,
    at: Annotated[InstantIn, Query(description="When the lesson would start")],
) -> QuoteOut:
    """Return the price that a booking would snapshot, and the rate card it comes from."""
    found = await service.quote(
        ctx.session, ctx.actor, service_id=service_id, instructor_id=instructor_id, at=at
    )
    price = found.price
    shows_split = sees_terms(ctx.actor, instructor_id)
    return QuoteOut(
        service_id=service_id,
        instructor_id=instructor_id,
        local_day=found.local_day,
        duration_min=found.service.duration_min,
        price_cents=price.price_cents,
        currency=price.currency,
        rate_card_id=price.rate_card_id,
        rate_card_name=price.rate_card_name,
        platform_fee_cents=price.platform_fee_cents if shows_split else None,
        instructor_share_cents=price.instructor_share_cents if shows_split else None,
        fee_bps=price.fee_bps if shows_split else None,
    )
