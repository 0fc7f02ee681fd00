"""Making a school and an API key from the command line, where no actor is logged in."""

from dataclasses import dataclass
from uuid import UUID

from driveflow.core.actor import Actor, Role
from driveflow.core.clock import utc_now
from driveflow.entrypoints.runtime import Addresses
from driveflow.orgs import api_keys, service
from driveflow.orgs.members import ensure_user, first_with_role
from driveflow.orgs.models import Org


@dataclass(frozen=True, slots=True)
class NewSchool:
    """A school just made, with the first key of its owner."""

    org: Org
    api_key: str


async def make_school(
    addresses: Addresses,
    *,
    name: str,
    slug: str | None,
    time_zone: str | None,
    currency: str | None,
    owner_email: str,
    owner_name: str | None,
) -> NewSchool:
    """Make a school with its owner, who may own others already.

    Raises ConflictError `slug_taken`, InvalidInputError naming the wrong field.
    """
    database = addresses.web_database(pool_size=1)
    now = utc_now()
    settings = {"time_zone": time_zone, "currency": currency}
    try:
        async with database.session(None) as session:
            owner = await ensure_user(session, email=owner_email, full_name=owner_name)
            org, actor = await service.create_org(
                session,
                owner=owner,
                name=name,
                slug=slug,
                settings={field: value for field, value in settings.items() if value is not None},
                now=now,
            )
            key = await api_keys.create_key(
                session, actor, name="First key", role=Role.OWNER, user_id=owner.id, now=now
            )
            return NewSchool(org, key.secret)
    finally:
        await database.dispose()


async def make_key(
    addresses: Addresses,
    *,
    slug: str,
    role: str,
    name: str,
    instructor_id: UUID | None = None,
    student_id: UUID | None = None,
    guardian_id: UUID | None = None,
) -> str:
    """Return the secret of a new key; an owner's or admin's key stands for the school's first such member.

    Raises NotFoundError for the slug, InvalidInputError for a missing or superfluous person.
    """
    database = addresses.web_database(pool_size=1)
    now = utc_now()
    try:
        async with database.session(None) as session:
            org = await service.find_by_slug(session, slug)
            user_id = await first_with_role(session, org.id, Role(role))
        async with database.session(org.id) as session:
            made = await api_keys.create_key(
                session,
                Actor(org_id=org.id, role=Role.SYSTEM),
                name=name,
                role=Role(role),
                user_id=user_id,
                instructor_id=instructor_id,
                student_id=student_id,
                guardian_id=guardian_id,
                now=now,
            )
            return made.secret
    finally:
        await database.dispose()
