"""What all persons share: the normal form of their fields."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import contacts
from driveflow.core.clock import local_date
from driveflow.core.errors import InvalidInputError
from driveflow.orgs.service import settings_of


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
    if checked.get("dob") is not None:
        org = await settings_of(session, org_id)
        if checked["dob"] > local_date(now, org.time_zone):
            raise InvalidInputError.of("dob", "Must not lie in the future.")
    return checked
