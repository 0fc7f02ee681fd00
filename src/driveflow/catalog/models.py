"""Tables of services, rate cards and prices (seed step 4)."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql import column, text

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin
from driveflow.core.ids import new_id

DEFAULT_CARDS_NO_OVERLAP = "rate_cards_default_no_overlap"


class Service(Base, TenantMixin, TimestampsMixin):
    """A kind of lesson with its length."""

    __tablename__ = "services"
    __table_args__ = (
        Index(None, "org_id", "active"),
        UniqueConstraint("org_id", "name"),
        CheckConstraint("duration_min BETWEEN 5 AND 720", name="duration_min"),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    duration_min: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True, server_default="true")
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class RateCard(Base, TenantMixin, TimestampsMixin):
    """A price list with its days of validity, both inclusive; open-ended where null."""

    __tablename__ = "rate_cards"
    __table_args__ = (
        Index(None, "org_id", "is_default"),
        UniqueConstraint("org_id", "name"),
        CheckConstraint("valid_from <= valid_to", name="validity"),
        ExcludeConstraint(
            (column("org_id"), "="),
            (func.daterange(column("valid_from"), column("valid_to"), text("'[]'")), "&&"),
            where=text("is_default"),
            using="gist",
            name=DEFAULT_CARDS_NO_OVERLAP,
        ),
    )

    name: Mapped[str]
    currency: Mapped[str] = mapped_column(default="AUD", server_default="AUD")
    is_default: Mapped[bool] = mapped_column(default=False, server_default="false")
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class RateCardItem(Base, CreatedMixin):
    """The price of a service on a rate card."""

    __tablename__ = "rate_card_items"
    __table_args__ = (
        UniqueConstraint("org_id", "id"),
        ForeignKeyConstraint(
            ["org_id", "rate_card_id"], ["rate_cards.org_id", "rate_cards.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "service_id"], ["services.org_id", "services.id"], ondelete="CASCADE"
        ),
        Index(None, "org_id", "service_id"),
        CheckConstraint("price_cents >= 0", name="price_cents"),
    )

    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    rate_card_id: Mapped[UUID] = mapped_column(primary_key=True)
    service_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(default=new_id)
    price_cents: Mapped[int]
