"""API keys of a school: make, find, list, revoke.

A key is `dfk_` and 64 characters of base64url: 16 bytes of the school's id and 32 random bytes. Only the
SHA-256 of the whole is stored: the secret has 256 bits, so a slow password hash would add nothing.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Role, require
from driveflow.core.audit import Action, record
from driveflow.core.db import constraint_as, get_or_404
from driveflow.core.errors import ForbiddenError, InvalidInputError, NotFoundError
from driveflow.orgs.models import ApiKey

PREFIX = "dfk_"
_SECRET_BYTES = 32
_KEY_BYTES = 16 + _SECRET_BYTES
_HINT_LENGTH = 4
KEY_ROLES = (Role.OWNER, Role.ADMIN, Role.INSTRUCTOR, Role.STUDENT, Role.GUARDIAN)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is shown once and stored nowhere."""

    row: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom a valid key stands for."""

    id: UUID
    role: Role
    user_id: UUID | None
    instructor_id: UUID | None
    student_id: UUID | None
    guardian_id: UUID | None


def org_of_key(key: str) -> UUID | None:
    """Return the school that a key claims to be of, or None when it is not shaped like a key."""
    if not key.startswith(PREFIX):
        return None
    try:
        raw = base64.b64decode(key.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == _KEY_BYTES else None


def hash_of(key: str) -> bytes:
    """Return the SHA-256 under which a key is stored."""
    return hashlib.sha256(key.encode()).digest()


_FIND = """
SELECT id, role, user_id, instructor_id, student_id, guardian_id FROM api_keys
WHERE org_id = $1 AND key_hash = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
"""


async def find_holder(
    connection: asyncpg.Connection, org_id: UUID, key: str, *, now: datetime
) -> KeyHolder | None:
    """Return whom a key stands for, or None when it is unknown, revoked or expired."""
    row = await connection.fetchrow(_FIND, org_id, hash_of(key), now)
    if row is None:
        return None
    return KeyHolder(
        row["id"],
        Role(row["role"]),
        row["user_id"],
        row["instructor_id"],
        row["student_id"],
        row["guardian_id"],
    )


async def create_key(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    role: Role,
    user_id: UUID | None = None,
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    guardian_id: UUID | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> NewKey:
    """Make a key of the actor's school.

    Raises ForbiddenError when an admin asks for an owner's key, InvalidInputError when the person of an
    instructor's, student's or guardian's key is not given or superfluous, NotFoundError for an unknown one.
    """
    require(actor, Permission.API_KEYS_MANAGE)
    if role == Role.OWNER and actor.role == Role.ADMIN:
        raise ForbiddenError("Only an owner may make an owner's key.")
    people = {Role.INSTRUCTOR: instructor_id, Role.STUDENT: student_id, Role.GUARDIAN: guardian_id}
    for person_role, person_id in people.items():
        field = f"{person_role.value}_id"
        if role == person_role and person_id is None:
            raise InvalidInputError.of(field, f"A key of role {role.value} needs {field}.")
        if role != person_role and person_id is not None:
            raise InvalidInputError.of(field, f"A key of role {role.value} takes no {field}.")
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError.of("expires_at", "Must lie in the future.")
    raw = actor.org_id.bytes + secrets.token_bytes(_SECRET_BYTES)
    secret = PREFIX + base64.urlsafe_b64encode(raw).decode()
    row = ApiKey(
        org_id=actor.org_id,
        name=name,
        key_hash=hash_of(secret),
        hint=secret[-_HINT_LENGTH:],
        role=role.value,
        user_id=user_id,
        instructor_id=instructor_id,
        student_id=student_id,
        guardian_id=guardian_id,
        expires_at=expires_at,
        created_at=now,
    )
    session.add(row)
    person = role.value if role in people else ""
    with constraint_as(f"api_keys_org_id_{person}_id_fkey", NotFoundError()):
        await session.flush()
    record(
        session,
        actor,
        Action.API_KEY_CREATED,
        "ApiKey",
        row.id,
        now=now,
        after={"name": name, "role": role.value},
    )
    return NewKey(row, secret)


async def list_keys(session: AsyncSession, actor: Actor) -> list[ApiKey]:
    """Return the school's keys that are not revoked, newest first."""
    require(actor, Permission.API_KEYS_MANAGE)
    rows = await session.scalars(
        select(ApiKey)
        .where(ApiKey.org_id == actor.org_id, ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.created_at.desc(), ApiKey.id)
    )
    return list(rows)


async def revoke_key(session: AsyncSession, actor: Actor, key_id: UUID, *, now: datetime) -> ApiKey:
    """Revoke a key for good; again is a no-op. Raises NotFoundError, and ForbiddenError as for making one."""
    require(actor, Permission.API_KEYS_MANAGE)
    row = await get_or_404(session, ApiKey, actor.org_id, key_id, lock=True)
    if row.role == Role.OWNER and actor.role == Role.ADMIN:
        raise ForbiddenError("Only an owner may revoke an owner's key.")
    if row.revoked_at is None:
        row.revoked_at = now
        record(session, actor, Action.API_KEY_REVOKED, "ApiKey", row.id, now=now, before={"name": row.name})
    return row


async def revoke_keys_of(session: AsyncSession, actor: Actor, user_id: UUID, *, now: datetime) -> None:
    """Revoke all keys that stand for a user in the actor's school: the user's standing there has changed."""
    rows = await session.scalars(
        select(ApiKey)
        .where(ApiKey.org_id == actor.org_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .with_for_update(key_share=True)
    )
    for row in rows:
        row.revoked_at = now
        record(session, actor, Action.API_KEY_REVOKED, "ApiKey", row.id, now=now, before={"name": row.name})
