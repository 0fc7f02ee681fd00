"""What a person wants to hear, and how."""

from enum import StrEnum


class PreferredChannel(StrEnum):
    """How a person likes to hear from the school; `none` wants no messages."""

    EMAIL = "email"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    NONE = "none"
