"""Weekly hours and exceptions through the API."""

import asyncio
from typing import Any

import pytest

from support.cast import cast_of, fields_of, trail
from support.schools import School

NOBODY = "01990000-0000-7000-8000-000000000000"


def window(day_of_week: int, start_minute: int, end_minute: int, **more: object) -> dict[str, Any]:
    return {
        "day_of_week": day_of_week,
        "start_minute": start_minute,
        "end_minute": end_minute,
        "effective_from": None,
        "effective_to": None,
        **more,
    }


A_HUNDRED_WINDOWS = [window(day, 2 * n, 2 * n + 1) for day in range(5) for n in range(20)]


@pytest.fixture
async def path(school: School) -> str:
    """The path of an instructor without hours."""
    return f"/instructors/{(await school.add_instructor(hours=None))['id']}"


async def test_the_whole_list_is_replaced_and_comes_back_in_order(school: School, path: str) -> None:
    assert await school.get(f"{path}/availability") == []
    friday, monday_late, monday = window(4, 0, 1440), window(0, 780, 1020), window(0, 480, 720)
    saved = await school.put(f"{path}/availability", [friday, monday_late, monday])
    assert saved == [monday, monday_late, friday]
    assert await school.get(f"{path}/availability") == saved
    summer = window(6, 480, 720, effective_from="2026-12-01", effective_to="2027-02-28")
    assert await school.put(f"{path}/availability", [summer]) == [summer]
    assert await school.get(f"{path}/availability") == [summer]
    assert await school.put(f"{path}/availability", []) == []
    assert await school.get(f"{path}/availability") == []


async def test_hours_that_differ_by_season_keep_a_stable_order(school: School, path: str) -> None:
    always_before = window(0, 480, 720, effective_to="2026-06-30")
    then = window(0, 480, 720, effective_from="2026-07-01", effective_to="2026-12-31")
    after = window(0, 480, 720, effective_from="2027-01-01")
    saved = await school.put(f"{path}/availability", [after, then, always_before])
    assert saved == [always_before, then, after]
    assert await school.get(f"{path}/availability") == saved


async def test_a_replacement_is_audited_with_the_old_and_the_new_list(school: School, path: str) -> None:
    old, new = [window(0, 480, 720)], [window(1, 480, 720, effective_from="2026-09-01")]
    await school.put(f"{path}/availability", old)
    await school.put(f"{path}/availability", old)
    await school.put(f"{path}/availability", new)
    rows = (await trail(school, "Instructor", path.rpartition("/")[2]))[1:]
    assert rows == [
        ("AVAILABILITY_REPLACED", {"windows": []}, {"windows": old}),
        ("AVAILABILITY_REPLACED", {"windows": old}, {"windows": new}),
    ]


@pytest.mark.parametrize(
    ("windows", "fields"),
    [
        ([window(7, 480, 720)], {"windows.0.day_of_week"}),
        ([window(-1, 480, 720)], {"windows.0.day_of_week"}),
        ([window(0, -1, 720), window(0, 720, 1441)], {"windows.0.start_minute", "windows.1.end_minute"}),
        ([window(0, 480, 480)], {"windows.0.end_minute"}),
        ([window(0, 480.5, 720)], {"windows.0.start_minute"}),  # type: ignore[arg-type]  # wrong on purpose
        ([window(0, 480, 720, effective_from="x")], {"windows.0.effective_from"}),
        (
            [window(0, 480, 720, effective_from="2026-09-02", effective_to="2026-09-01")],
            {"windows.0.effective_to"},
        ),
        ([window(0, 480, 720), window(1, 480, 720), window(0, 719, 800)], {"windows.2"}),
        ([window(0, 480, 720, note="x")], {"windows.0.note"}),
        ([{"day_of_week": 0}], {"windows.0.start_minute", "windows.0.end_minute"}),
        (["monday"], {"windows.0"}),
        ({"windows": []}, {"windows"}),
        ([*A_HUNDRED_WINDOWS, window(6, 0, 1)], {"windows"}),
    ],
)
async def test_each_wrong_window_is_named(
    school: School, path: str, windows: object, fields: set[str]
) -> None:
    await school.put(f"{path}/availability", [window(2, 480, 720)])
    assert fields_of(await school.put(f"{path}/availability", windows, expect=422)) == fields
    assert await school.get(f"{path}/availability") == [window(2, 480, 720)]


async def test_a_hundred_windows_are_possible(school: School, path: str) -> None:
    assert await school.put(f"{path}/availability", A_HUNDRED_WINDOWS) == A_HUNDRED_WINDOWS


async def test_two_replacements_at_once_leave_one_whole_list(school: School, path: str) -> None:
    lists = [[window(day, 60 * n, 60 * n + 30) for n in range(10)] for day in range(5)]
    await asyncio.gather(*(school.put(f"{path}/availability", windows) for windows in lists))
    assert await school.get(f"{path}/availability") in lists


async def test_an_exception_is_set_changed_listed_and_removed(school: School, path: str) -> None:
    day = f"{path}/exceptions/2026-08-10"
    closed = {
        "date": "2026-08-10",
        "is_available": False,
        "start_minute": None,
        "end_minute": None,
        "note": None,
    }
    assert await school.put(day, {"is_available": False}) == closed
    assert await school.put(day, {"is_available": False}) == closed
    partly = closed | {"is_available": True, "start_minute": 0, "end_minute": 1440, "note": "open day"}
    body = {name: value for name, value in partly.items() if name != "date"}
    assert await school.put(day, body) == partly
    assert (await school.get(f"{path}/exceptions"))["items"] == [partly]
    await school.delete(day)
    await school.delete(day, expect=404)
    assert (await school.get(f"{path}/exceptions"))["items"] == []
    rows = (await trail(school, "Instructor", path.rpartition("/")[2]))[1:]
    assert rows == [
        ("EXCEPTION_SET", None, closed),
        (
            "EXCEPTION_SET",
            {
                "date": "2026-08-10",
                "is_available": False,
                "start_minute": None,
                "end_minute": None,
                "note": None,
            },
            partly,
        ),
        ("EXCEPTION_REMOVED", partly, None),
    ]


async def test_exceptions_are_listed_by_date_within_both_days_and_in_pages(school: School, path: str) -> None:
    for day in ("2026-08-12", "2026-08-10", "2026-08-11", "2026-09-01"):
        await school.put(f"{path}/exceptions/{day}", {"is_available": False})

    async def days(query: str = "") -> list[str]:
        return [row["date"] for row in (await school.get(f"{path}/exceptions{query}"))["items"]]

    assert await days() == ["2026-08-10", "2026-08-11", "2026-08-12", "2026-09-01"]
    assert await days("?from=2026-08-11&to=2026-08-12") == ["2026-08-11", "2026-08-12"]
    assert await days("?from=2026-08-13") == ["2026-09-01"]
    assert await days("?to=2026-08-10") == ["2026-08-10"]
    assert await days("?from=2026-08-12&to=2026-08-11") == []
    page = await school.get(f"{path}/exceptions?limit=3")
    assert await days(f"?limit=3&cursor={page['next_cursor']}") == ["2026-09-01"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"is_available"}),
        ({"is_available": None}, {"is_available"}),
        ({"is_available": True, "start_minute": 480}, {"end_minute"}),
        ({"is_available": True, "end_minute": 480}, {"start_minute"}),
        ({"is_available": True, "start_minute": 480, "end_minute": 480}, {"end_minute"}),
        ({"is_available": True, "start_minute": -1, "end_minute": 1441}, {"start_minute", "end_minute"}),
        ({"is_available": True, "note": "x" * 501}, {"note"}),
        ({"is_available": True, "date": "2026-08-10"}, {"date"}),
    ],
)
async def test_a_wrong_field_of_an_exception_is_named(
    school: School, path: str, body: dict[str, Any], fields: set[str]
) -> None:
    assert fields_of(await school.put(f"{path}/exceptions/2026-08-10", body, expect=422)) == fields


@pytest.mark.parametrize("day", ["2026-02-29", "tomorrow", "1899-12-31", "2200-01-01"])
async def test_a_day_that_is_none_is_named(school: School, path: str, day: str) -> None:
    problem = await school.put(f"{path}/exceptions/{day}", {"is_available": False}, expect=422)
    assert fields_of(problem) == {"date"}
    assert fields_of(await school.get(f"{path}/exceptions?from={day}", expect=422)) == {"from"}


async def test_hours_and_exceptions_change_what_can_be_booked(school: School) -> None:
    ready = await school.ready()
    path = f"/instructors/{ready.instructor['id']}"
    query = {
        "service_id": ready.service["id"],
        "instructor_id": ready.instructor["id"],
        "from": "2026-08-09T14:00:00Z",  # Monday 2026-08-10 in Sydney
        "to": "2026-08-10T14:00:00Z",
    }

    async def starts() -> list[str]:
        return [slot["start_at"] for slot in (await school.get("/slots", params=query))["slots"]]

    await school.put(f"{path}/availability", [window(0, 540, 600)])
    assert await starts() == ["2026-08-09T23:00:00Z"]
    await school.put(f"{path}/exceptions/2026-08-10", {"is_available": False})
    assert await starts() == []
    await school.put(
        f"{path}/exceptions/2026-08-10", {"is_available": True, "start_minute": 720, "end_minute": 780}
    )
    assert await starts() == ["2026-08-09T23:00:00Z", "2026-08-10T02:00:00Z"]
    await school.delete(f"{path}/exceptions/2026-08-10")
    assert await starts() == ["2026-08-09T23:00:00Z"]


async def test_instructors_change_their_own_hours_only(school: School) -> None:
    cast = await cast_of(school)
    own = f"/instructors/{cast.instructor_row['id']}"
    colleague = f"/instructors/{(await school.add_instructor('Colleague'))['id']}"
    for client in (cast.admin, cast.instructor):
        await client.put(f"{own}/availability", [window(0, 480, 720)])
        await client.put(f"{own}/exceptions/2026-08-10", {"is_available": False})
        await client.delete(f"{own}/exceptions/2026-08-10")
        assert len(await client.get(f"{colleague}/availability")) == 7
        assert (await client.get(f"{colleague}/exceptions"))["items"] == []
    problem = await cast.instructor.put(f"{colleague}/availability", [], expect=403)
    assert problem["code"] == "forbidden"
    await cast.instructor.put(f"{colleague}/exceptions/2026-08-10", {"is_available": False}, expect=403)
    await cast.instructor.delete(f"{colleague}/exceptions/2026-08-10", expect=403)
    assert len(await school.get(f"{colleague}/availability")) == 7


async def test_learners_neither_read_nor_change_hours(school: School) -> None:
    cast = await cast_of(school)
    path = f"/instructors/{cast.instructor_row['id']}"
    for client in cast.learners:
        problem = await client.get(f"{path}/availability", expect=403)
        assert problem["permission"] == "availability:read"
        await client.get(f"{path}/exceptions", expect=403)
        await client.put(f"{path}/availability", [], expect=403)
        await client.put(f"{path}/exceptions/2026-08-10", {"is_available": False}, expect=403)
        await client.delete(f"{path}/exceptions/2026-08-10", expect=403)


async def test_hours_of_another_schools_instructor_look_missing(school: School, other_school: School) -> None:
    theirs = await other_school.add_instructor("Theirs")
    cast = await cast_of(school)
    for instructor_id in (theirs["id"], NOBODY):
        path = f"/instructors/{instructor_id}"
        for client in (school, cast.instructor):
            await client.get(f"{path}/availability", expect=404)
            await client.get(f"{path}/exceptions", expect=404)
            await client.put(f"{path}/availability", [], expect=404)
            await client.put(f"{path}/exceptions/2026-08-10", {"is_available": False}, expect=404)
            await client.delete(f"{path}/exceptions/2026-08-10", expect=404)
    assert len(await other_school.get(f"/instructors/{theirs['id']}/availability")) == 7
