"""Students through the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.cast import Cast, cast_of, fields_of, trail
from support.schools import Client, Clock, School

NOBODY = "/students/01990000-0000-7000-8000-000000000000"


@pytest.fixture
async def cast(school: School) -> Cast:
    return await cast_of(school)


async def found(client: Client, query: str | None = None) -> list[str]:
    params = {} if query is None else {"q": query}
    return [row["full_name"] for row in (await client.get("/students", params=params))["items"]]


async def test_a_new_student_comes_back_in_normal_form_and_leaves_an_audit_row(school: School) -> None:
    made = await school.post(
        "/students",
        {
            "full_name": "Alex Student",
            "phone": "(04) 0012 3456",
            "email": "Alex.Student@Example.COM",
            "dob": "2009-02-28",
            "notes": "nervous\non roundabouts",
        },
    )
    assert (made["phone"], made["email"]) == ("+61400123456", "alex.student@example.com")
    assert (made["dob"], made["notes"], made["version"]) == ("2009-02-28", "nervous\non roundabouts", 1)
    assert await school.get(f"/students/{made['id']}") == made
    [(action, before, after)] = await trail(school, "Student", made["id"])
    assert (action, before) == ("STUDENT_CREATED", None)
    assert (after["dob"], after["email"]) == ("2009-02-28", "alex.student@example.com")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("alex", ["Alex Jones", "Alexandra O'Neil"]),
        ("ALEX jones", ["Alex Jones"]),
        ("jones alex", ["Alex Jones"]),
        ("o'neil", ["Alexandra O'Neil"]),
        ("Élo", ["Éloïse Roux"]),
        ("example.org", ["Alexandra O'Neil"]),
        ("0400 111", ["Alex Jones"]),
        ("0400111222", ["Alex Jones"]),
        ("+61 400 111 222", ["Alex Jones"]),
        ("100%", ["Percy 100%"]),
        ("%", ["Percy 100%"]),
        ("_", []),
        ("\\", []),
        ("nobody", []),
        ("  ", ["Alex Jones", "Alexandra O'Neil", "Percy 100%", "Éloïse Roux"]),
    ],
)
async def test_a_search_finds_parts_of_names_addresses_and_numbers(
    school: School, query: str, names: list[str]
) -> None:
    await school.add_student("Alex Jones", phone="0400 111 222")
    await school.add_student("Alexandra O'Neil", email="alexandra@example.org")
    await school.add_student("Éloïse Roux", phone="0400 999 888")
    await school.add_student("Percy 100%")
    assert await found(school, query) == names


async def test_a_search_follows_a_changed_name_and_number(school: School) -> None:
    made = await school.add_student("Alex Jones", phone="0400 111 222", email="old@example.com")
    await school.patch(
        f"/students/{made['id']}",
        {"version": 1, "full_name": "Sam Smith", "phone": "0400 333 444", "email": None},
    )
    for gone in ("alex", "0400 111 222", "old@example.com"):
        assert await found(school, gone) == []
    for new in ("sam", "0400 333 444"):
        assert await found(school, new) == ["Sam Smith"]


async def test_a_search_is_paged_as_the_list_is(school: School) -> None:
    for number in range(5):
        await school.add_student(f"Alex {number}")
    await school.add_student("Bea")
    page = await school.get("/students?q=alex&limit=3")
    assert [row["full_name"] for row in page["items"]] == ["Alex 0", "Alex 1", "Alex 2"]
    rest = await school.get(f"/students?q=alex&limit=3&cursor={page['next_cursor']}")
    assert [row["full_name"] for row in rest["items"]] == ["Alex 3", "Alex 4"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"full_name": ""}, "full_name"),
        ({"email": "no-at-sign"}, "email"),
        ({"email": "two@@example.com"}, "email"),
        ({"email": "x" * 300 + "@example.com"}, "email"),
        ({"phone": "hello"}, "phone"),
        ({"dob": "2026-08-04"}, "dob"),
        ({"dob": "1899-12-31"}, "dob"),
        ({"dob": "2009-02-29"}, "dob"),
        ({"notes": "x" * 5001}, "notes"),
        ({"notes": "bell\u0007"}, "notes"),
        ({"search_text": "x"}, "search_text"),
        ({"user_id": "01990000-0000-7000-8000-000000000000"}, "user_id"),
    ],
)
async def test_a_wrong_field_is_named_for_a_new_and_for_a_changed_student(
    school: School, fields: dict[str, Any], wrong: str
) -> None:
    assert fields_of(await school.post("/students", {"full_name": "Alex", **fields}, expect=422)) == {wrong}
    made = await school.add_student()
    assert fields_of(await school.patch(f"/students/{made['id']}", {"version": 1, **fields}, expect=422)) == {
        wrong
    }
    assert await school.get(f"/students/{made['id']}") == made


async def test_today_counts_as_a_birthday_by_the_schools_calendar(school: School, clock: Clock) -> None:
    clock.now = datetime(2026, 8, 3, 15, 0, tzinfo=UTC)  # already the 4th in Sydney
    made = await school.add_student("Newborn", dob="2026-08-04")
    assert made["dob"] == "2026-08-04"
    await school.post("/students", {"full_name": "Unborn", "dob": "2026-08-05"}, expect=422)


async def test_a_change_needs_the_latest_version_and_is_audited_with_before_and_after(school: School) -> None:
    made = await school.add_student("Alex", dob="2009-01-01")
    path = f"/students/{made['id']}"
    changed = await school.patch(path, {"version": 1, "notes": "L2 licence", "dob": None})
    assert (changed["notes"], changed["dob"], changed["version"]) == ("L2 licence", None, 2)
    problem = await school.patch(path, {"version": 1, "notes": "stale"}, expect=409)
    assert problem["code"] == "stale_version"
    assert (await trail(school, "Student", made["id"]))[-1] == (
        "STUDENT_UPDATED",
        {"dob": "2009-01-01", "notes": None},
        {"dob": None, "notes": "L2 licence"},
    )


async def test_an_unused_student_can_be_deleted(school: School) -> None:
    made = await school.add_student("Alex")
    guardian = await school.add_guardian(made["id"])
    await school.delete(f"/students/{made['id']}")
    await school.get(f"/students/{made['id']}", expect=404)
    assert (await trail(school, "Student", made["id"]))[-1][0] == "STUDENT_DELETED"
    assert (await school.get(f"/guardians/{guardian['id']}"))["full_name"] == "Pat Parent"


async def test_a_student_with_bookings_cannot_be_deleted(school: School) -> None:
    ready = await school.ready()
    await school.book(ready, datetime(2026, 8, 5, 0, 0, tzinfo=UTC))
    answer = await school.request("DELETE", f"/students/{ready.student['id']}", expect=409)
    assert answer.json()["code"] == "in_use"
    await school.get(f"/students/{ready.student['id']}")


async def test_the_team_sees_all_students_and_learners_their_own_only(school: School, cast: Cast) -> None:
    other = await school.add_student("Other Student")
    own = cast.student_row
    for client in (school, cast.admin, cast.instructor):
        assert await found(client) == ["Other Student", "Own Student"]
        await client.get(f"/students/{other['id']}")
    for client in cast.learners:
        assert await found(client) == ["Own Student"]
        assert await found(client, "other") == []
        assert await client.get(f"/students/{own['id']}") == own
        problem = await client.get(f"/students/{other['id']}", expect=404)
        missing = await client.get(NOBODY, expect=404)
        assert problem["detail"] == missing["detail"]


async def test_a_guardian_without_students_sees_none(school: School, cast: Cast) -> None:
    lonely = await school.post("/guardians", {"full_name": "Lonely"})
    client = await school.as_role("guardian", guardian_id=lonely["id"])
    assert await found(client) == []
    await client.get(f"/students/{cast.student_row['id']}", expect=404)


async def test_only_staff_add_change_and_delete_students(cast: Cast) -> None:
    path = f"/students/{cast.student_row['id']}"
    for client in cast.outside_office:
        problem = await client.post("/students", {"full_name": "New"}, expect=403)
        assert problem["permission"] == "students:manage"
        await client.patch(path, {"version": 1, "notes": "x"}, expect=403)
        await client.delete(path, expect=403)
    made = await cast.admin.post("/students", {"full_name": "New"})
    await cast.admin.delete(f"/students/{made['id']}")


async def test_another_schools_student_looks_missing(school: School, other_school: School) -> None:
    theirs = await other_school.add_student("Theirs")
    for path in (f"/students/{theirs['id']}", NOBODY):
        await school.get(path, expect=404)
        await school.patch(path, {"version": 1, "notes": "x"}, expect=404)
        await school.delete(path, expect=404)
    assert await found(school) == []


async def test_a_student_says_how_and_in_which_language_to_hear_from_the_school(school: School) -> None:
    student = await school.add_student()
    assert (student["preferred_channel"], student["locale"]) == ("email", None)
    path = f"/students/{student['id']}"
    changed = await school.patch(path, {"version": 1, "preferred_channel": "sms", "locale": "de-at"})
    assert (changed["preferred_channel"], changed["locale"]) == ("sms", "de_AT")
    problem = await school.patch(path, {"version": 2, "locale": "xx"}, expect=422)
    assert problem["errors"][0]["field"] == "locale"
    await school.patch(path, {"version": 2, "preferred_channel": "pigeon"}, expect=422)
    guardian = await school.add_guardian(student["id"], preferred_channel="whatsapp", locale="en_NZ")
    assert (guardian["preferred_channel"], guardian["locale"], guardian["notify"]) == (
        "whatsapp",
        "en_NZ",
        True,
    )
