"""Guardians and their links to students through the API."""

import asyncio
from typing import Any

import pytest

from support.cast import Cast, cast_of, fields_of, trail
from support.schools import Client, School

NOBODY = "01990000-0000-7000-8000-000000000000"


@pytest.fixture
async def cast(school: School) -> Cast:
    return await cast_of(school)


async def links(client: Client, student_id: str) -> dict[str, bool]:
    """Return the guardians of a student by name, and whether each is primary."""
    page = await client.get(f"/students/{student_id}/guardians")
    return {row["full_name"]: row["is_primary"] for row in page["items"]}


async def test_a_guardian_is_kept_changed_and_deleted_with_an_audit_row_each(school: School) -> None:
    made = await school.post(
        "/guardians", {"full_name": "Pat Parent", "phone": "0400 000 009", "email": "Pat@Example.com"}
    )
    path = f"/guardians/{made['id']}"
    assert (made["phone"], made["email"], made["version"]) == ("+61400000009", "pat@example.com", 1)
    assert await school.get(path) == made
    changed = await school.patch(path, {"version": 1, "email": None, "full_name": "Pat P."})
    assert (changed["email"], changed["full_name"], changed["version"]) == (None, "Pat P.", 2)
    assert (await school.patch(path, {"version": 1}, expect=409))["code"] == "stale_version"
    assert await school.patch(path, {"version": 2}) == changed
    await school.delete(path)
    await school.get(path, expect=404)
    assert [row[0] for row in await trail(school, "Guardian", made["id"])] == [
        "GUARDIAN_CREATED",
        "GUARDIAN_UPDATED",
        "GUARDIAN_DELETED",
    ]


async def test_guardians_are_found_by_name_number_and_address(school: School) -> None:
    await school.post("/guardians", {"full_name": "Pat Parent", "phone": "0400 000 009"})
    await school.post("/guardians", {"full_name": "Ria Roe", "email": "ria@example.com"})
    for query, names in (("pat", ["Pat Parent"]), ("0400 000 009", ["Pat Parent"]), ("ria@", ["Ria Roe"])):
        page = await school.get("/guardians", params={"q": query})
        assert [row["full_name"] for row in page["items"]] == names
    changed = (await school.get("/guardians", params={"q": "ria"}))["items"][0]
    await school.patch(f"/guardians/{changed['id']}", {"version": 1, "full_name": "Mia Moe", "email": None})
    assert (await school.get("/guardians", params={"q": "ria"}))["items"] == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"full_name": None}, "full_name"),
        ({"phone": "1"}, "phone"),
        ({"email": "pat"}, "email"),
        ({"dob": "2000-01-01"}, "dob"),
    ],
)
async def test_a_wrong_field_of_a_guardian_is_named(
    school: School, fields: dict[str, Any], wrong: str
) -> None:
    assert fields_of(await school.post("/guardians", {"full_name": "Pat", **fields}, expect=422)) == {wrong}
    made = await school.post("/guardians", {"full_name": "Pat"})
    problem = await school.patch(f"/guardians/{made['id']}", {"version": 1, **fields}, expect=422)
    assert fields_of(problem) == {wrong}


async def test_a_student_gets_a_new_guardian_with_what_the_guardian_may_do(school: School) -> None:
    student = await school.add_student()
    path = f"/students/{student['id']}/guardians"
    made = await school.post(
        path, {"full_name": "Pat Parent", "phone": "0400 000 009", "relation": "mother", "can_pay": False}
    )
    assert (made["relation"], made["can_book"], made["can_pay"]) == ("mother", True, False)
    assert (made["is_primary"], made["phone"]) == (False, "+61400000009")
    assert (await school.get(path))["items"] == [made]
    assert await school.get(f"/guardians/{made['id']}") == {
        name: value
        for name, value in made.items()
        if name not in {"relation", "can_book", "can_pay", "is_primary", "notify"}
    }
    action, before, after = (await trail(school, "Student", student["id"]))[-1]
    assert (action, before) == ("GUARDIAN_LINKED", None)
    assert (after["guardian_id"], after["relation"], after["can_pay"]) == (made["id"], "mother", False)


async def test_a_known_guardian_is_linked_to_a_sibling_once(school: School) -> None:
    first, second = await school.add_student("First"), await school.add_student("Second")
    pat = await school.add_guardian(first["id"])
    linked = await school.post(f"/students/{second['id']}/guardians", {"guardian_id": pat["id"]})
    assert linked["id"] == pat["id"]
    problem = await school.post(f"/students/{second['id']}/guardians", {"guardian_id": pat["id"]}, expect=409)
    assert problem["code"] == "already_linked"
    assert len((await school.get("/guardians"))["items"]) == 1


async def test_a_link_names_either_a_new_or_a_known_guardian(school: School) -> None:
    student = await school.add_student()
    path = f"/students/{student['id']}/guardians"
    assert fields_of(await school.post(path, {"relation": "aunt"}, expect=422)) == {"full_name"}
    pat = await school.add_guardian(student["id"])
    problem = await school.post(
        path, {"guardian_id": pat["id"], "full_name": "Pat", "email": "pat@example.com"}, expect=422
    )
    assert fields_of(problem) == {"full_name", "email"}
    assert fields_of(await school.post(path, {"full_name": "Pat", "phone": "1"}, expect=422)) == {"phone"}
    await school.post(path, {"guardian_id": NOBODY}, expect=404)
    await school.post(f"/students/{NOBODY}/guardians", {"full_name": "Pat"}, expect=404)


async def test_a_student_has_at_most_one_primary_guardian(school: School) -> None:
    student, sibling = await school.add_student("First"), await school.add_student("Second")
    mum = await school.add_guardian(student["id"], "Mum", is_primary=True)
    await school.post(f"/students/{sibling['id']}/guardians", {"guardian_id": mum["id"], "is_primary": True})
    dad = await school.add_guardian(student["id"], "Dad", is_primary=True)
    assert await links(school, student["id"]) == {"Mum": False, "Dad": True}
    path = f"/students/{student['id']}/guardians"
    changed = await school.patch(f"{path}/{mum['id']}", {"is_primary": True})
    assert changed["is_primary"] is True
    assert await links(school, student["id"]) == {"Mum": True, "Dad": False}
    assert (await trail(school, "Student", student["id"]))[-1] == (
        "GUARDIAN_LINK_UPDATED",
        {"guardian_id": mum["id"], "is_primary": False, "primary_guardian_id": dad["id"]},
        {"guardian_id": mum["id"], "is_primary": True},
    )
    await school.patch(f"{path}/{mum['id']}", {"is_primary": False})
    assert await links(school, student["id"]) == {"Mum": False, "Dad": False}
    assert await links(school, sibling["id"]) == {"Mum": True}


async def test_a_link_is_changed_without_touching_the_guardian(school: School) -> None:
    student = await school.add_student()
    pat = await school.add_guardian(student["id"], relation="father")
    path = f"/students/{student['id']}/guardians/{pat['id']}"
    changed = await school.patch(path, {"relation": None, "can_book": False, "can_pay": False})
    assert changed == pat | {"relation": None, "can_book": False, "can_pay": False}
    assert await school.patch(path, {}) == changed
    assert [row[0] for row in await trail(school, "Student", student["id"])] == [
        "STUDENT_CREATED",
        "GUARDIAN_LINKED",
        "GUARDIAN_LINK_UPDATED",
    ]
    for wrong in ("can_book", "can_pay", "is_primary"):
        assert fields_of(await school.patch(path, {wrong: None}, expect=422)) == {wrong}
    assert fields_of(await school.patch(path, {"full_name": "Pat"}, expect=422)) == {"full_name"}


async def test_unlinking_leaves_both_student_and_guardian(school: School) -> None:
    student = await school.add_student()
    pat = await school.add_guardian(student["id"])
    path = f"/students/{student['id']}/guardians/{pat['id']}"
    await school.delete(path)
    await school.delete(path, expect=404)
    await school.patch(path, {"can_book": False}, expect=404)
    assert await links(school, student["id"]) == {}
    await school.get(f"/guardians/{pat['id']}")
    assert (await trail(school, "Student", student["id"]))[-1][0] == "GUARDIAN_UNLINKED"


async def test_a_deleted_guardian_leaves_the_students_list(school: School) -> None:
    student = await school.add_student()
    pat = await school.add_guardian(student["id"])
    await school.delete(f"/guardians/{pat['id']}")
    assert await links(school, student["id"]) == {}


async def test_guardians_of_a_student_come_in_pages(school: School) -> None:
    student = await school.add_student()
    for name in ("Mum", "Dad", "Aunt"):
        school.clock.advance(minutes=1)
        await school.add_guardian(student["id"], name)
    path = f"/students/{student['id']}/guardians"
    page = await school.get(f"{path}?limit=2")
    assert [row["full_name"] for row in page["items"]] == ["Mum", "Dad"]
    rest = await school.get(f"{path}?limit=2&cursor={page['next_cursor']}")
    assert [row["full_name"] for row in rest["items"]] == ["Aunt"]


async def test_students_see_their_guardians_and_guardians_only_themselves(school: School, cast: Cast) -> None:
    stranger = await school.post("/guardians", {"full_name": "Stranger"})
    other_parent = await school.add_guardian(cast.student_row["id"], "Other Parent")
    own = cast.guardian_row

    async def visible(client: Client) -> list[str]:
        return [row["full_name"] for row in (await client.get("/guardians"))["items"]]

    for client in (school, cast.admin, cast.instructor):
        assert await visible(client) == ["Other Parent", "Own Guardian", "Stranger"]
    assert await visible(cast.student) == ["Other Parent", "Own Guardian"]
    assert await visible(cast.guardian) == ["Own Guardian"]
    assert await links(cast.student, cast.student_row["id"]) == {"Own Guardian": False, "Other Parent": False}
    assert await links(cast.guardian, cast.student_row["id"]) == {"Own Guardian": False}
    for client in cast.learners:
        await client.get(f"/guardians/{own['id']}")
        await client.get(f"/guardians/{stranger['id']}", expect=404)
    await cast.student.get(f"/guardians/{other_parent['id']}")
    await cast.guardian.get(f"/guardians/{other_parent['id']}", expect=404)
    other_student = await school.add_student("Other Student")
    for client in cast.learners:
        await client.get(f"/students/{other_student['id']}/guardians", expect=404)


async def test_a_guardian_not_yet_linked_sees_itself(school: School) -> None:
    lonely = await school.post("/guardians", {"full_name": "Lonely"})
    client = await school.as_role("guardian", guardian_id=lonely["id"])
    assert (await client.get("/guardians"))["items"] == [lonely]
    assert await client.get(f"/guardians/{lonely['id']}") == lonely


async def test_only_staff_change_guardians_and_links(cast: Cast) -> None:
    links_path = f"/students/{cast.student_row['id']}/guardians"
    own = cast.guardian_row["id"]
    for client in cast.outside_office:
        problem = await client.post("/guardians", {"full_name": "New"}, expect=403)
        assert problem["permission"] == "guardians:manage"
        await client.patch(f"/guardians/{own}", {"version": 1, "phone": None}, expect=403)
        await client.delete(f"/guardians/{own}", expect=403)
        await client.post(links_path, {"full_name": "New"}, expect=403)
        await client.patch(f"{links_path}/{own}", {"can_book": True}, expect=403)
        await client.delete(f"{links_path}/{own}", expect=403)
    await cast.admin.patch(f"{links_path}/{own}", {"can_book": False})
    await cast.admin.delete(f"{links_path}/{own}")
    await cast.admin.delete(f"/guardians/{own}")


async def test_another_schools_guardians_and_students_look_missing(
    school: School, other_school: School
) -> None:
    their_student = await other_school.add_student("Theirs")
    theirs = await other_school.add_guardian(their_student["id"], "Theirs")
    ours = await school.add_student("Ours")
    for guardian_id in (theirs["id"], NOBODY):
        await school.get(f"/guardians/{guardian_id}", expect=404)
        await school.patch(f"/guardians/{guardian_id}", {"version": 1}, expect=404)
        await school.delete(f"/guardians/{guardian_id}", expect=404)
        await school.post(f"/students/{ours['id']}/guardians", {"guardian_id": guardian_id}, expect=404)
        await school.patch(f"/students/{ours['id']}/guardians/{guardian_id}", {}, expect=404)
        await school.delete(f"/students/{ours['id']}/guardians/{guardian_id}", expect=404)
    for student_id in (their_student["id"], NOBODY):
        path = f"/students/{student_id}/guardians"
        await school.get(path, expect=404)
        await school.post(path, {"full_name": "Pat"}, expect=404)
        await school.patch(f"{path}/{theirs['id']}", {"can_book": False}, expect=404)
        await school.delete(f"{path}/{theirs['id']}", expect=404)
    assert (await school.get("/guardians"))["items"] == []
    assert await links(other_school, their_student["id"]) == {"Theirs": False}


async def test_of_many_guardians_made_primary_at_once_one_stays_so(school: School) -> None:
    student = await school.add_student()
    path = f"/students/{student['id']}/guardians"
    await asyncio.gather(
        *(school.post(path, {"full_name": f"Guardian {number}", "is_primary": True}) for number in range(6))
    )
    primary = list((await links(school, student["id"])).values())
    assert (len(primary), primary.count(True)) == (6, 1)
