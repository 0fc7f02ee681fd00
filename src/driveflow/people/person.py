"""What students and guardians share: the normal form of their fields, being added and being changed."""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import contacts
from driveflow.core.actor import Actor
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.clock import local_date
from driveflow.core.db import check_version, get_or_404
from driveflow.core.errors import InvalidInputError
from driveflow.orgs.service import settings_of
from driveflow.people.models import Guardian, Student

P = TypeVar("P", Student, Guardian)


async def checked_person(
    session: AsyncSession, org_id: UUID, values: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Return a person's fields in normal form: e-mail in lower case, phone in E.164, no birth in the future.

    A number without a country code is read as of the school's country; today is the school's own. Raises
    InvalidInputError naming the wrong field.
    """
    checked = dict(values)
    if checked.get("email") is not None:
        checked["email"] = contacts.email_address(checked["email"])
    if checked.get("phone") is not None:
        org = await settings_of(session, org_id)
        checked["phone"] = contacts.phone_number(checked["phone"], org.currency)
    if checked.get("locale") is not None:
        checked["locale"] = contacts.known_locale(checked["locale"])
    if checked.get("dob") is not None:
        org = await settings_of(session, org_id)
        if checked["dob"] > local_date(now, org.time_zone):
            raise InvalidInputError.of("dob", "Must not lie in the future.")
    return checked


async def add_person(
    session: AsyncSession,
    actor: Actor,
    model: type[P],
    values: dict[str, Any],
    action: Action,
    *,
    now: datetime,
) -> P:
    """Add a person with the given fields, and its audit row.

    Raises InvalidInputError naming the wrong field.
    """
    checked = await checked_person(session, actor.org_id, values, now=now)
    row = model(org_id=actor.org_id, created_at=now, updated_at=now, **checked)
    row.search_text = contacts.search_text(row.full_name, row.email, row.phone)
    session.add(row)
    await session.flush()
    record(session, actor, action, model.__name__, row.id, now=now, after=checked)
    return row


async def change_person(
    session: AsyncSession,
    actor: Actor,
    model: type[P],
    person_id: UUID,
    changes: dict[str, Any],
    action: Action,
    *,
    version: int,
    now: datetime,
) -> P:
    """Change fields of a person, with an audit row of what is different now.

    Raises ConflictError `stale_version`, InvalidInputError naming the wrong field.
    """
    row = await get_or_404(session, model, actor.org_id, person_id, lock=True)
    check_version(row.version, version)
    before, after = apply_changes(row, await checked_person(session, actor.org_id, changes, now=now))
    if after:
        row.version += 1
        row.updated_at = now
        row.search_text = contacts.search_text(row.full_name, row.email, row.phone)
        record(session, actor, action, model.__name__, row.id, now=now, before=before, after=after)
        await session.flush()
    return row
