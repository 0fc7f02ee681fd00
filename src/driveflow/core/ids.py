"""Ids of rows: UUIDv7, made by the application (schema decision 1)."""

from typing import NewType
from uuid import UUID

import uuid_utils.compat

OrgId = NewType("OrgId", UUID)
UserId = NewType("UserId", UUID)


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562): unique, and ordered by its time of birth, which keeps indexes dense."""
    return uuid_utils.compat.uuid7()
