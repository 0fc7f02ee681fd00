"""Tokens in the addresses of calendar feeds.

A token is `dfc_` and 54 characters of base64url: 16 bytes of the school's id and 24 random bytes. It
carries the school's id so that it is looked up under row-level security; only its SHA-256 is stored, as
for API keys.
"""

import base64
import binascii
import hashlib
import secrets
from uuid import UUID

PREFIX = "dfc_"
_SECRET_BYTES = 24
_TOKEN_BYTES = 16 + _SECRET_BYTES
_PADDING = "=" * (-_TOKEN_BYTES % 3)


def new_token(org_id: UUID) -> str:
    """Return a new token of a school; it is shown once and stored nowhere."""
    raw = org_id.bytes + secrets.token_bytes(_SECRET_BYTES)
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def org_of_token(token: str) -> UUID | None:
    """Return the school that a token claims to be of, or None when it is not shaped like a token."""
    if not token.startswith(PREFIX):
        return None
    try:
        raw = base64.b64decode(token.removeprefix(PREFIX) + _PADDING, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == _TOKEN_BYTES else None


def hash_of(token: str) -> bytes:
    """Return the SHA-256 under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()
