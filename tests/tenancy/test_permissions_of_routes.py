"""Every route asks a permission, and gets the answer of the one table of roles."""

from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from driveflow.core.actor import ROLE_PERMISSIONS, Permission, Role
from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.full_school import ROLES, FullSchool, ask, full_schools, path_ids
from support.route_table import ROUTES, SCHOOL, Ask, routes_of
from support.schools import School

GUARDED = {route: wanted for route, wanted in ROUTES.items() if not wanted.public}
# An instructor may turn a request down, but not cancel a confirmed booking: `bookings/lifecycle.py` refuses.
FINER_RULES = {(Role.INSTRUCTOR, f"GET {SCHOOL}/bookings/{{booking_id}}/cancellation-quote")}


@pytest.fixture
def app(database: Database) -> FastAPI:
    return create_app(Settings(_env_file=None), database)


@pytest.fixture
async def full(school: School) -> FullSchool:
    [full] = await full_schools(school)
    return full


def has(role: Role, permission: Permission | None) -> bool:
    """Tell whether a role has a permission, for the whole school or for its own rows."""
    granted = ROLE_PERMISSIONS[role]
    return permission is None or permission in granted or f"{permission}:own" in granted


def pairs(*, allowed: bool) -> list[tuple[Role, str, Ask]]:
    """Return each role with the routes that it may use, or with those that it may not."""
    return [
        (role, route, wanted)
        for role in ROLES
        for route, wanted in GUARDED.items()
        if has(role, wanted.permission) is allowed
    ]


def with_missing_rows(route: str, full: FullSchool) -> dict[str, str]:
    """Return a school's ids, those of the route's path replaced by ids that nothing has."""
    return {**full.ids, **{name: str(uuid4()) for name in path_ids(route)}}


def test_every_route_has_an_entry_in_the_table_and_no_entry_is_stale(app: FastAPI) -> None:
    routes = set(routes_of(app))
    missing = sorted(routes - ROUTES.keys())
    assert not missing, (
        f"Add to ROUTES in tests/support/route_table.py what each of these asks for: {missing}. "
        "An `Ask` names the permission and a request that the route accepts, its ids as {names}."
    )
    assert not (stale := sorted(ROUTES.keys() - routes)), f"Take these out of ROUTES: {stale}"


def test_no_route_of_a_school_is_public_and_each_asks_a_permission() -> None:
    of_schools = {route: wanted for route, wanted in ROUTES.items() if "/orgs" in route}
    assert not [route for route, wanted in of_schools.items() if wanted.public or wanted.permission is None]


async def test_without_a_valid_key_every_guarded_route_answers_401(
    school: School, http: httpx.AsyncClient
) -> None:
    wrong = []
    for route in GUARDED:
        method, _, template = route.partition(" ")
        ids = {**dict.fromkeys(path_ids(route), uuid4()), "org_id": school.org_id, "date": "x"}
        for headers in (
            {},
            {"Authorization": f"{school.key}"},
            {"Authorization": f"Bearer {school.key[:-2]}AA"},
        ):
            answer = await http.request(method, template.format_map(ids), headers=headers, content=b"{")
            if (answer.status_code, answer.headers.get("www-authenticate")) != (401, "Bearer"):
                wrong.append(f"{route}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


async def test_a_role_without_the_permission_gets_403_that_names_it_whether_or_not_the_row_exists(
    full: FullSchool,
) -> None:
    wrong = []
    for role, route, wanted in pairs(allowed=False):
        for ids in (full.ids, with_missing_rows(route, full)):
            answer = await ask(full.clients[role], route, ids)
            problem = answer.json()
            named = (problem.get("code"), problem.get("role"), problem.get("permission"))
            if answer.status_code != 403 or named != ("forbidden", role, wanted.permission):
                wrong.append(f"{role} {route}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


async def test_a_role_with_the_permission_may_read_its_rows(full: FullSchool) -> None:
    wrong = []
    for role, route, _ in pairs(allowed=True):
        if route.startswith("GET") and (role, route) not in FINER_RULES:
            answer = await ask(full.clients[role], route, full.ids)
            if answer.status_code != 200:
                wrong.append(f"{role} {route}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


async def test_a_role_with_the_permission_may_write(full: FullSchool) -> None:
    # Missing rows keep the school as it is; the permission comes first, so 404 says that it was granted.
    wrong = []
    for role, route, _ in pairs(allowed=True):
        if not route.startswith("GET"):
            named = {**full.ids, "free_start": f"2026-08-08T0{ROLES.index(role)}:00:00Z"}
            answer = await ask(full.clients[role], route, with_missing_rows(route, full), named)
            # 409: the role before made the same thing already.
            if answer.status_code not in ({404} if path_ids(route) else {200, 201, 409}):
                wrong.append(f"{role} {route}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)
