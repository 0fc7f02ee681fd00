"""Quotes through the API: the price that a booking would snapshot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.cast import cast_of, fields_of
from support.schools import Ready, School

NOBODY = "01990000-0000-7000-8000-000000000000"
WEDNESDAY_10 = datetime(2026, 8, 5, 0, 0, tzinfo=UTC)


@pytest.fixture
async def ready(school: School) -> Ready:
    return await school.ready()


def asking(ready: Ready, at: str = "2026-08-05T00:00:00Z", **more: object) -> dict[str, Any]:
    """Return the query of a quote."""
    return {"service_id": ready.service["id"], "instructor_id": ready.instructor["id"], "at": at, **more}


async def test_a_quote_names_the_card_and_equals_what_a_booking_snapshots(
    school: School, ready: Ready
) -> None:
    [card] = (await school.get("/rate-cards"))["items"]
    quote = await school.get("/quote", params=asking(ready))
    assert quote == {
        "service_id": ready.service["id"],
        "instructor_id": ready.instructor["id"],
        "local_day": "2026-08-05",
        "duration_min": 60,
        "price_cents": 9500,
        "currency": "AUD",
        "rate_card_id": card["id"],
        "rate_card_name": "Default",
        "platform_fee_cents": 475,
        "instructor_share_cents": 9025,
        "fee_bps": 500,
    }
    booking = await school.book(ready, WEDNESDAY_10)
    for field in ("price_cents", "currency", "platform_fee_cents", "instructor_share_cents"):
        assert booking[field] == quote[field]


@pytest.mark.parametrize(("fee_bps", "fee_cents"), [(0, 0), (1250, 1188), (10_000, 9500)])
async def test_an_instructors_own_fee_goes_before_the_schools(
    school: School, ready: Ready, fee_bps: int, fee_cents: int
) -> None:
    await school.patch(f"/instructors/{ready.instructor['id']}", {"version": 1, "fee_bps": fee_bps})
    quote = await school.get("/quote", params=asking(ready))
    assert (quote["fee_bps"], quote["platform_fee_cents"]) == (fee_bps, fee_cents)
    assert quote["instructor_share_cents"] == 9500 - fee_cents


async def test_the_card_is_chosen_by_the_schools_local_day(school: School) -> None:
    ready = Ready(await school.add_instructor(), {}, await school.add_service(price_cents=None))
    for name, cents, days in (
        ("winter", 9000, {"valid_to": "2026-08-31"}),
        ("spring", 9900, {"valid_from": "2026-09-01"}),
    ):
        card = await school.post("/rate-cards", {"name": name, "is_default": True, **days})
        await school.put(f"/rate-cards/{card['id']}/items/{ready.service['id']}", {"price_cents": cents})
    # Midnight in Sydney is 14:00 UTC of the day before.
    before = await school.get("/quote", params=asking(ready, "2026-08-31T13:59:59Z"))
    assert (before["rate_card_name"], before["price_cents"], before["local_day"]) == (
        "winter",
        9000,
        "2026-08-31",
    )
    after = await school.get("/quote", params=asking(ready, "2026-08-31T14:00:00Z"))
    assert (after["rate_card_name"], after["price_cents"], after["local_day"]) == (
        "spring",
        9900,
        "2026-09-01",
    )
    same = await school.get("/quote", params=asking(ready, "2026-09-01T00:00:00+10:00"))
    assert same == after


async def test_without_a_default_card_or_without_an_item_there_is_no_price(school: School) -> None:
    ready = Ready(await school.add_instructor(), {}, await school.add_service(price_cents=None))
    special = await school.post("/rate-cards", {"name": "Special"})
    await school.put(f"/rate-cards/{special['id']}/items/{ready.service['id']}", {"price_cents": 1})
    problem = await school.get("/quote", params=asking(ready), expect=409)
    assert problem["code"] == "no_price"
    assert "2026-08-05" in problem["detail"]
    await school.post("/rate-cards", {"name": "Standard", "is_default": True})
    problem = await school.get("/quote", params=asking(ready), expect=409)
    assert problem["code"] == "no_price"
    assert "'Standard'" in problem["detail"]


async def test_what_cannot_be_booked_has_no_quote(school: School, ready: Ready) -> None:
    await school.patch(f"/instructors/{ready.instructor['id']}", {"version": 1, "active": False})
    assert (await school.get("/quote", params=asking(ready), expect=409))["code"] == "instructor_inactive"
    await school.patch(f"/services/{ready.service['id']}", {"version": 1, "active": False})
    assert (await school.get("/quote", params=asking(ready), expect=409))["code"] == "service_inactive"


async def test_a_wrong_or_missing_parameter_is_named(school: School, ready: Ready) -> None:
    for wrong in (
        {"at": "2026-08-05T00:00:00"},
        {"at": "soon"},
        {"at": "2201-01-01T00:00:00Z"},
        {"service_id": "7"},
        {"instructor_id": ""},
    ):
        problem = await school.get("/quote", params=asking(ready) | wrong, expect=422)
        assert fields_of(problem) == set(wrong)
    assert fields_of(await school.get("/quote", expect=422)) == {"service_id", "instructor_id", "at"}


async def test_everybody_may_ask_but_the_split_is_for_staff_and_that_instructor(
    school: School, ready: Ready
) -> None:
    cast = await cast_of(school)
    own = asking(ready, instructor_id=cast.instructor_row["id"])
    split = {"platform_fee_cents", "instructor_share_cents", "fee_bps"}
    full = await school.get("/quote", params=own)
    assert all(full[field] is not None for field in split)
    for client in (cast.admin, cast.instructor):
        assert await client.get("/quote", params=own) == full
    for client in cast.learners:
        assert await client.get("/quote", params=own) == full | dict.fromkeys(split)
    colleagues = await cast.instructor.get("/quote", params=asking(ready))
    assert all(colleagues[field] is None for field in split)
    assert colleagues["price_cents"] == 9500


async def test_another_schools_service_or_instructor_looks_missing(
    school: School, other_school: School, ready: Ready
) -> None:
    theirs = await other_school.ready()
    for foreign in (
        {"service_id": theirs.service["id"]},
        {"instructor_id": theirs.instructor["id"]},
        {"service_id": NOBODY},
        {"instructor_id": NOBODY},
    ):
        await school.get("/quote", params=asking(ready) | foreign, expect=404)
