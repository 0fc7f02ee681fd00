"""The table of roles and permissions, read against a second copy of it, and what an actor's own rows are."""

from uuid import UUID

import pytest

from driveflow.core.actor import (
    ROLE_PERMISSIONS,
    Actor,
    Permission,
    Role,
    Scope,
    require,
    scope_of,
    system_actor,
)
from driveflow.core.errors import ForbiddenError

ORG = UUID(int=1)
USER = UUID(int=2)
KEY = UUID(int=3)
ANNA = UUID(int=4)
BEN = UUID(int=5)
IVY = UUID(int=6)
JOE = UUID(int=7)

# o owner, a admin, i instructor, s student, g guardian; the system has every permission.
TABLE = {
    "org:read": "oaisg",
    "org:create": "o",
    "org:update": "oa",
    "members:read": "oa",
    "members:manage": "oa",
    "api_keys:manage": "oa",
    "audit:read": "oa",
    "ops": "oa",
    "instructors:read": "oaisg",
    "instructors:manage": "oa",
    "students:read": "oai",
    "students:read:own": "sg",
    "students:manage": "oa",
    "guardians:read": "oai",
    "guardians:read:own": "sg",
    "guardians:manage": "oa",
    "catalog:read": "oaisg",
    "catalog:manage": "oa",
    "availability:read": "oai",
    "availability:manage": "oa",
    "availability:manage:own": "i",
    "slots:read": "oaisg",
    "quote:read": "oaisg",
    "bookings:read": "oa",
    "bookings:read:own": "isg",
    "bookings:create": "oa",
    "bookings:create:own": "isg",
    "bookings:update": "oa",
    "bookings:update:own": "isg",
    "bookings:confirm": "oa",
    "bookings:cancel": "oa",
    "bookings:cancel:own": "isg",
    "bookings:reschedule": "oa",
    "bookings:reschedule:own": "sg",
    "bookings:override_hours": "oa",
    "fees:waive": "oa",
    "lessons:read": "oa",
    "lessons:read:own": "isg",
    "lessons:run": "oa",
    "lessons:run:own": "i",
    "lessons:rate": "oa",
    "lessons:rate:own": "i",
    "trips:read": "oa",
    "trips:read:own": "isg",
    "trips:write": "oa",
    "trips:write:own": "i",
    "payments:read": "oa",
    "payments:read:own": "sg",
    "payments:start": "oa",
    "payments:start:own": "sg",
    "payments:manage": "oa",
    "payouts:read": "oa",
    "payouts:read:own": "i",
    "payout_accounts:manage": "oa",
    "payout_accounts:manage:own": "i",
    "ledger:read": "oa",
    "reports:read": "oa",
    "messages:read": "oa",
    "messages:manage": "oa",
}
LETTERS = {"o": Role.OWNER, "a": Role.ADMIN, "i": Role.INSTRUCTOR, "s": Role.STUDENT, "g": Role.GUARDIAN}
PEOPLE = tuple(LETTERS.values())


def actor_of(role: Role) -> Actor:
    return Actor(org_id=ORG, role=role)


def test_every_permission_is_in_the_table() -> None:
    assert set(TABLE) == {permission.value for permission in Permission}


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_belongs_to_the_roles_of_its_line(permission: Permission) -> None:
    expected = {LETTERS[letter] for letter in TABLE[permission.value]} | {Role.SYSTEM}
    assert {role for role in Role if permission in ROLE_PERMISSIONS[role]} == expected
    for role in Role:
        assert actor_of(role).may(permission) == (role in expected)


def test_the_system_has_every_permission() -> None:
    assert ROLE_PERMISSIONS[Role.SYSTEM] == frozenset(Permission)


def test_nobody_can_change_the_table_at_run_time() -> None:
    with pytest.raises(TypeError):
        ROLE_PERMISSIONS[Role.STUDENT] = frozenset(Permission)  # type: ignore[index]  # the point of the test


def test_a_permission_for_own_rows_stands_beside_one_for_the_school() -> None:
    own_forms = {permission for permission in Permission if permission.name.endswith("_OWN")}
    assert own_forms == {permission for permission in Permission if permission.value.endswith(":own")}
    for own_form in own_forms:
        school_form = Permission[own_form.name.removesuffix("_OWN")]
        assert own_form.value == f"{school_form.value}:own"
        for role in PEOPLE:
            held = ROLE_PERMISSIONS[role]
            assert not {own_form, school_form} <= held, "one size per role is enough"


def test_require_lets_the_permitted_pass() -> None:
    require(actor_of(Role.ADMIN), Permission.FEES_WAIVE)


def test_require_names_the_role_and_what_it_lacks() -> None:
    with pytest.raises(ForbiddenError) as caught:
        require(actor_of(Role.INSTRUCTOR), Permission.FEES_WAIVE)
    assert caught.value.message == "Your role in this school, instructor, lacks the permission fees:waive."
    assert caught.value.code == "forbidden"
    assert caught.value.details == {"role": "instructor", "permission": "fees:waive"}


def test_require_for_the_school_refuses_those_with_own_rows_only() -> None:
    with pytest.raises(ForbiddenError):
        require(actor_of(Role.STUDENT), Permission.BOOKINGS_READ)


@pytest.mark.parametrize("permission", [p for p in Permission if not p.name.endswith("_OWN")])
@pytest.mark.parametrize("role", PEOPLE)
def test_scope_is_school_then_own_then_refused(role: Role, permission: Permission) -> None:
    letter = next(letter for letter, known in LETTERS.items() if known is role)
    if letter in TABLE[permission.value]:
        assert scope_of(actor_of(role), permission) is Scope.SCHOOL
    elif letter in TABLE.get(f"{permission.value}:own", ""):
        assert scope_of(actor_of(role), permission) is Scope.OWN
    else:
        with pytest.raises(ForbiddenError, match=f"{role}, lacks the permission {permission}\\."):
            scope_of(actor_of(role), permission)


def test_the_system_reaches_the_whole_school() -> None:
    assert scope_of(system_actor(ORG), Permission.TRIPS_WRITE) is Scope.SCHOOL


def test_the_system_actor_has_no_person_behind_it() -> None:
    actor = system_actor(ORG)
    assert actor == Actor(org_id=ORG, role=Role.SYSTEM)
    assert actor.user_id is None
    assert actor.instructor_id is None
    assert actor.student_ids == frozenset()
    assert actor.guardian_id is None
    assert actor.api_key_id is None
    assert actor.ip is None
    assert actor.request_id is None


def test_owner_admin_and_system_speak_for_the_school() -> None:
    assert {role for role in Role if actor_of(role).is_staff} == {Role.OWNER, Role.ADMIN, Role.SYSTEM}


def test_the_label_names_the_role_and_the_key_or_user() -> None:
    assert system_actor(ORG).label == "system"
    assert Actor(ORG, Role.OWNER, user_id=USER).label == f"owner (user {USER})"
    assert Actor(ORG, Role.ADMIN, user_id=USER, api_key_id=KEY).label == f"admin (API key {KEY})"


def test_an_instructor_is_only_that_instructor() -> None:
    ivy = Actor(ORG, Role.INSTRUCTOR, instructor_id=IVY)
    assert ivy.is_instructor(IVY)
    assert not ivy.is_instructor(JOE)
    assert not Actor(ORG, Role.ADMIN, instructor_id=IVY).is_instructor(IVY)


def test_a_student_stands_for_nobody_else_and_a_guardian_for_each_linked_student() -> None:
    assert Actor(ORG, Role.STUDENT, student_ids=frozenset({ANNA})).stands_for(ANNA)
    assert not Actor(ORG, Role.STUDENT, student_ids=frozenset({ANNA})).stands_for(BEN)
    assert Actor(ORG, Role.GUARDIAN, student_ids=frozenset({ANNA, BEN})).stands_for(BEN)
    assert not Actor(ORG, Role.GUARDIAN).stands_for(ANNA)
    assert not Actor(ORG, Role.INSTRUCTOR, student_ids=frozenset({ANNA})).stands_for(ANNA)
