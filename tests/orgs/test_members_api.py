"""Members of a school through the API."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from support.cast import cast_of, fields_of, trail
from support.schools import School

NOBODY = "/members/01990000-0000-7000-8000-000000000000"


def mail_of(school: School, name: str) -> str:
    """Return an address nobody else has: users belong to no school, so tests share them."""
    return f"{name}-{school.org_id.hex[-12:]}@school.example"


async def invite(school: School, name: str, role: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await school.post(
        "/members", {"email": mail_of(school, name), "role": role, **more}
    )
    return made


async def test_a_person_is_invited_by_mail_and_leaves_an_audit_row_and_an_event(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    email = mail_of(school, "ann")
    made = await school.post("/members", {"email": email.upper(), "full_name": "Ann Admin", "role": "admin"})
    assert (made["email"], made["full_name"], made["role"]) == (email, "Ann Admin", "admin")
    listed = await school.get("/members")
    assert [(row["role"], row["full_name"]) for row in listed] == [
        ("admin", "Ann Admin"),
        ("owner", "Demo Owner"),
    ]
    assert await trail(school, "Member", made["id"]) == [
        ("MEMBER_ADDED", None, {"email": email, "role": "admin"})
    ]
    payload = await owner_connection.fetchval(
        "SELECT payload FROM outbox WHERE org_id = $1 AND topic = 'member.invited'", school.org_id
    )
    assert json.loads(payload) == {"member_id": made["id"], "email": email}


async def test_without_a_name_the_address_stands_for_it(school: School) -> None:
    made = await invite(school, "bob", "student")
    assert made["full_name"] == made["email"].partition("@")[0]


async def test_a_person_of_another_school_keeps_one_identity(school: School, other_school: School) -> None:
    ours = await invite(school, "cid", "admin", full_name="Cid")
    theirs = await other_school.post(
        "/members", {"email": ours["email"], "full_name": "Somebody Else", "role": "instructor"}
    )
    assert (theirs["user_id"], theirs["full_name"]) == (ours["user_id"], "Cid")


async def test_a_role_is_held_once_but_a_person_may_hold_several(school: School) -> None:
    first = await invite(school, "dee", "admin")
    problem = await school.post("/members", {"email": first["email"], "role": "admin"}, expect=409)
    assert problem["code"] == "already_member"
    second = await school.post("/members", {"email": first["email"], "role": "instructor"})
    assert second["user_id"] == first["user_id"]
    problem = await school.patch(f"/members/{second['id']}", {"role": "admin"}, expect=409)
    assert problem["code"] == "already_member"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": None}, "email"),
        ({"role": "guardian"}, "role"),
        ({"role": "system"}, "role"),
        ({"full_name": " "}, "full_name"),
        ({"user_id": "01990000-0000-7000-8000-000000000000"}, "user_id"),
    ],
)
async def test_a_wrong_field_is_named(school: School, fields: dict[str, Any], wrong: str) -> None:
    body = {"email": "ann@school.example", "role": "admin", **fields}
    assert fields_of(await school.post("/members", body, expect=422)) == {wrong}


async def test_a_role_is_changed_and_a_membership_ended_with_an_audit_row_each(school: School) -> None:
    made = await invite(school, "eve", "instructor")
    path = f"/members/{made['id']}"
    assert (await school.patch(path, {"role": "admin"}))["role"] == "admin"
    assert (await school.patch(path, {"role": "admin"}))["role"] == "admin"
    assert fields_of(await school.patch(path, {"role": "boss"}, expect=422)) == {"role"}
    await school.delete(path)
    await school.delete(path, expect=404)
    assert (await trail(school, "Member", made["id"]))[1:] == [
        ("MEMBER_UPDATED", {"role": "instructor"}, {"role": "admin"}),
        ("MEMBER_REMOVED", {"email": made["email"], "role": "admin"}, None),
    ]


async def test_a_school_keeps_an_owner(school: School) -> None:
    [owner] = await school.get("/members")
    path = f"/members/{owner['id']}"
    assert (await school.patch(path, {"role": "admin"}, expect=409))["code"] == "last_owner"
    assert (await school.request("DELETE", path, expect=409)).json()["code"] == "last_owner"
    await school.patch(path, {"role": "owner"})
    await invite(school, "fay", "owner")
    await school.patch(path, {"role": "admin"})


async def test_owners_who_remove_each_other_at_once_leave_one(school: School) -> None:
    for name in ("gus", "hal"):
        await invite(school, name, "owner")
    members = await school.get("/members")
    answers = await asyncio.gather(
        *(school.request("DELETE", f"/members/{member['id']}") for member in members)
    )
    assert sorted(answer.status_code for answer in answers) == [204, 204, 409]
    assert [member["role"] for member in await school.get("/members")] == ["owner"]


async def test_an_admin_manages_members_but_never_owners(school: School) -> None:
    admin = await school.as_role("admin")
    [owner] = await school.get("/members")
    made = await admin.post("/members", {"email": mail_of(school, "ivy"), "role": "instructor"})
    path = f"/members/{made['id']}"
    await admin.patch(path, {"role": "student"})
    for refused in (
        await admin.post("/members", {"email": mail_of(school, "joe"), "role": "owner"}, expect=403),
        await admin.patch(path, {"role": "owner"}, expect=403),
        await admin.patch(f"/members/{owner['id']}", {"role": "admin"}, expect=403),
        (await admin.request("DELETE", f"/members/{owner['id']}", expect=403)).json(),
    ):
        assert refused["code"] == "forbidden"
    await admin.delete(path)
    assert await admin.get("/members") == [owner]


async def test_only_staff_see_and_change_members(school: School) -> None:
    cast = await cast_of(school)
    [owner] = await school.get("/members")
    path = f"/members/{owner['id']}"
    for client in cast.outside_office:
        assert (await client.get("/members", expect=403))["permission"] == "members:read"
        await client.post("/members", {"email": mail_of(school, "kim"), "role": "student"}, expect=403)
        await client.patch(path, {"role": "admin"}, expect=403)
        await client.delete(path, expect=403)


async def test_another_schools_member_looks_missing(school: School, other_school: School) -> None:
    theirs = await invite(other_school, "lou", "admin")
    for path in (f"/members/{theirs['id']}", NOBODY):
        await school.patch(path, {"role": "student"}, expect=404)
        await school.delete(path, expect=404)
    assert theirs in await other_school.get("/members")
