"""Who acts, in which role, and what each role may do: one closed table.

A permission comes in up to two sizes. `X` is for every row of the school; `X_OWN` is for the actor's own rows
only: those of an instructor, of a student, or of the students of a guardian. Where both exist a service asks
`scope_of(actor, Permission.X)` and filters or checks the row when the answer is `Scope.OWN`; everywhere else
it asks `require(actor, Permission.X)`. Which row is one's own follows from the ids in the actor.

The table says who may try. Finer conditions stay with their rule: which moves a booking allows
(`bookings/lifecycle.py`), that only an owner handles owners (`orgs`), what a guardian's link to a student
permits (`people`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from driveflow.core.errors import ForbiddenError


class Role(StrEnum):
    """What somebody is in one school; `system` is DriveFlow itself: worker, command line, webhooks."""

    OWNER = "owner"
    ADMIN = "admin"
    INSTRUCTOR = "instructor"
    STUDENT = "student"
    GUARDIAN = "guardian"
    SYSTEM = "system"


class Scope(StrEnum):
    """How far a permission reaches: every row of the school, or the actor's own."""

    SCHOOL = "school"
    OWN = "own"


_OWN_SUFFIX: Final = ":own"


class Permission(StrEnum):
    """Everything that can be permitted; the value names it in messages."""

    ORG_READ = "org:read"
    ORG_CREATE = "org:create"
    ORG_UPDATE = "org:update"
    MEMBERS_READ = "members:read"
    MEMBERS_MANAGE = "members:manage"
    API_KEYS_MANAGE = "api_keys:manage"
    AUDIT_READ = "audit:read"
    OPS = "ops"
    INSTRUCTORS_READ = "instructors:read"
    INSTRUCTORS_MANAGE = "instructors:manage"
    STUDENTS_READ = "students:read"
    STUDENTS_READ_OWN = "students:read:own"
    STUDENTS_MANAGE = "students:manage"
    GUARDIANS_READ = "guardians:read"
    GUARDIANS_READ_OWN = "guardians:read:own"
    GUARDIANS_MANAGE = "guardians:manage"
    CATALOG_READ = "catalog:read"
    CATALOG_MANAGE = "catalog:manage"
    AVAILABILITY_READ = "availability:read"
    AVAILABILITY_MANAGE = "availability:manage"
    AVAILABILITY_MANAGE_OWN = "availability:manage:own"
    SLOTS_READ = "slots:read"
    QUOTE_READ = "quote:read"
    BOOKINGS_READ = "bookings:read"
    BOOKINGS_READ_OWN = "bookings:read:own"
    BOOKINGS_CREATE = "bookings:create"
    BOOKINGS_CREATE_OWN = "bookings:create:own"
    BOOKINGS_UPDATE = "bookings:update"
    BOOKINGS_UPDATE_OWN = "bookings:update:own"
    BOOKINGS_CONFIRM = "bookings:confirm"
    BOOKINGS_CANCEL = "bookings:cancel"
    BOOKINGS_CANCEL_OWN = "bookings:cancel:own"
    BOOKINGS_RESCHEDULE = "bookings:reschedule"
    BOOKINGS_RESCHEDULE_OWN = "bookings:reschedule:own"
    BOOKINGS_OVERRIDE_HOURS = "bookings:override_hours"
    FEES_WAIVE = "fees:waive"
    LESSONS_READ = "lessons:read"
    LESSONS_READ_OWN = "lessons:read:own"
    LESSONS_RUN = "lessons:run"
    LESSONS_RUN_OWN = "lessons:run:own"
    LESSONS_RATE = "lessons:rate"
    LESSONS_RATE_OWN = "lessons:rate:own"
    TRIPS_READ = "trips:read"
    TRIPS_READ_OWN = "trips:read:own"
    TRIPS_WRITE = "trips:write"
    TRIPS_WRITE_OWN = "trips:write:own"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_READ_OWN = "payments:read:own"
    PAYMENTS_START = "payments:start"
    PAYMENTS_START_OWN = "payments:start:own"
    PAYMENTS_MANAGE = "payments:manage"
    PAYOUTS_READ = "payouts:read"
    PAYOUTS_READ_OWN = "payouts:read:own"
    PAYOUT_ACCOUNTS_MANAGE = "payout_accounts:manage"
    PAYOUT_ACCOUNTS_MANAGE_OWN = "payout_accounts:manage:own"
    LEDGER_READ = "ledger:read"
    REPORTS_READ = "reports:read"
    MESSAGES_READ = "messages:read"
    MESSAGES_MANAGE = "messages:manage"


_OWNER: Final = frozenset({Role.OWNER})
_STAFF: Final = frozenset({Role.OWNER, Role.ADMIN})
_TEAM: Final = frozenset({Role.OWNER, Role.ADMIN, Role.INSTRUCTOR})
_INSTRUCTOR: Final = frozenset({Role.INSTRUCTOR})
_LEARNER: Final = frozenset({Role.STUDENT, Role.GUARDIAN})
_OUTSIDE_OFFICE: Final = _INSTRUCTOR | _LEARNER
_EVERYONE: Final = _STAFF | _OUTSIDE_OFFICE

# One line per permission: the roles that have it. The system has all and is not listed.
_GRANTS: Final[Mapping[Permission, frozenset[Role]]] = {
    Permission.ORG_READ: _EVERYONE,
    Permission.ORG_CREATE: _OWNER,
    Permission.ORG_UPDATE: _STAFF,
    Permission.MEMBERS_READ: _STAFF,
    Permission.MEMBERS_MANAGE: _STAFF,
    Permission.API_KEYS_MANAGE: _STAFF,
    Permission.AUDIT_READ: _STAFF,
    Permission.OPS: _STAFF,
    Permission.INSTRUCTORS_READ: _EVERYONE,
    Permission.INSTRUCTORS_MANAGE: _STAFF,
    Permission.STUDENTS_READ: _TEAM,
    Permission.STUDENTS_READ_OWN: _LEARNER,
    Permission.STUDENTS_MANAGE: _STAFF,
    Permission.GUARDIANS_READ: _TEAM,
    Permission.GUARDIANS_READ_OWN: _LEARNER,
    Permission.GUARDIANS_MANAGE: _STAFF,
    Permission.CATALOG_READ: _EVERYONE,
    Permission.CATALOG_MANAGE: _STAFF,
    Permission.AVAILABILITY_READ: _TEAM,
    Permission.AVAILABILITY_MANAGE: _STAFF,
    Permission.AVAILABILITY_MANAGE_OWN: _INSTRUCTOR,
    Permission.SLOTS_READ: _EVERYONE,
    Permission.QUOTE_READ: _EVERYONE,
    Permission.BOOKINGS_READ: _STAFF,
    Permission.BOOKINGS_READ_OWN: _OUTSIDE_OFFICE,
    Permission.BOOKINGS_CREATE: _STAFF,
    Permission.BOOKINGS_CREATE_OWN: _OUTSIDE_OFFICE,
    Permission.BOOKINGS_UPDATE: _STAFF,
    Permission.BOOKINGS_UPDATE_OWN: _OUTSIDE_OFFICE,
    Permission.BOOKINGS_CONFIRM: _STAFF,
    Permission.BOOKINGS_CANCEL: _STAFF,
    Permission.BOOKINGS_CANCEL_OWN: _OUTSIDE_OFFICE,
    Permission.BOOKINGS_RESCHEDULE: _STAFF,
    Permission.BOOKINGS_RESCHEDULE_OWN: _LEARNER,
    Permission.BOOKINGS_OVERRIDE_HOURS: _STAFF,
    Permission.FEES_WAIVE: _STAFF,
    Permission.LESSONS_READ: _STAFF,
    Permission.LESSONS_READ_OWN: _OUTSIDE_OFFICE,
    Permission.LESSONS_RUN: _STAFF,
    Permission.LESSONS_RUN_OWN: _INSTRUCTOR,
    Permission.LESSONS_RATE: _STAFF,
    Permission.LESSONS_RATE_OWN: _INSTRUCTOR,
    Permission.TRIPS_READ: _STAFF,
    Permission.TRIPS_READ_OWN: _OUTSIDE_OFFICE,
    Permission.TRIPS_WRITE: _STAFF,
    Permission.TRIPS_WRITE_OWN: _INSTRUCTOR,
    Permission.PAYMENTS_READ: _STAFF,
    Permission.PAYMENTS_READ_OWN: _LEARNER,
    Permission.PAYMENTS_START: _STAFF,
    Permission.PAYMENTS_START_OWN: _LEARNER,
    Permission.PAYMENTS_MANAGE: _STAFF,
    Permission.PAYOUTS_READ: _STAFF,
    Permission.PAYOUTS_READ_OWN: _INSTRUCTOR,
    Permission.PAYOUT_ACCOUNTS_MANAGE: _STAFF,
    Permission.PAYOUT_ACCOUNTS_MANAGE_OWN: _INSTRUCTOR,
    Permission.LEDGER_READ: _STAFF,
    Permission.REPORTS_READ: _STAFF,
    Permission.MESSAGES_READ: _STAFF,
    Permission.MESSAGES_MANAGE: _STAFF,
}

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {role: frozenset(p for p in Permission if role is Role.SYSTEM or role in _GRANTS[p]) for role in Role}
)
"""What each role may do: the table above, read by role."""

_OWN_FORM: Final[Mapping[Permission, Permission]] = {
    Permission(own.removesuffix(_OWN_SUFFIX)): own for own in Permission if own.endswith(_OWN_SUFFIX)
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, in one role of one school, during one request or job.

    `student_ids` are the student's own id, or those of a guardian's students. The ids of persons are set for
    the role they belong to. `ip` and `request_id` are for the audit log.
    """

    org_id: UUID
    role: Role
    user_id: UUID | None = None
    instructor_id: UUID | None = None
    student_ids: frozenset[UUID] = field(default_factory=frozenset)
    guardian_id: UUID | None = None
    api_key_id: UUID | None = None
    ip: str | None = None
    request_id: str | None = None

    @property
    def is_staff(self) -> bool:
        """Whether the actor speaks for the whole school: owner, admin or DriveFlow itself."""
        return self.role in _STAFF or self.role is Role.SYSTEM

    @property
    def label(self) -> str:
        """The actor in one line of the audit log: the role, and the key or user that acted in it."""
        if self.api_key_id is not None:
            return f"{self.role} (API key {self.api_key_id})"
        if self.user_id is not None:
            return f"{self.role} (user {self.user_id})"
        return str(self.role)

    def may(self, permission: Permission) -> bool:
        """Return whether the actor's role has exactly this permission."""
        return permission in ROLE_PERMISSIONS[self.role]

    def is_instructor(self, instructor_id: UUID) -> bool:
        """Return whether the actor acts as this very instructor."""
        return self.role is Role.INSTRUCTOR and self.instructor_id == instructor_id

    def stands_for(self, student_id: UUID) -> bool:
        """Return whether the actor acts as this very student, or as a guardian of this student."""
        return self.role in _LEARNER and student_id in self.student_ids


def system_actor(org_id: UUID) -> Actor:
    """Return DriveFlow itself, acting in one school."""
    return Actor(org_id=org_id, role=Role.SYSTEM)


def require(actor: Actor, permission: Permission) -> None:
    """Raise ForbiddenError, naming role and permission, unless the actor's role has the permission."""
    if not actor.may(permission):
        raise _forbidden(actor, permission)


def scope_of(actor: Actor, permission: Permission) -> Scope:
    """Return whether the actor has a permission for the whole school or for own rows only.

    `permission` is the school's form. Raises ForbiddenError, naming role and permission, for neither.
    """
    if actor.may(permission):
        return Scope.SCHOOL
    own_form = _OWN_FORM.get(permission)
    if own_form is not None and actor.may(own_form):
        return Scope.OWN
    raise _forbidden(actor, permission)


def _forbidden(actor: Actor, permission: Permission) -> ForbiddenError:
    return ForbiddenError(
        f"Your role in this school, {actor.role}, lacks the permission {permission}.",
        role=actor.role.value,
        permission=permission.value,
    )
