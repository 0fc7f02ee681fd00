"""Who sends a request: API key to actor, with a short memory so that a busy key costs no query each time.

A key revoked through another process is refused here at most CACHE_S later; through this process, at once.
"""

from dataclasses import replace
from datetime import datetime
from time import monotonic
from uuid import UUID

from driveflow.core.actor import Actor, Role
from driveflow.core.db import Database
from driveflow.core.errors import UnauthenticatedError
from driveflow.orgs import api_keys
from driveflow.people import service as people

CACHE_S = 2.0
_CACHE_LIMIT = 10_000


class Authenticator:
    """Turns the Authorization header into an Actor."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Actor]] = {}

    async def actor_of(
        self, authorization: str | None, *, ip: str | None, request_id: str, now: datetime
    ) -> Actor:
        """Return the actor behind an `Authorization: Bearer dfk_...` header.

        Raises UnauthenticatedError for anything else, without telling what was wrong with the key.
        """
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise UnauthenticatedError("Send an API key: Authorization: Bearer dfk_...")
        known = self._known.get(key)
        if known is not None and known[0] > monotonic():
            return replace(known[1], ip=ip, request_id=request_id)
        actor = await self._look_up(key.strip(), now)
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        self._known[key] = (monotonic() + CACHE_S, actor)
        return replace(actor, ip=ip, request_id=request_id)

    def forget(self, key_id: UUID) -> None:
        """Forget a key that was just revoked."""
        self._known = {key: known for key, known in self._known.items() if known[1].api_key_id != key_id}

    async def _look_up(self, key: str, now: datetime) -> Actor:
        org_id = api_keys.org_of_key(key)
        if org_id is None:
            raise UnauthenticatedError("This API key is not valid.")
        async with self._database.connection(org_id) as connection:
            holder = await api_keys.find_holder(connection, org_id, key, now=now)
            if holder is None:
                raise UnauthenticatedError("This API key is not valid.")
            student_ids: frozenset[UUID] = frozenset()
            if holder.role == Role.STUDENT and holder.student_id:
                student_ids = frozenset({holder.student_id})
            if holder.role == Role.GUARDIAN and holder.guardian_id:
                student_ids = await people.student_ids_of_guardian(connection, org_id, holder.guardian_id)
        return Actor(
            org_id=org_id,
            role=holder.role,
            user_id=holder.user_id,
            instructor_id=holder.instructor_id,
            student_ids=student_ids,
            guardian_id=holder.guardian_id,
            api_key_id=holder.id,
        )
