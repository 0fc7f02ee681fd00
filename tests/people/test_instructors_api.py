"""Instructors through the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.cast import Cast, cast_of, fields_of, trail
from support.schools import School

NOBODY = "/instructors/01990000-0000-7000-8000-000000000000"


@pytest.fixture
async def cast(school: School) -> Cast:
    return await cast_of(school)


async def test_a_new_instructor_comes_back_as_saved_and_leaves_an_audit_row(school: School) -> None:
    made = await school.post(
        "/instructors",
        {"display_name": "  Casey Instructor ", "phone": "0400 000 001", "license_id": "L-1", "fee_bps": 300},
    )
    assert made["display_name"] == "Casey Instructor"
    assert made["phone"] == "+61400000001"
    assert (made["license_id"], made["fee_bps"], made["active"], made["version"]) == ("L-1", 300, True, 1)
    assert made["created_at"] == "2026-08-03T00:00:00Z"
    assert await school.get(f"/instructors/{made['id']}") == made
    [(action, before, after)] = await trail(school, "Instructor", made["id"])
    assert (action, before) == ("INSTRUCTOR_CREATED", None)
    assert after["phone"] == "+61400000001"


async def test_the_list_is_by_name_and_can_be_narrowed_to_active_ones(school: School) -> None:
    for name, active in (("Bea", True), ("Ann", False), ("Cid", True)):
        await school.add_instructor(name, hours=None, active=active)

    async def names(**params: bool) -> list[str]:
        return [row["display_name"] for row in (await school.get("/instructors", params=params))["items"]]

    assert await names() == ["Ann", "Bea", "Cid"]
    assert await names(active=True) == ["Bea", "Cid"]
    assert await names(active=False) == ["Ann"]


async def test_pages_follow_each_other_without_gap_or_repeat(school: School) -> None:
    # Equal names too: the id decides between them.
    for name in ("Twin", "Twin", "Twin", "Zoe", "Ada"):
        await school.add_instructor(name, hours=None)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await school.get("/instructors", params=params)
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    everybody = [row["id"] for row in (await school.get("/instructors"))["items"]]
    assert seen == everybody
    assert len(set(seen)) == 5


@pytest.mark.parametrize("cursor", ["x", "!!!", "W10", "WyJcdWQ4MDAiLCAiYSJd", "WyJcdTAwMDAiLCAiYSJd"])
async def test_a_made_up_cursor_is_refused_by_name(school: School, cursor: str) -> None:
    assert fields_of(await school.get(f"/instructors?cursor={cursor}", expect=422)) == {"cursor"}


async def test_a_change_needs_the_latest_version_and_is_audited_with_before_and_after(school: School) -> None:
    made = await school.add_instructor("Casey", hours=None, phone="0400 000 001")
    path = f"/instructors/{made['id']}"
    changed = await school.patch(
        path, {"version": 1, "active": False, "phone": None, "display_name": "Casey", "fee_bps": 0}
    )
    assert (changed["active"], changed["phone"], changed["fee_bps"], changed["version"]) == (
        False,
        None,
        0,
        2,
    )
    problem = await school.patch(path, {"version": 1, "active": True}, expect=409)
    assert (problem["code"], problem["current_version"]) == ("stale_version", 2)
    action, before, after = (await trail(school, "Instructor", made["id"]))[-1]
    assert action == "INSTRUCTOR_UPDATED"
    assert before == {"active": True, "phone": "+61400000001", "fee_bps": None}
    assert after == {"active": False, "phone": None, "fee_bps": 0}


async def test_a_change_that_changes_nothing_leaves_no_trace(school: School) -> None:
    made = await school.add_instructor("Casey", hours=None)
    same = await school.patch(f"/instructors/{made['id']}", {"version": 1, "display_name": "Casey"})
    assert same == made
    assert len(await trail(school, "Instructor", made["id"])) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "display_name"),
        ({"display_name": "   "}, "display_name"),
        ({"display_name": "x" * 201}, "display_name"),
        ({"display_name": "a\u0000b"}, "display_name"),
        ({"display_name": "Casey", "phone": "12"}, "phone"),
        ({"display_name": "Casey", "phone": "+999 1"}, "phone"),
        ({"display_name": "Casey", "fee_bps": 10_001}, "fee_bps"),
        ({"display_name": "Casey", "fee_bps": -1}, "fee_bps"),
        ({"display_name": "Casey", "active": "perhaps"}, "active"),
        ({"display_name": "Casey", "stripe_account_id": "acct_1"}, "stripe_account_id"),
    ],
)
async def test_a_wrong_field_of_a_new_instructor_is_named(
    school: School, body: dict[str, Any], field: str
) -> None:
    assert fields_of(await school.post("/instructors", body, expect=422)) == {field}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"display_name": None}, "display_name"),
        ({"active": None}, "active"),
        ({"phone": "not a number"}, "phone"),
        ({"version": 0}, "version"),
        ({"kyc_status": "verified"}, "kyc_status"),
    ],
)
async def test_a_wrong_field_of_a_change_is_named(school: School, change: dict[str, Any], field: str) -> None:
    made = await school.add_instructor(hours=None)
    problem = await school.patch(f"/instructors/{made['id']}", {"version": 1, **change}, expect=422)
    assert fields_of(problem) == {field}
    problem = await school.patch(f"/instructors/{made['id']}", {"active": True}, expect=422)
    assert fields_of(problem) == {"version"}


async def test_a_phone_number_is_read_as_of_the_schools_country(school: School) -> None:
    version = (await school.get(""))["version"]
    await school.patch("", {"version": version, "currency": "NZD"})
    made = await school.add_instructor("Kiri", hours=None, phone="021 123 4567")
    assert made["phone"] == "+64211234567"
    made = await school.add_instructor("Omar", hours=None, phone="+44 7400 123456")
    assert made["phone"] == "+447400123456"


async def test_an_unused_instructor_can_be_deleted_with_hours_and_keys(school: School) -> None:
    made = await school.add_instructor("Casey")
    key = await school.as_role("instructor", instructor_id=made["id"])
    await school.put(f"/instructors/{made['id']}/exceptions/2026-08-10", {"is_available": False})
    await school.delete(f"/instructors/{made['id']}")
    await school.get(f"/instructors/{made['id']}", expect=404)
    await school.delete(f"/instructors/{made['id']}", expect=404)
    await key.get("/instructors", expect=401)
    action, before, after = (await trail(school, "Instructor", made["id"]))[-1]
    assert (action, before["display_name"], after) == ("INSTRUCTOR_DELETED", "Casey", None)


async def test_an_instructor_with_bookings_cannot_be_deleted_but_deactivated(school: School) -> None:
    ready = await school.ready()
    await school.book(ready, datetime(2026, 8, 5, 0, 0, tzinfo=UTC))
    path = f"/instructors/{ready.instructor['id']}"
    problem = await school.request("DELETE", path, expect=409)
    assert problem.json()["code"] == "in_use"
    assert "deactivate" in problem.json()["detail"]
    await school.patch(path, {"version": 1, "active": False})


async def test_everybody_reads_instructors_but_only_staff_and_oneself_see_licence_and_pay(
    school: School, cast: Cast
) -> None:
    mine = await school.patch(
        f"/instructors/{cast.instructor_row['id']}", {"version": 1, "license_id": "L-7", "fee_bps": 250}
    )
    colleague = await school.add_instructor("Colleague", hours=None, license_id="L-8", fee_bps=100)
    path = f"/instructors/{mine['id']}"
    assert await cast.admin.get(path) == mine
    assert await cast.instructor.get(path) == mine
    hidden = {"license_id": None, "fee_bps": None, "kyc_status": None}
    for client in cast.learners:
        assert await client.get(path) == mine | hidden
        assert (await client.get("/instructors"))["items"] == [colleague | hidden, mine | hidden]
    assert await cast.instructor.get(f"/instructors/{colleague['id']}") == colleague | hidden


async def test_only_staff_add_change_and_delete_instructors(cast: Cast) -> None:
    path = f"/instructors/{cast.instructor_row['id']}"
    for client in cast.outside_office:
        problem = await client.post("/instructors", {"display_name": "New"}, expect=403)
        assert (problem["code"], problem["permission"]) == ("forbidden", "instructors:manage")
        await client.patch(path, {"version": 1, "active": False}, expect=403)
        await client.delete(path, expect=403)
    made = await cast.admin.post("/instructors", {"display_name": "New"})
    await cast.admin.patch(f"/instructors/{made['id']}", {"version": 1, "active": False})
    await cast.admin.delete(f"/instructors/{made['id']}")


async def test_another_schools_instructor_looks_missing(school: School, other_school: School) -> None:
    theirs = await other_school.add_instructor("Theirs", hours=None)
    for path in (f"/instructors/{theirs['id']}", NOBODY):
        problem = await school.get(path, expect=404)
        assert problem["code"] == "not_found"
        await school.patch(path, {"version": 1, "active": False}, expect=404)
        await school.delete(path, expect=404)
    assert (await school.get("/instructors"))["items"] == []
    await school.get(f"/api/v1/orgs/{other_school.org_id}/instructors", expect=404)
    assert await other_school.get(f"/instructors/{theirs['id']}") == theirs
