"""Services, rate cards and prices through the API."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from support.cast import cast_of, fields_of, trail
from support.schools import School

NOBODY = "01990000-0000-7000-8000-000000000000"


async def test_a_service_is_kept_and_changed_with_an_audit_row_each(school: School) -> None:
    made = await school.post("/services", {"name": " Lesson ", "duration_min": 60, "description": "car"})
    path = f"/services/{made['id']}"
    assert (made["name"], made["duration_min"], made["active"], made["version"]) == ("Lesson", 60, True, 1)
    assert await school.get(path) == made
    changed = await school.patch(path, {"version": 1, "duration_min": 90, "description": None})
    assert (changed["duration_min"], changed["description"], changed["version"]) == (90, None, 2)
    assert (await school.patch(path, {"version": 1, "active": False}, expect=409))["code"] == "stale_version"
    assert await school.patch(path, {"version": 2, "name": "Lesson"}) == changed
    assert await trail(school, "Service", made["id"]) == [
        (
            "SERVICE_CREATED",
            None,
            {"name": "Lesson", "duration_min": 60, "description": "car", "active": True},
        ),
        (
            "SERVICE_UPDATED",
            {"duration_min": 60, "description": "car"},
            {"duration_min": 90, "description": None},
        ),
    ]


async def test_services_are_listed_by_name_and_narrowed_to_active_ones(school: School) -> None:
    for name, active in (("B", True), ("A", False), ("C", True)):
        await school.post("/services", {"name": name, "duration_min": 60, "active": active})

    async def names(query: str = "") -> list[str]:
        return [row["name"] for row in (await school.get(f"/services{query}"))["items"]]

    assert await names() == ["A", "B", "C"]
    assert await names("?active=true") == ["B", "C"]
    assert await names("?active=false") == ["A"]
    page = await school.get("/services?limit=2")
    assert [r["name"] for r in (await school.get(f"/services?cursor={page['next_cursor']}"))["items"]] == [
        "C"
    ]


async def test_a_name_is_taken_once_in_a_school(school: School, other_school: School) -> None:
    await school.post("/services", {"name": "Lesson", "duration_min": 60})
    second = await school.post("/services", {"name": "Test drive", "duration_min": 60})
    problem = await school.post("/services", {"name": "Lesson", "duration_min": 45}, expect=409)
    assert problem["code"] == "name_taken"
    problem = await school.patch(f"/services/{second['id']}", {"version": 1, "name": "Lesson"}, expect=409)
    assert problem["code"] == "name_taken"
    await other_school.post("/services", {"name": "Lesson", "duration_min": 60})


@pytest.mark.parametrize("duration_min", [5, 720])
async def test_the_shortest_and_the_longest_service_are_possible(school: School, duration_min: int) -> None:
    await school.post("/services", {"name": "Lesson", "duration_min": duration_min})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"duration_min": 4}, "duration_min"),
        ({"duration_min": 721}, "duration_min"),
        ({"duration_min": 60.5}, "duration_min"),
        ({"duration_min": None}, "duration_min"),
        ({"active": None}, "active"),
        ({"description": "x" * 5001}, "description"),
        ({"price_cents": 1}, "price_cents"),
    ],
)
async def test_a_wrong_field_of_a_service_is_named(
    school: School, fields: dict[str, Any], wrong: str
) -> None:
    body = {"name": "Lesson", "duration_min": 60, **fields}
    assert fields_of(await school.post("/services", body, expect=422)) == {wrong}
    made = await school.post("/services", {"name": "Lesson", "duration_min": 60})
    problem = await school.patch(f"/services/{made['id']}", {"version": 1, **fields}, expect=422)
    assert fields_of(problem) == {wrong}


async def test_a_service_that_was_booked_cannot_be_deleted(school: School) -> None:
    ready = await school.ready()
    await school.book(ready, datetime(2026, 8, 5, 0, 0, tzinfo=UTC))
    answer = await school.request("DELETE", f"/services/{ready.service['id']}", expect=409)
    assert answer.json()["code"] == "in_use"
    assert "deactivate" in answer.json()["detail"]


async def test_a_service_that_was_never_booked_goes_with_its_prices(school: School) -> None:
    service = await school.add_service()
    await school.delete(f"/services/{service['id']}")
    await school.get(f"/services/{service['id']}", expect=404)
    assert (await school.get("/rate-cards"))["items"][0]["items"] == []
    assert (await trail(school, "Service", service["id"]))[-1][0] == "SERVICE_DELETED"


async def test_a_rate_card_has_the_schools_currency_unless_it_names_another(school: School) -> None:
    await school.patch("", {"version": 1, "currency": "NZD"})
    made = await school.post("/rate-cards", {"name": "Standard"})
    assert made == {
        "id": made["id"],
        "name": "Standard",
        "currency": "NZD",
        "is_default": False,
        "valid_from": None,
        "valid_to": None,
        "items": [],
        "version": 1,
        "created_at": "2026-08-03T00:00:00Z",
    }
    assert (await school.post("/rate-cards", {"name": "Abroad", "currency": "usd"}))["currency"] == "USD"
    assert (await trail(school, "RateCard", made["id"]))[0][2]["currency"] == "NZD"


async def test_a_rate_card_is_changed_with_its_version_and_audited(school: School) -> None:
    made = await school.post("/rate-cards", {"name": "2026", "valid_from": "2026-01-01"})
    path = f"/rate-cards/{made['id']}"
    changed = await school.patch(path, {"version": 1, "valid_to": "2026-12-31", "currency": "usd"})
    assert (changed["valid_to"], changed["currency"], changed["version"]) == ("2026-12-31", "USD", 2)
    assert await school.get(path) == changed
    assert (await school.patch(path, {"version": 1}, expect=409))["code"] == "stale_version"
    assert await school.patch(path, {"version": 2}) == changed
    assert (await trail(school, "RateCard", made["id"]))[-1] == (
        "RATE_CARD_UPDATED",
        {"valid_to": None, "currency": "AUD"},
        {"valid_to": "2026-12-31", "currency": "USD"},
    )
    await school.delete(path)
    await school.get(path, expect=404)
    assert (await trail(school, "RateCard", made["id"]))[-1][0] == "RATE_CARD_DELETED"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": " "}, "name"),
        ({"currency": "DEM"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"currency": "A$"}, "currency"),
        ({"currency": "DOLLARS"}, "currency"),
        ({"is_default": None}, "is_default"),
        ({"valid_from": "2026-08-02", "valid_to": "2026-08-01"}, "valid_to"),
        ({"valid_from": "soon"}, "valid_from"),
        ({"items": []}, "items"),
    ],
)
async def test_a_wrong_field_of_a_rate_card_is_named(
    school: School, fields: dict[str, Any], wrong: str
) -> None:
    body = {"name": "Standard", **fields}
    assert fields_of(await school.post("/rate-cards", body, expect=422)) == {wrong}
    made = await school.post("/rate-cards", {"name": "Standard"})
    problem = await school.patch(f"/rate-cards/{made['id']}", {"version": 1, **fields}, expect=422)
    assert fields_of(problem) == {wrong}


async def test_validity_is_checked_against_the_end_that_is_not_changed(school: School) -> None:
    made = await school.post("/rate-cards", {"name": "2026", "valid_from": "2026-01-01"})
    path = f"/rate-cards/{made['id']}"
    problem = await school.patch(path, {"version": 1, "valid_to": "2025-12-31"}, expect=422)
    assert fields_of(problem) == {"valid_to"}
    await school.patch(path, {"version": 1, "valid_to": "2026-01-01"})


async def test_two_default_cards_never_share_a_day(school: School) -> None:
    year = {"valid_from": "2026-01-01", "valid_to": "2026-12-31"}
    first = await school.post("/rate-cards", {"name": "2026", "is_default": True, **year})
    for name, days in (
        ("same", year),
        ("last day", {"valid_from": "2026-12-31"}),
        ("first day", {"valid_to": "2026-01-01"}),
        ("always", {}),
    ):
        problem = await school.post("/rate-cards", {"name": name, "is_default": True, **days}, expect=409)
        assert (problem["code"], problem["rate_card_id"]) == ("overlapping_default", first["id"])
        assert "'2026'" in problem["detail"]
    await school.post("/rate-cards", {"name": "not default", "is_default": False, **year})
    await school.post("/rate-cards", {"name": "before", "is_default": True, "valid_to": "2025-12-31"})
    after = await school.post(
        "/rate-cards", {"name": "after", "is_default": True, "valid_from": "2027-01-01"}
    )
    problem = await school.patch(
        f"/rate-cards/{after['id']}", {"version": 1, "valid_from": "2026-06-01"}, expect=409
    )
    assert problem["code"] == "overlapping_default"
    await school.patch(f"/rate-cards/{first['id']}", {"version": 1, "is_default": False})
    await school.patch(f"/rate-cards/{after['id']}", {"version": 1, "valid_from": "2026-06-01"})
    problem = await school.patch(f"/rate-cards/{first['id']}", {"version": 2, "is_default": True}, expect=409)
    assert problem["rate_card_id"] == after["id"]


async def test_of_many_default_cards_made_at_once_one_is_kept(school: School) -> None:
    answers = await asyncio.gather(
        *(
            school.request("POST", "/rate-cards", json={"name": f"Card {number}", "is_default": True})
            for number in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {
        "overlapping_default"
    }


async def test_a_card_name_is_taken_once_in_a_school(school: School, other_school: School) -> None:
    await school.post("/rate-cards", {"name": "Standard"})
    second = await school.post("/rate-cards", {"name": "Weekend"})
    assert (await school.post("/rate-cards", {"name": "Standard"}, expect=409))["code"] == "name_taken"
    problem = await school.patch(
        f"/rate-cards/{second['id']}", {"version": 1, "name": "Standard"}, expect=409
    )
    assert problem["code"] == "name_taken"
    await other_school.post("/rate-cards", {"name": "Standard"})


async def test_a_price_is_set_changed_and_removed_with_an_audit_row_each(school: School) -> None:
    card = await school.post("/rate-cards", {"name": "Standard"})
    service = await school.add_service(price_cents=None)
    path = f"/rate-cards/{card['id']}/items/{service['id']}"
    assert await school.put(path, {"price_cents": 9500}) == {
        "service_id": service["id"],
        "price_cents": 9500,
    }
    await school.put(path, {"price_cents": 9500})
    await school.put(path, {"price_cents": 0})
    [listed] = (await school.get("/rate-cards"))["items"]
    assert listed["items"] == [{"service_id": service["id"], "price_cents": 0}]
    assert await school.get(f"/rate-cards/{card['id']}") == listed
    await school.delete(path)
    await school.delete(path, expect=404)
    assert (await school.get(f"/rate-cards/{card['id']}"))["items"] == []
    priced, free = ({"service_id": service["id"], "price_cents": cents} for cents in (9500, 0))
    assert (await trail(school, "RateCard", card["id"]))[1:] == [
        ("RATE_CARD_ITEM_SET", None, priced),
        ("RATE_CARD_ITEM_SET", priced, free),
        ("RATE_CARD_ITEM_REMOVED", free, None),
    ]


@pytest.mark.parametrize("price_cents", [-1, 100_000_001, 95.5, None, "many"])
async def test_a_price_is_a_whole_number_of_cents(school: School, price_cents: object) -> None:
    service = await school.add_service()
    [card] = (await school.get("/rate-cards"))["items"]
    problem = await school.put(
        f"/rate-cards/{card['id']}/items/{service['id']}", {"price_cents": price_cents}, expect=422
    )
    assert fields_of(problem) == {"price_cents"}


async def test_everybody_reads_the_catalog_and_only_staff_change_it(school: School) -> None:
    cast = await cast_of(school)
    service = await school.add_service()
    [card] = (await school.get("/rate-cards"))["items"]
    item = f"/rate-cards/{card['id']}/items/{service['id']}"
    for client in cast.outside_office:
        assert (await client.get("/services"))["items"] == [service]
        assert (await client.get("/rate-cards"))["items"] == [card]
        await client.get(f"/services/{service['id']}")
        await client.get(f"/rate-cards/{card['id']}")
        problem = await client.post("/services", {"name": "New", "duration_min": 60}, expect=403)
        assert problem["permission"] == "catalog:manage"
        await client.patch(f"/services/{service['id']}", {"version": 1}, expect=403)
        await client.delete(f"/services/{service['id']}", expect=403)
        await client.post("/rate-cards", {"name": "New"}, expect=403)
        await client.patch(f"/rate-cards/{card['id']}", {"version": 1}, expect=403)
        await client.delete(f"/rate-cards/{card['id']}", expect=403)
        await client.put(item, {"price_cents": 1}, expect=403)
        await client.delete(item, expect=403)
    await cast.admin.put(item, {"price_cents": 1})
    await cast.admin.delete(f"/services/{service['id']}")
    await cast.admin.delete(f"/rate-cards/{card['id']}")


async def test_another_schools_catalog_looks_missing(school: School, other_school: School) -> None:
    their_service = await other_school.add_service()
    [their_card] = (await other_school.get("/rate-cards"))["items"]
    our_service = await school.add_service()
    [our_card] = (await school.get("/rate-cards"))["items"]
    for service_id in (their_service["id"], NOBODY):
        await school.get(f"/services/{service_id}", expect=404)
        await school.patch(f"/services/{service_id}", {"version": 1}, expect=404)
        await school.delete(f"/services/{service_id}", expect=404)
        item = f"/rate-cards/{our_card['id']}/items/{service_id}"
        await school.put(item, {"price_cents": 1}, expect=404)
        await school.delete(item, expect=404)
    for card_id in (their_card["id"], NOBODY):
        await school.get(f"/rate-cards/{card_id}", expect=404)
        await school.patch(f"/rate-cards/{card_id}", {"version": 1}, expect=404)
        await school.delete(f"/rate-cards/{card_id}", expect=404)
        item = f"/rate-cards/{card_id}/items/{our_service['id']}"
        await school.put(item, {"price_cents": 1}, expect=404)
        await school.delete(item, expect=404)
