"""Tables of outbound messages (seed step 9, schema decision 9), and of what addresses told us."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.db import Base, CreatedMixin, TenantMixin, TimestampsMixin, one_of
from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.delivery import MessageStatus
from driveflow.messaging.triggers import RecipientKind


class Message(Base, TenantMixin, TimestampsMixin):
    """One message to one address; sent once, whatever is retried.

    `subject` and `body` are what its channel sends; `letter` holds all of it (`letter.py`), so that a resend
    may take another channel. `reminds_of` is the start of the lesson that a reminder speaks of.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index(None, "org_id", "channel", "status"),
        Index(None, "org_id", "related_type", "related_id"),
        Index(None, "org_id", "created_at"),
        UniqueConstraint("org_id", "dedupe_key"),
        ForeignKeyConstraint(["org_id", "resend_of"], ["messages.org_id", "messages.id"]),
        one_of("channel", MessageChannel),
        one_of("status", MessageStatus),
        one_of("recipient_kind", RecipientKind),
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
    recipient_kind: Mapped[str | None]
    recipient_id: Mapped[UUID | None]
    letter: Mapped[dict[str, Any] | None]
    dedupe_key: Mapped[str | None]
    resend_of: Mapped[UUID | None]
    reminds_of: Mapped[datetime | None]
    send_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    unsubscribe_token: Mapped[str | None]


class MailOptOut(Base, TenantMixin, CreatedMixin):
    """An e-mail address that wants no optional messages of a school."""

    __tablename__ = "mail_opt_outs"
    __table_args__ = (UniqueConstraint("org_id", "address"),)

    address: Mapped[str]


class PhoneContact(Base):
    """What a phone number told us by one channel: when it wrote last, and whether it said STOP.

    Control plane: a STOP comes to the installation's number, which all its schools send from, and is meant
    for all of them.
    """

    __tablename__ = "phone_contacts"
    __table_args__ = (one_of("channel", MessageChannel),)

    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    last_inbound_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]
    opted_out_by: Mapped[str | None]
