"""API keys: shown once, gone with the member they stand for."""

import secrets

import asyncpg
import pytest

from support.schools import Client, School


@pytest.mark.parametrize("path", ["/api-keys", "/api/v1/orgs"])
async def test_a_repeated_answer_and_the_database_hold_no_secret(
    school: School, owner_connection: asyncpg.Connection, path: str
) -> None:
    body = {"name": "Second", "role": "admin"} if path == "/api-keys" else {"name": "Second"}
    field = "key" if path == "/api-keys" else "api_key"
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first = await school.post(path, body, headers=key)
    assert first[field].startswith("dfk_")
    again = await school.post(path, body, headers=key)
    assert again == {**first, field: None}
    kept = await owner_connection.fetchval(
        "SELECT string_agg(encode(body, 'escape'), '') FROM idempotency_keys WHERE org_id = $1", school.org_id
    )
    assert "dfk_" not in kept


@pytest.mark.parametrize("removed", [True, False])
async def test_keys_of_a_member_who_leaves_or_changes_role_stop_working(
    school: School, owner_connection: asyncpg.Connection, removed: bool
) -> None:
    member = await school.post("/members", {"email": f"{secrets.token_hex(4)}@x.example", "role": "admin"})
    made = await school.post("/api-keys", {"name": "Theirs", "role": "admin"})
    await owner_connection.execute(
        "UPDATE api_keys SET user_id = $1 WHERE id = $2", member["user_id"], made["id"]
    )
    if removed:
        await school.delete(f"/members/{member['id']}")
    else:
        await school.patch(f"/members/{member['id']}", {"role": "instructor"})
    theirs = Client(school.http, school.org_id, made["key"])
    await theirs.get("/students", expect=401)
    listed = [key["id"] for key in await school.get("/api-keys")]
    assert made["id"] not in listed
