"""Idempotency keys: a retried write gives its first answer again instead of happening twice.

The key's row is inserted first, in the transaction of the write itself: a second request with the same key
waits on the unique index until the first has committed or rolled back, so there is no moment at which both
run. A failed request rolls its key back, and a retry then runs afresh.
Source of the behaviour: draft-ietf-httpapi-idempotency-key-header, and Stripe's documentation.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from driveflow.core.actor import Actor
from driveflow.core.db import Base
from driveflow.core.errors import InvalidInputError

MAX_KEY_LENGTH = 255
RETENTION_HOURS = 48


class IdempotencyKey(Base):
    """One key of one caller with the answer it got; kept for RETENTION_HOURS."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "org_id", "created_at"),)

    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status_code: Mapped[int | None]
    content_type: Mapped[str | None]
    body: Mapped[bytes | None]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a key, to be sent again."""

    status_code: int
    content_type: str | None
    body: bytes


def fingerprint(method: str, path: str, query: str, body: bytes) -> bytes:
    """Return what makes two requests the same: method, path, query and body (SHA-256)."""
    digest = hashlib.sha256()
    for part in (method.encode(), path.encode(), query.encode(), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


async def claim(
    session: AsyncSession, actor: Actor, key: str, hashed: bytes, *, now: datetime
) -> StoredAnswer | None:
    """Claim the key for this transaction, or return the answer that it already has.

    A key belongs to one caller: two callers may use the same. A key without an answer is one of a request in
    steps (`entrypoints/outside_route.py`) that is under way or died: it is claimed again. Raises
    InvalidInputError (code `idempotency_key_reused`) when the key came with another request before.
    """
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInputError.of(
            "Idempotency-Key", f"Must be 1 to {MAX_KEY_LENGTH} printable ASCII characters."
        )
    inserted = await session.execute(
        insert(IdempotencyKey)
        .values(org_id=actor.org_id, scope=_scope(actor), key=key, request_hash=hashed, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if inserted.scalar_one_or_none() is not None:
        return None
    row = (await session.execute(select(IdempotencyKey).where(*_is(actor, key)))).scalar_one()
    if row.request_hash != hashed:
        raise InvalidInputError.of(
            "Idempotency-Key",
            "This key was used with another request; use a new key for a new request.",
            code="idempotency_key_reused",
        )
    if row.status_code is None:
        return None
    return StoredAnswer(row.status_code, row.content_type, row.body or b"")


async def keep(session: AsyncSession, actor: Actor, key: str, answer: StoredAnswer) -> None:
    """Keep the answer with its key, in the transaction of the write."""
    await session.execute(
        update(IdempotencyKey)
        .where(*_is(actor, key))
        .values(status_code=answer.status_code, content_type=answer.content_type, body=answer.body)
    )


async def forget(session: AsyncSession, actor: Actor, key: str) -> None:
    """Let go of a key without an answer: its request was refused, and may be sent again."""
    await session.execute(
        delete(IdempotencyKey).where(*_is(actor, key), IdempotencyKey.status_code.is_(None))
    )


def _scope(actor: Actor) -> str:
    return str(actor.api_key_id or actor.user_id)


def _is(actor: Actor, key: str) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.org_id == actor.org_id,
        IdempotencyKey.scope == _scope(actor),
        IdempotencyKey.key == key,
    )
