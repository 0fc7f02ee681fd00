"""Schools: create, read, change their settings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import contacts
from driveflow.core.actor import Actor, Permission, Role, require
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.clock import zone
from driveflow.core.db import check_version, constraint_as, set_tenant
from driveflow.core.errors import ConflictError, ForbiddenError, NotFoundError
from driveflow.core.ids import new_id
from driveflow.core.money import check_currency
from driveflow.orgs.models import DEFAULT_CURRENCY, Org, User, UserOrg


async def get_org(session: AsyncSession, actor: Actor) -> Org:
    """Return the actor's school."""
    require(actor, Permission.ORG_READ)
    return await _load(session, actor.org_id)


async def settings_of(session: AsyncSession, org_id: UUID) -> Org:
    """Return a school's settings for another package's rule; no permission is asked."""
    return await _load(session, org_id)


async def email_of_user(session: AsyncSession, user_id: UUID | None) -> str | None:
    """Return the e-mail address with which a user logs in, None for nobody; no permission is asked."""
    if user_id is None:
        return None
    return (await session.scalars(select(User.email).where(User.id == user_id))).one_or_none()


async def find_by_slug(session: AsyncSession, slug: str) -> Org:
    """Return the school with a slug; raises NotFoundError."""
    org = (await session.scalars(select(Org).where(Org.slug == slug))).one_or_none()
    if org is None:
        raise NotFoundError(f"There is no school with the slug {slug}.")
    return org


async def list_everywhere(session: AsyncSession) -> list[Org]:
    """Return all schools by slug, for operators; needs no school."""
    return list(await session.scalars(select(Org).order_by(Org.slug)))


async def create_org(
    session: AsyncSession,
    *,
    owner: User,
    name: str,
    slug: str | None,
    settings: dict[str, Any],
    now: datetime,
    ip: str | None = None,
    request_id: str | None = None,
) -> tuple[Org, Actor]:
    """Make a school with its first owner; return it and the owner as an actor of it.

    The session's transaction is the new school's from then on. `settings` may hold any field of a school.
    Raises ConflictError `slug_taken` for a chosen slug; a slug made from the name gets a number instead.
    """
    org = Org(id=new_id(), name=name)
    chosen = {"slug": slug if slug is not None else await _free_slug(session, name)}
    for field, value in _checked({**settings, **chosen}, DEFAULT_CURRENCY).items():
        setattr(org, field, value)
    session.add(org)
    with constraint_as("orgs_slug_key", _slug_taken()):
        await session.flush()
    actor = Actor(org_id=org.id, role=Role.OWNER, user_id=owner.id, ip=ip, request_id=request_id)
    await set_tenant(session, org.id)
    session.add(UserOrg(org_id=org.id, user_id=owner.id, role=Role.OWNER.value, created_at=now))
    record(
        session, actor, Action.ORG_CREATED, "Org", org.id, now=now, after={"name": org.name, "slug": org.slug}
    )
    await session.flush()
    return org, actor


async def founder_of(session: AsyncSession, actor: Actor) -> User:
    """Return the user who may open a further school: the person behind an owner's key."""
    require(actor, Permission.ORG_CREATE)
    user = await session.get(User, actor.user_id) if actor.user_id else None
    if user is None:
        raise ForbiddenError("This key stands for no person; a new school needs a person as its owner.")
    return user


async def update_org(
    session: AsyncSession, actor: Actor, changes: dict[str, Any], *, version: int, now: datetime
) -> Org:
    """Change fields of the actor's school.

    Raises ConflictError `stale_version` or `slug_taken`, InvalidInputError naming the wrong field.
    """
    require(actor, Permission.ORG_UPDATE)
    org = await _load(session, actor.org_id, lock=True)
    check_version(org.version, version)
    before, after = apply_changes(org, _checked(changes, org.currency))
    if after:
        org.version += 1
        record(session, actor, Action.ORG_UPDATED, "Org", org.id, now=now, before=before, after=after)
        with constraint_as("orgs_slug_key", _slug_taken()):
            await session.flush()
    return org


def _slug_taken() -> ConflictError:
    return ConflictError("Another school has this slug.", code="slug_taken")


async def _load(session: AsyncSession, org_id: UUID, *, lock: bool = False) -> Org:
    query = select(Org).where(Org.id == org_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    org = (await session.scalars(query)).one_or_none()
    if org is None:
        raise NotFoundError
    return org


async def _free_slug(session: AsyncSession, name: str) -> str:
    base = contacts.slug_of(name)
    taken = set(await session.scalars(select(Org.slug).where(Org.slug.startswith(base, autoescape=True))))
    number = 1
    slug = base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _checked(values: dict[str, Any], currency: str) -> dict[str, Any]:
    checked = dict(values)
    if checked.get("time_zone") is not None:
        checked["time_zone"] = zone(checked["time_zone"]).key
    if checked.get("currency") is not None:
        checked["currency"] = check_currency(checked["currency"])
    if checked.get("slug") is not None:
        checked["slug"] = contacts.checked_slug(checked["slug"])
    if checked.get("abn") is not None:
        checked["abn"] = contacts.business_number(checked["abn"])
    if checked.get("email") is not None:
        checked["email"] = contacts.email_address(checked["email"])
    if checked.get("phone") is not None:
        checked["phone"] = contacts.phone_number(checked["phone"], checked.get("currency") or currency)
    if checked.get("locale") is not None:
        checked["locale"] = contacts.known_locale(checked["locale"])
    if "reminder_minutes" in checked:
        checked["reminder_minutes"] = sorted(set(checked["reminder_minutes"]), reverse=True)
    return checked
