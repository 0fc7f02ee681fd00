"""What the installation can send with, as `messaging` sees its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from driveflow.core.settings import Settings
from driveflow.messaging.channels import MessageChannel


@dataclass(frozen=True, slots=True)
class Outlets:
    """The channels that are configured, the base of links, and WhatsApp's content templates by our key."""

    configured: frozenset[MessageChannel]
    public_url: str
    mail_from: str
    content_sids: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the outlets that the settings allow."""
        twilio = settings.twilio_account_sid is not None and settings.twilio_auth_token is not None
        ready = {
            MessageChannel.EMAIL: settings.smtp_url is not None,
            MessageChannel.SMS: twilio and settings.twilio_sms_from is not None,
            MessageChannel.WHATSAPP: twilio and settings.twilio_whatsapp_from is not None,
        }
        return cls(
            configured=frozenset(channel for channel, is_ready in ready.items() if is_ready),
            public_url=settings.public_base,
            mail_from=settings.mail_from,
            content_sids=settings.twilio_content_sids,
        )
