"""Members of a school: who may log in, and as what.

A member is a `user_orgs` row (seed step 2): one user may hold several roles, each its own row. A school
always keeps an owner; only owners make, change or remove owners.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import contacts
from driveflow.core.actor import Actor, Permission, Role, require
from driveflow.core.audit import Action, record
from driveflow.core.db import constraint_as
from driveflow.core.errors import ConflictError, ForbiddenError, NotFoundError
from driveflow.core.ids import new_id
from driveflow.core.outbox import Topic, emit
from driveflow.orgs import api_keys
from driveflow.orgs.models import Org, User, UserOrg


@dataclass(frozen=True, slots=True)
class Member:
    """A membership with the person it is of."""

    id: UUID
    user_id: UUID
    role: str
    email: str
    full_name: str
    created_at: datetime


async def list_members(session: AsyncSession, actor: Actor) -> list[Member]:
    """Return the school's members by role and name."""
    require(actor, Permission.MEMBERS_READ)
    rows = await session.execute(
        select(UserOrg, User)
        .join(User, User.id == UserOrg.user_id)
        .where(UserOrg.org_id == actor.org_id)
        .order_by(UserOrg.role, User.full_name, UserOrg.id)
    )
    return [_member(row, user) for row, user in rows]


async def invite_member(
    session: AsyncSession, actor: Actor, *, email: str, full_name: str | None, role: Role, now: datetime
) -> Member:
    """Make a person a member by e-mail; a person new to DriveFlow becomes a user.

    Emits `member.invited`, on which the invitation is sent. Raises ConflictError `already_member`,
    ForbiddenError when an admin names an owner.
    """
    require(actor, Permission.MEMBERS_MANAGE)
    _only_owners_touch_owners(actor, role.value)
    user = await ensure_user(session, email=email, full_name=full_name)
    row = UserOrg(id=new_id(), user_id=user.id, org_id=actor.org_id, role=role.value, created_at=now)
    session.add(row)
    with constraint_as("user_orgs_user_id_org_id_role_key", _already_member()):
        await session.flush()
    record(
        session,
        actor,
        Action.MEMBER_ADDED,
        "Member",
        row.id,
        now=now,
        after={"email": user.email, "role": role.value},
    )
    await emit(
        session, actor.org_id, Topic.MEMBER_INVITED, {"member_id": str(row.id), "email": user.email}, now=now
    )
    return _member(row, user)


async def ensure_user(session: AsyncSession, *, email: str, full_name: str | None) -> User:
    """Return the user with an e-mail address, made now if new to DriveFlow.

    Raises InvalidInputError (`email`).
    """
    email = contacts.email_address(email)
    await session.execute(
        insert(User)
        .values(id=new_id(), email=email, full_name=full_name or email.partition("@")[0])
        .on_conflict_do_nothing()
    )
    return (await session.scalars(select(User).where(User.email == email))).one()


async def change_role(
    session: AsyncSession, actor: Actor, member_id: UUID, *, role: Role, now: datetime
) -> Member:
    """Give a member another role; API keys of the old one are revoked.

    Raises as `invite_member`, and ConflictError `last_owner`.
    """
    require(actor, Permission.MEMBERS_MANAGE)
    row, user = await _load(session, actor, member_id)
    _only_owners_touch_owners(actor, row.role, role.value)
    if row.role == role.value:
        return _member(row, user)
    await _keep_an_owner(session, row)
    before = row.role
    row.role = role.value
    with constraint_as("user_orgs_user_id_org_id_role_key", _already_member()):
        await session.flush()
    record(
        session,
        actor,
        Action.MEMBER_UPDATED,
        "Member",
        row.id,
        now=now,
        before={"role": before},
        after={"role": role.value},
    )
    await api_keys.revoke_keys_of(session, actor, user.id, now=now)
    return _member(row, user)


async def remove_member(session: AsyncSession, actor: Actor, member_id: UUID, *, now: datetime) -> None:
    """End a membership and revoke its API keys; the person stays a user.

    Raises ConflictError `last_owner`.
    """
    require(actor, Permission.MEMBERS_MANAGE)
    row, user = await _load(session, actor, member_id)
    _only_owners_touch_owners(actor, row.role)
    await _keep_an_owner(session, row)
    await session.delete(row)
    record(
        session,
        actor,
        Action.MEMBER_REMOVED,
        "Member",
        row.id,
        now=now,
        before={"email": user.email, "role": row.role},
    )
    await api_keys.revoke_keys_of(session, actor, user.id, now=now)


async def memberships_of(session: AsyncSession, user_id: UUID) -> list[tuple[Org, str]]:
    """Return a user's schools with the role in each: the one read across schools."""
    rows = await session.execute(
        select(Org, UserOrg.role)
        .join(UserOrg, UserOrg.org_id == Org.id)
        .where(UserOrg.user_id == user_id)
        .order_by(Org.name, UserOrg.role)
    )
    return [(org, role) for org, role in rows]


async def first_with_role(session: AsyncSession, org_id: UUID, role: Role) -> UUID | None:
    """Return the user who has been a school's member of a role for longest, or None."""
    found: UUID | None = await session.scalar(
        select(UserOrg.user_id)
        .where(UserOrg.org_id == org_id, UserOrg.role == role)
        .order_by(UserOrg.created_at, UserOrg.id)
        .limit(1)
    )
    return found


def _already_member() -> ConflictError:
    return ConflictError("This person already has this role in the school.", code="already_member")


async def _load(session: AsyncSession, actor: Actor, member_id: UUID) -> tuple[UserOrg, User]:
    # The school's row is locked first: two owners who remove each other at once must not both succeed.
    await session.execute(select(Org.id).where(Org.id == actor.org_id).with_for_update(key_share=True))
    found = await session.execute(
        select(UserOrg, User)
        .join(User, User.id == UserOrg.user_id)
        .where(UserOrg.org_id == actor.org_id, UserOrg.id == member_id)
    )
    pair = found.one_or_none()
    if pair is None:
        raise NotFoundError
    return pair


async def _keep_an_owner(session: AsyncSession, row: UserOrg) -> None:
    if row.role != Role.OWNER.value:
        return
    owners = await session.scalar(
        select(func.count())
        .select_from(UserOrg)
        .where(UserOrg.org_id == row.org_id, UserOrg.role == Role.OWNER.value)
    )
    if owners == 1:
        raise ConflictError("A school keeps at least one owner; name another first.", code="last_owner")


def _only_owners_touch_owners(actor: Actor, *roles: str) -> None:
    if actor.role == Role.ADMIN and Role.OWNER.value in roles:
        raise ForbiddenError("Only an owner may add, change or remove an owner.")


def _member(row: UserOrg, user: User) -> Member:
    return Member(row.id, user.id, row.role, user.email, user.full_name, row.created_at)
