"""API keys through the API: made, shown once, used, revoked."""

from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from support.cast import Cast, cast_of, fields_of, trail
from support.schools import Client, Clock, School

NOBODY = "01990000-0000-7000-8000-000000000000"
ME = "/api/v1/me"


@pytest.fixture
async def cast(school: School) -> Cast:
    return await cast_of(school)


def client_of(school: School, key: str) -> Client:
    return Client(school.http, school.org_id, key)


async def test_a_key_is_shown_once_and_stored_as_a_hash(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    made = await school.post("/api-keys", {"name": "Website", "role": "admin"})
    secret = made.pop("key")
    assert secret.startswith("dfk_")
    assert secret.endswith(made["hint"])
    assert (await client_of(school, secret).get(ME))["role"] == "admin"
    listed = await school.get("/api-keys")
    assert made in listed
    assert {row["name"] for row in listed} == {"Owner", "Website"}
    assert await trail(school, "ApiKey", made["id"]) == [
        ("API_KEY_CREATED", None, {"name": "Website", "role": "admin"})
    ]
    rows = await owner_connection.fetch("SELECT * FROM api_keys WHERE org_id = $1", school.org_id)
    assert all(secret not in str(row) for row in rows)


async def test_a_key_acts_in_its_role_as_its_person(school: School, cast: Cast) -> None:
    for client, role, person in (
        (cast.instructor, "instructor", cast.instructor_row),
        (cast.student, "student", cast.student_row),
        (cast.guardian, "guardian", cast.guardian_row),
    ):
        assert (await client.get(ME))["role"] == role
        [row] = [row for row in await school.get("/api-keys") if row["role"] == role]
        assert row[f"{role}_id"] == person["id"]


async def test_a_revoked_key_is_refused_at_once_even_in_use(school: School) -> None:
    made = await school.post("/api-keys", {"name": "Website", "role": "admin"})
    client = client_of(school, made["key"])
    await client.get(ME)
    await school.delete(f"/api-keys/{made['id']}")
    assert (await client.get(ME, expect=401))["code"] == "unauthenticated"
    assert [row["name"] for row in await school.get("/api-keys")] == ["Owner"]
    await school.delete(f"/api-keys/{made['id']}")
    assert [row[0] for row in await trail(school, "ApiKey", made["id"])] == [
        "API_KEY_CREATED",
        "API_KEY_REVOKED",
    ]


async def test_a_key_ends_when_it_was_said_to(school: School, clock: Clock) -> None:
    ends = (clock() + timedelta(hours=1)).isoformat()
    keys = [
        (await school.post("/api-keys", {"name": name, "role": "admin", "expires_at": ends}))["key"]
        for name in ("early", "late")
    ]
    clock.advance(minutes=59, seconds=59)
    await client_of(school, keys[0]).get(ME)
    clock.advance(seconds=1)
    await client_of(school, keys[1]).get(ME, expect=401)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"role": "admin"}, "name"),
        ({"name": "x", "role": "system"}, "role"),
        ({"name": "x", "role": "instructor"}, "instructor_id"),
        ({"name": "x", "role": "student"}, "student_id"),
        ({"name": "x", "role": "guardian"}, "guardian_id"),
        ({"name": "x", "role": "admin", "student_id": NOBODY}, "student_id"),
        ({"name": "x", "role": "student", "instructor_id": NOBODY, "student_id": NOBODY}, "instructor_id"),
        ({"name": "x", "role": "admin", "expires_at": "2026-08-03T00:00:00Z"}, "expires_at"),
        ({"name": "x", "role": "admin", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "role": "admin", "key": "dfk_mine"}, "key"),
    ],
)
async def test_a_wrong_field_of_a_key_is_named(school: School, body: dict[str, Any], wrong: str) -> None:
    assert fields_of(await school.post("/api-keys", body, expect=422)) == {wrong}


async def test_the_person_of_a_key_is_of_the_school(school: School, other_school: School) -> None:
    theirs = await cast_of(other_school)
    for role, row in (
        ("instructor", theirs.instructor_row),
        ("student", theirs.student_row),
        ("guardian", theirs.guardian_row),
    ):
        for person_id in (row["id"], NOBODY):
            body = {"name": "x", "role": role, f"{role}_id": person_id}
            assert (await school.post("/api-keys", body, expect=404))["code"] == "not_found"


async def test_an_admin_makes_and_revokes_keys_but_never_an_owners(school: School, cast: Cast) -> None:
    [owners] = [row for row in await school.get("/api-keys") if row["role"] == "owner"]
    problem = await cast.admin.post("/api-keys", {"name": "x", "role": "owner"}, expect=403)
    assert problem["code"] == "forbidden"
    await cast.admin.delete(f"/api-keys/{owners['id']}", expect=403)
    made = await cast.admin.post("/api-keys", {"name": "x", "role": "admin"})
    await cast.admin.delete(f"/api-keys/{made['id']}")
    second = await school.post("/api-keys", {"name": "x", "role": "owner"})
    assert (await client_of(school, second["key"]).get(ME))["user_id"] == str(school.owner_user_id)


async def test_only_staff_handle_keys(school: School, cast: Cast) -> None:
    [owners] = [row for row in await school.get("/api-keys") if row["role"] == "owner"]
    for client in cast.outside_office:
        assert (await client.get("/api-keys", expect=403))["permission"] == "api_keys:manage"
        await client.post("/api-keys", {"name": "x", "role": "admin"}, expect=403)
        await client.delete(f"/api-keys/{owners['id']}", expect=403)


async def test_another_schools_key_looks_missing(school: School, other_school: School) -> None:
    theirs = await other_school.post("/api-keys", {"name": "x", "role": "admin"})
    for key_id in (theirs["id"], NOBODY):
        await school.delete(f"/api-keys/{key_id}", expect=404)
    await client_of(other_school, theirs["key"]).get(ME)


async def test_a_key_that_is_none_is_refused_without_a_hint_at_what_is_wrong(
    http: httpx.AsyncClient, school: School, other_school: School
) -> None:
    secret = school.key.removeprefix("dfk_")
    other_secret = other_school.key.removeprefix("dfk_")
    swapped = "A" if secret[-1] != "A" else "B"
    answers = [
        await http.get(ME, headers={b"Authorization": f"Bearer {key}".encode("latin-1")})
        for key in (
            "dfk_",
            "nonsense",
            "dfk_nonsense",
            "dfk_" + "A" * 64,
            f"dfk_{secret[:-1]}{swapped}",
            f"dfk_{secret[:22]}{other_secret[22:]}",
            f"dfk_{secret}==",
            secret,
            "dfk_\xe9",
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["detail"] for answer in answers} == {"This API key is not valid."}
    for authorization in ("", "Bearer", f"Basic {school.key}", school.key):
        answer = await http.get(ME, headers={"Authorization": authorization})
        assert answer.status_code == 401
    assert (await http.get(ME, headers={"Authorization": f"bearer {school.key}"})).status_code == 200
