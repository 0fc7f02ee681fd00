"""Table of outbound messages (seed step 9, schema decision 9)."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, TenantMixin, TimestampsMixin, one_of


class MessageChannel(StrEnum):
    """Ways to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"


class MessageStatus(StrEnum):
    """The seed's three, and what a provider's callback can tell."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Message(Base, TenantMixin, TimestampsMixin):
    """One message to one address."""

    __tablename__ = "messages"
    __table_args__ = (
        Index(None, "org_id", "channel", "status"),
        Index(None, "org_id", "related_type", "related_id"),
        one_of("channel", MessageChannel),
        one_of("status", MessageStatus),
    )

    to_address: Mapped[str]
    channel: Mapped[str]
    template_key: Mapped[str]
    subject: Mapped[str | None]
    body: Mapped[str | None]
    provider_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(
        default=MessageStatus.QUEUED.value, server_default=MessageStatus.QUEUED.value
    )
    error: Mapped[str | None]
    related_type: Mapped[str | None]
    related_id: Mapped[UUID | None]
