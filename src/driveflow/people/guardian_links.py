"""Who looks after whom: the links of guardians to students, and what each link permits.

A student has at most one primary guardian: making one primary unmakes the other. All changes of a student's
links happen under the lock of the student's row, then of the guardian's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, Permission, Scope, require, scope_of
from driveflow.core.audit import Action, apply_changes, record
from driveflow.core.db import get_or_404
from driveflow.core.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from driveflow.core.paging import Page, PageRequest, fetch_page
from driveflow.people import repository
from driveflow.people.guardians import create_guardian
from driveflow.people.models import Guardian, Student, StudentGuardian
from driveflow.people.service import get_student


@dataclass(frozen=True, slots=True)
class LinkedGuardian:
    """A guardian with the link to one student."""

    guardian: Guardian
    link: StudentGuardian


async def list_links(
    session: AsyncSession, actor: Actor, student_id: UUID, paging: PageRequest
) -> Page[LinkedGuardian]:
    """Return a student's guardians in the order they were linked; a guardian sees only itself."""
    own = scope_of(actor, Permission.GUARDIANS_READ) is Scope.OWN
    await get_student(session, actor, student_id)
    query = repository.links_of_student(
        actor.org_id, student_id, only_guardian_id=actor.guardian_id if own else None
    )
    page = await fetch_page(session, query, [StudentGuardian.created_at, StudentGuardian.id], paging)
    guardians = await repository.guardians_by_id(
        session, actor.org_id, [link.guardian_id for link in page.items]
    )
    return Page([LinkedGuardian(guardians[link.guardian_id], link) for link in page.items], page.next_cursor)


async def guardians_of_student(session: AsyncSession, org_id: UUID, student_id: UUID) -> list[LinkedGuardian]:
    """Return all guardians of a student in the order they were linked; no permission is asked."""
    query = repository.links_of_student(org_id, student_id)
    links = list(await session.scalars(query.order_by(StudentGuardian.created_at, StudentGuardian.id)))
    guardians = await repository.guardians_by_id(session, org_id, [link.guardian_id for link in links])
    return [LinkedGuardian(guardians[link.guardian_id], link) for link in links]


async def link_guardian(
    session: AsyncSession,
    actor: Actor,
    student_id: UUID,
    *,
    guardian_id: UUID | None,
    person: dict[str, Any],
    terms: dict[str, Any],
    now: datetime,
) -> LinkedGuardian:
    """Link a guardian to a student: the one with the id, or a new one made of `person` where it is None.

    `terms` may hold `relation`, `can_book`, `can_pay`, `is_primary` and `notify`. Raises ConflictError
    `already_linked`, InvalidInputError naming the wrong field of the person.
    """
    require(actor, Permission.GUARDIANS_MANAGE)
    _one_or_the_other(guardian_id, person)
    await get_or_404(session, Student, actor.org_id, student_id, lock=True)
    if guardian_id is None:
        guardian = await create_guardian(session, actor, person, now=now)
    else:
        guardian = await get_or_404(session, Guardian, actor.org_id, guardian_id, lock=True)
        if await repository.find_link(session, actor.org_id, student_id, guardian_id) is not None:
            raise ConflictError("This guardian is already linked to this student.", code="already_linked")
    before = await _make_way(session, actor, student_id) if terms.get("is_primary") else None
    link = StudentGuardian(
        org_id=actor.org_id, student_id=student_id, guardian_id=guardian.id, created_at=now, **terms
    )
    session.add(link)
    await session.flush()
    record(
        session,
        actor,
        Action.GUARDIAN_LINKED,
        "Student",
        student_id,
        now=now,
        before=before,
        after={"guardian_id": guardian.id, **terms},
    )
    return LinkedGuardian(guardian, link)


async def update_link(
    session: AsyncSession,
    actor: Actor,
    student_id: UUID,
    guardian_id: UUID,
    changes: dict[str, Any],
    *,
    now: datetime,
) -> LinkedGuardian:
    """Change `relation`, `can_book`, `can_pay`, `is_primary` or `notify` of a link."""
    require(actor, Permission.GUARDIANS_MANAGE)
    link = await _load(session, actor, student_id, guardian_id)
    primary_before: dict[str, Any] = {}
    if changes.get("is_primary") and not link.is_primary:
        primary_before = await _make_way(session, actor, student_id) or {}
    before, after = apply_changes(link, changes)
    if after:
        record(
            session,
            actor,
            Action.GUARDIAN_LINK_UPDATED,
            "Student",
            student_id,
            now=now,
            before={"guardian_id": guardian_id, **before, **primary_before},
            after={"guardian_id": guardian_id, **after},
        )
        await session.flush()
    return LinkedGuardian(await get_or_404(session, Guardian, actor.org_id, guardian_id), link)


async def unlink_guardian(
    session: AsyncSession, actor: Actor, student_id: UUID, guardian_id: UUID, *, now: datetime
) -> None:
    """Remove the link of a guardian to a student; both stay."""
    require(actor, Permission.GUARDIANS_MANAGE)
    link = await _load(session, actor, student_id, guardian_id)
    record(
        session,
        actor,
        Action.GUARDIAN_UNLINKED,
        "Student",
        student_id,
        now=now,
        before={"guardian_id": guardian_id, "relation": link.relation},
    )
    await session.delete(link)
    await session.flush()


def _one_or_the_other(guardian_id: UUID | None, person: dict[str, Any]) -> None:
    if guardian_id is None and "full_name" not in person:
        raise InvalidInputError.of("full_name", "Name the new guardian, or give guardian_id of a known one.")
    if guardian_id is not None and person:
        raise InvalidInputError(
            "A guardian whom the school knows keeps name and addresses; change them at the guardian.",
            *(FieldError(field, "Goes with a new guardian only, not with guardian_id.") for field in person),
        )


async def _make_way(session: AsyncSession, actor: Actor, student_id: UUID) -> dict[str, Any] | None:
    """Unmake the student's primary guardian; return it as the audit log shows it."""
    replaced = await repository.unmake_primary(session, actor.org_id, student_id)
    return {"primary_guardian_id": replaced} if replaced is not None else None


async def _load(session: AsyncSession, actor: Actor, student_id: UUID, guardian_id: UUID) -> StudentGuardian:
    await get_or_404(session, Student, actor.org_id, student_id, lock=True)
    link = await repository.find_link(session, actor.org_id, student_id, guardian_id)
    if link is None:
        raise NotFoundError
    return link
