"""Making an API key from the command line, where no actor is logged in."""

from uuid import UUID

from sqlalchemy import select

from driveflow.core.actor import Actor, Role
from driveflow.core.clock import utc_now
from driveflow.entrypoints.runtime import Addresses
from driveflow.orgs import api_keys, service
from driveflow.orgs.models import UserOrg


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
            user_id = await session.scalar(
                select(UserOrg.user_id)
                .where(UserOrg.org_id == org.id, UserOrg.role == role)
                .order_by(UserOrg.created_at, UserOrg.id)
                .limit(1)
            )
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
