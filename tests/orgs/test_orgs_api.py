"""Schools and their settings through the API, and who the caller is."""

from typing import Any

import httpx
import pytest

from driveflow.core.actor import Role, system_actor
from driveflow.core.db import Database
from driveflow.orgs import api_keys
from support.cast import cast_of, fields_of, trail
from support.schools import Client, School

ORGS = "/api/v1/orgs"


async def test_a_school_starts_with_the_documented_settings(school: School) -> None:
    org = await school.get("")
    assert org["slug"] == org["name"].lower().replace(" ", "-")
    defaults = {
        "abn": None,
        "time_zone": "Australia/Sydney",
        "currency": "AUD",
        "fee_bps": 500,
        "cancellation_tiers": [
            {"hours_before": 24, "fee_percent": 0},
            {"hours_before": 2, "fee_percent": 50},
            {"hours_before": 0, "fee_percent": 100},
        ],
        "hold_minutes": 30,
        "buffer_minutes": 0,
        "min_notice_minutes": 60,
        "horizon_days": 90,
        "slot_step_minutes": 15,
        "email": None,
        "phone": None,
        "address": None,
        "locale": "en_AU",
        "confirm_on_payment": True,
        "payment_minutes": 30,
        "payout_hold_minutes": 72 * 60,
        "tax_registered": False,
        "tax_name": "GST",
        "tax_bps": 1000,
        "reminder_minutes": [1440, 120],
        "quiet_from_minute": 21 * 60,
        "quiet_to_minute": 8 * 60,
        "version": 1,
    }
    assert {name: org[name] for name in defaults} == defaults
    assert await school.get(ORGS) == [org]


async def test_every_setting_can_be_changed_and_the_change_is_audited(school: School) -> None:
    before = await school.get("")
    settings = {
        "name": "Renamed School",
        "slug": f"renamed-{school.org_id.hex[-8:]}",
        "abn": "51824753556",
        "time_zone": "Australia/Brisbane",
        "currency": "NZD",
        "fee_bps": 750,
        "cancellation_tiers": [
            {"hours_before": 48, "fee_percent": 10},
            {"hours_before": 0, "fee_percent": 90},
        ],
        "hold_minutes": 45,
        "buffer_minutes": 10,
        "min_notice_minutes": 0,
        "horizon_days": 365,
        "slot_step_minutes": 30,
        "email": "desk@school.example",
        "phone": "+6493034000",
        "address": "1 Queen Street, Auckland 1010",
        "locale": "en_NZ",
        "confirm_on_payment": False,
        "payment_minutes": 60,
        "payout_hold_minutes": 0,
        "tax_registered": True,
        "tax_name": "Sales tax",
        "tax_bps": 1500,
        "reminder_minutes": [2880, 60],
        "quiet_from_minute": 20 * 60,
        "quiet_to_minute": 9 * 60,
    }
    after = await school.patch("", {"version": 1, **settings})
    assert after == before | settings | {"version": 2}
    assert await school.get("") == after
    action, old, new = (await trail(school, "Org", str(school.org_id)))[-1]
    assert (action, new) == ("ORG_UPDATED", settings)
    assert old == {name: before[name] for name in settings}


async def test_a_change_of_nothing_or_of_an_old_version_changes_nothing(school: School) -> None:
    assert (await school.patch("", {"version": 1, "fee_bps": 500}))["version"] == 1
    await school.patch("", {"version": 1, "fee_bps": 0})
    problem = await school.patch("", {"version": 1, "fee_bps": 100}, expect=409)
    assert (problem["code"], problem["current_version"]) == ("stale_version", 2)
    assert (await school.get(""))["fee_bps"] == 0


async def test_an_abn_is_kept_as_its_digits_and_can_be_cleared(school: School) -> None:
    assert (await school.patch("", {"version": 1, "abn": "51 824 753 556"}))["abn"] == "51824753556"
    assert (await school.patch("", {"version": 2, "abn": None}))["abn"] is None


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"name": " "}, "name"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": "a" * 61}, "slug"),
        ({"abn": "51 824 753 557"}, "abn"),
        ({"abn": "12345"}, "abn"),
        ({"currency": "AU"}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"fee_bps": 10_001}, "fee_bps"),
        ({"hold_minutes": 0}, "hold_minutes"),
        ({"buffer_minutes": 481}, "buffer_minutes"),
        ({"min_notice_minutes": -1}, "min_notice_minutes"),
        ({"horizon_days": 0}, "horizon_days"),
        ({"slot_step_minutes": 4}, "slot_step_minutes"),
        ({"email": "nobody"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"locale": "xx_YY"}, "locale"),
        ({"payment_minutes": 29}, "payment_minutes"),
        ({"payout_hold_minutes": -1}, "payout_hold_minutes"),
        ({"tax_bps": 10_001}, "tax_bps"),
        ({"reminder_minutes": [1]}, "reminder_minutes.0"),
        ({"quiet_from_minute": 1440}, "quiet_from_minute"),
        ({"cancellation_tiers": []}, "cancellation_tiers"),
        (
            {"cancellation_tiers": [{"hours_before": 24, "fee_percent": 0}]},
            "cancellation_tiers.0.hours_before",
        ),
        (
            {"cancellation_tiers": [{"hours_before": 0, "fee_percent": 101}]},
            "cancellation_tiers.0.fee_percent",
        ),
        ({"cancellation_tiers": [{"hours_before": 0}]}, "cancellation_tiers.0.fee_percent"),
        (
            {
                "cancellation_tiers": [
                    {"hours_before": 24, "fee_percent": 50},
                    {"hours_before": 0, "fee_percent": 40},
                ]
            },
            "cancellation_tiers.1.fee_percent",
        ),
        ({"id": "01990000-0000-7000-8000-000000000000"}, "id"),
    ],
)
async def test_a_wrong_setting_is_named(school: School, settings: dict[str, Any], wrong: str) -> None:
    assert fields_of(await school.patch("", {"version": 1, **settings}, expect=422)) == {wrong}
    body = {"name": "Second School", **settings}
    assert fields_of(await school.post(ORGS, body, expect=422)) == {wrong}


@pytest.mark.parametrize("name", ["Sydney", "AEST+10", "australia/sydney", "localtime", "../etc/passwd", ""])
async def test_a_time_zone_is_an_iana_name(school: School, name: str) -> None:
    problem = await school.patch("", {"version": 1, "time_zone": name}, expect=422)
    assert problem["code"] == "unknown_time_zone"
    assert problem["errors"][0]["field"] == "time_zone"


async def test_a_change_says_on_which_version_it_is_based(school: School) -> None:
    assert fields_of(await school.patch("", {"name": "New"}, expect=422)) == {"version"}


async def test_an_owner_opens_a_second_school_that_is_a_world_of_its_own(school: School) -> None:
    await school.add_student("Ours")
    made = await school.post(
        ORGS, {"name": "Second School", "time_zone": "Pacific/Auckland", "currency": "nzd"}
    )
    assert (made["time_zone"], made["currency"], made["version"]) == ("Pacific/Auckland", "NZD", 1)
    owner = Client(school.http, made["id"], made["api_key"])
    org = await owner.get("")
    assert org == {name: value for name, value in made.items() if name != "api_key"}
    assert (await owner.get("/students"))["items"] == []
    [member] = await owner.get("/members")
    assert (member["user_id"], member["role"]) == (str(school.owner_user_id), "owner")
    assert [row[0] for row in await trail(owner, "Org", made["id"])] == ["ORG_CREATED"]
    me = await owner.get("/api/v1/me")
    assert {row["org_id"] for row in me["memberships"]} == {made["id"], str(school.org_id)}
    await owner.get(f"/api/v1/orgs/{school.org_id}", expect=404)
    await school.get(f"/api/v1/orgs/{made['id']}", expect=404)


async def test_a_repeated_opening_with_one_key_opens_one_school(school: School) -> None:
    headers = {"Idempotency-Key": "open-once"}
    body = {"name": "Second School"}
    first = await school.request("POST", ORGS, json=body, headers=headers, expect=201)
    again = await school.request("POST", ORGS, json=body, headers=headers, expect=201)
    assert again.json() == {**first.json(), "api_key": None}
    assert again.headers["Idempotency-Replayed"] == "true"
    me = await school.get("/api/v1/me")
    assert len(me["memberships"]) == 2


async def test_a_slug_is_made_of_the_name_and_numbered_when_taken(school: School) -> None:
    name = f"École {school.org_id.hex[-8:]}"
    slugs = [(await school.post(ORGS, {"name": name}))["slug"] for _ in range(3)]
    base = f"ecole-{school.org_id.hex[-8:]}"
    assert slugs == [base, f"{base}-2", f"{base}-3"]


async def test_a_long_name_leaves_room_for_a_number_in_its_slug(school: School) -> None:
    name = school.org_id.hex[-8:] + "x" * 100
    slugs = [(await school.post(ORGS, {"name": name}))["slug"] for _ in range(2)]
    assert slugs == [name[:50], f"{name[:50]}-2"]
    assert (await school.post(ORGS, {"name": "!!!"}))["slug"].startswith("school")


async def test_a_chosen_slug_that_is_taken_is_refused(school: School, other_school: School) -> None:
    taken = (await other_school.get(""))["slug"]
    problem = await school.post(ORGS, {"name": "Second", "slug": taken}, expect=409)
    assert problem["code"] == "slug_taken"
    assert (await school.patch("", {"version": 1, "slug": taken}, expect=409))["code"] == "slug_taken"


async def test_only_a_person_who_is_owner_opens_schools(school: School, database: Database) -> None:
    cast = await cast_of(school)
    for client in (cast.admin, *cast.outside_office):
        problem = await client.post(ORGS, {"name": "Mine"}, expect=403)
        assert problem["permission"] == "org:create"
    async with database.session(school.org_id) as session:
        key = await api_keys.create_key(
            session, system_actor(school.org_id), name="robot", role=Role.OWNER, now=school.clock()
        )
    robot = Client(school.http, school.org_id, key.secret)
    assert "person" in (await robot.post(ORGS, {"name": "Mine"}, expect=403))["detail"]


async def test_everybody_reads_the_school_and_staff_change_it(school: School) -> None:
    cast = await cast_of(school)
    org = await school.get("")
    for client in (cast.admin, *cast.outside_office):
        assert await client.get("") == org
        assert await client.get(ORGS) == [org]
    for client in cast.outside_office:
        problem = await client.patch("", {"version": 1, "fee_bps": 0}, expect=403)
        assert problem["permission"] == "org:update"
    await cast.admin.patch("", {"version": 1, "fee_bps": 0})


async def test_another_school_looks_missing_whatever_is_asked_of_it(
    school: School, other_school: School
) -> None:
    nowhere = "01990000-0000-7000-8000-000000000000"
    answers = [
        await school.get(f"{ORGS}/{org_id}{below}", expect=404)
        for org_id in (other_school.org_id, nowhere, "not-an-id")
        for below in ("", "/members", "/students", "/api-keys")
    ]
    assert {answer["detail"] for answer in answers} == {answers[0]["detail"]}
    await school.patch(f"{ORGS}/{other_school.org_id}", {"version": 1, "fee_bps": 0}, expect=404)
    assert (await other_school.get(""))["fee_bps"] == 500


async def test_me_tells_each_role_who_it_is(school: School) -> None:
    cast = await cast_of(school)
    me = await school.get("/api/v1/me")
    org = await school.get("")
    assert me == {
        "user_id": str(school.owner_user_id),
        "role": "owner",
        "org_id": str(school.org_id),
        "instructor_id": None,
        "student_ids": [],
        "memberships": [
            {"org_id": org["id"], "org_name": org["name"], "org_slug": org["slug"], "role": "owner"}
        ],
    }
    instructor = await cast.instructor.get("/api/v1/me")
    assert (instructor["role"], instructor["instructor_id"]) == ("instructor", cast.instructor_row["id"])
    assert (instructor["user_id"], instructor["memberships"]) == (None, [])
    for client, role in ((cast.student, "student"), (cast.guardian, "guardian")):
        learner = await client.get("/api/v1/me")
        assert (learner["role"], learner["student_ids"]) == (role, [cast.student_row["id"]])


async def test_without_a_key_nobody_is_anybody(http: httpx.AsyncClient, school: School) -> None:
    for path in ("/api/v1/me", ORGS, f"{ORGS}/{school.org_id}"):
        answer = await http.get(path)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
