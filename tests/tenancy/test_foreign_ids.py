"""No school sees another: each id of one, put into each request of the other, looks like an id of nothing.

Generated from the route table and the OpenAPI description. A foreign and a random id must be answered with
the same bytes, apart from the request id: then the answer cannot tell that the foreign row exists.
"""

import re
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from driveflow.core.actor import Role
from driveflow.core.db import Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.models import Base
from support.full_school import ROLES, FullSchool, ask, full_schools, named_ids, path_ids
from support.route_table import ALSO, NOT_TRIED, ROUTES, Ask
from support.schools import School

IN_SCHOOL = {route: wanted for route, wanted in ROUTES.items() if "{org_id}" in route}
_REQUEST_ID = re.compile(r'("request_id":)"[^"]*"')


@pytest.fixture
async def own(school: School, other_school: School) -> tuple[FullSchool, FullSchool]:
    """Two schools with rows of every kind: whose clients ask, and whose ids they try."""
    own, other = await full_schools(school, other_school)
    return own, other


def seen(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return all that a client sees of an answer, the request id blanked."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, _REQUEST_ID.sub(r"\1null", answer.text), headers


async def contents(owner: asyncpg.Connection, *schools: FullSchool) -> dict[str, list[str]]:
    """Return every row of the schools' tables, as the database's owner sees them."""
    ids = [full.school.org_id for full in schools]
    return {
        table.name: [
            row[0]
            for row in await owner.fetch(
                f"SELECT t::text FROM {table.name} t WHERE org_id = ANY($1) ORDER BY 1", ids
            )
        ]
        for table in Base.metadata.sorted_tables
        if "org_id" in table.columns
    }


async def test_a_foreign_id_in_the_path_is_answered_like_a_random_one_for_every_route_and_role(
    own: tuple[FullSchool, FullSchool], owner_connection: asyncpg.Connection
) -> None:
    mine, theirs = own
    before = await contents(owner_connection, mine, theirs)
    wrong = []
    for route in IN_SCHOOL:
        for role in ROLES:
            for name in path_ids(route):
                client, kept = mine.clients[role], mine.ids
                foreign = await ask(client, route, {**kept, name: theirs.ids[name]}, kept)
                random = await ask(client, route, {**kept, name: str(uuid4())}, kept)
                if foreign.status_code not in {403, 404} or seen(foreign) != seen(random):
                    wrong.append(f"{role} {route} ({name}): {foreign.text} / {random.text}")
    assert not wrong, "\n".join(wrong)
    assert await contents(owner_connection, mine, theirs) == before


async def test_the_other_school_in_the_path_is_answered_404_for_every_route_and_role(
    own: tuple[FullSchool, FullSchool], owner_connection: asyncpg.Connection
) -> None:
    mine, theirs = own
    before = await contents(owner_connection, mine, theirs)
    wrong = []
    for route in IN_SCHOOL:
        for role in ROLES:
            client = mine.clients[role]
            foreign = await ask(client, route, theirs.ids)
            random = await ask(client, route, dict.fromkeys(theirs.ids, str(uuid4())) | {"free_start": "x"})
            malformed = await ask(client, route, {**theirs.ids, "org_id": "no-uuid"})
            if foreign.status_code != 404 or not seen(foreign) == seen(random) == seen(malformed):
                wrong.append(f"{role} {route}: {foreign.text} / {random.text} / {malformed.text}")
    assert not wrong, "\n".join(wrong)
    assert await contents(owner_connection, mine, theirs) == before


async def test_a_foreign_id_in_body_or_query_is_answered_like_a_random_one_for_every_route_and_role(
    own: tuple[FullSchool, FullSchool], owner_connection: asyncpg.Connection
) -> None:
    mine, theirs = own
    before = await contents(owner_connection, mine, theirs)
    wrong = []
    for route, wanted, name in _references():
        for role in ROLES:
            client, kept = mine.clients[role], mine.ids
            foreign = await ask(client, route, kept, {**kept, name: theirs.ids[name]}, wanted=wanted)
            random = await ask(client, route, kept, {**kept, name: str(uuid4())}, wanted=wanted)
            if seen(foreign) != seen(random) or _shows(foreign, theirs):
                wrong.append(f"{role} {route} ({name}): {foreign.text} / {random.text}")
            if not route.startswith("GET") and not 400 <= foreign.status_code < 500:
                wrong.append(f"{role} {route} ({name}) did it: {foreign.text}")
    assert not wrong, "\n".join(wrong)
    assert await contents(owner_connection, mine, theirs) == before


def _asks(route: str) -> list[Ask]:
    return [ROUTES[route], *ALSO.get(route, [])]


def _references() -> list[tuple[str, Ask, str]]:
    """Return each request that names an id in its body or query, once for each of them."""
    return [
        (route, wanted, name)
        for route in IN_SCHOOL
        for wanted in _asks(route)
        for name in named_ids((wanted.body, wanted.query))
    ]


def _shows(answer: httpx.Response, theirs: FullSchool) -> bool:
    return any(theirs.ids[name] in answer.text for name in theirs.ids if name.endswith("_id"))


def test_every_id_that_a_body_or_query_takes_is_tried(database: Database) -> None:
    app: FastAPI = create_app(Settings(_env_file=None), database)
    missing = sorted(
        f"{route}: {name}"
        for route, name in _described_ids(app.openapi())
        if route in IN_SCHOOL
        and (route, name) not in NOT_TRIED
        and not any(name in {**wanted.query, **_object(wanted.body)} for wanted in _asks(route))
    )
    assert not missing, (
        "Name these ids in the route's `Ask` (or in ALSO) in tests/support/route_table.py, "
        f"so that a foreign one is tried: {missing}"
    )


def _described_ids(openapi: dict[str, Any]) -> list[tuple[str, str]]:
    """Return each route with the name of each id that its description says its body or query takes."""
    found = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            names = [
                parameter["name"]
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query" and "uuid" in str(parameter["schema"])
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                names += _uuid_fields(content["schema"], openapi)
            found += [(f"{method.upper()} {path}", name) for name in names]
    return found


def _uuid_fields(schema: dict[str, Any], openapi: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        return _uuid_fields(openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]], openapi)
    fields: list[str] = []
    for name, part in schema.get("properties", {}).items():
        fields += [name] if "'uuid'" in str(part) else _uuid_fields(part, openapi)
    for part in (schema.get("items"), *schema.get("anyOf", []), *schema.get("oneOf", [])):
        fields += _uuid_fields(part, openapi) if isinstance(part, dict) else []
    return fields


def _object(body: object) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


async def test_an_owner_of_two_schools_uses_each_key_for_its_own_school_only(
    own: tuple[FullSchool, FullSchool],
) -> None:
    mine, theirs = own
    answer = await mine.clients[Role.OWNER].request("GET", f"/api/v1/orgs/{theirs.school.org_id}")
    assert answer.status_code == 404
    assert [org["id"] for org in await mine.school.get("/api/v1/orgs")] == [str(mine.school.org_id)]
