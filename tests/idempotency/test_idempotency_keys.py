"""A retried write happens once: the same key gives the first answer again."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from driveflow.core.idempotency import MAX_KEY_LENGTH
from support.schools import Client, Ready, School

IN_PARALLEL = 50


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def send(client: Client, path: str, body: object, key: str) -> httpx.Response:
    return await client.request("POST", path, json=body, headers=keyed(key))


async def ready_in(school: School) -> tuple[Ready, dict[str, Any]]:
    """Return what a booking needs, and the body of one for tomorrow."""
    ready = await school.ready()
    return ready, ready.booking(school.clock.now + timedelta(hours=24))


async def rows_of(owner: asyncpg.Connection, school: School, table: str) -> int:
    return int(await owner.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", school.org_id))


def assert_one_first_answer(answers: list[httpx.Response]) -> None:
    """Check that all answers are the same 201, and all but one marked as a repetition."""
    assert {answer.status_code for answer in answers} == {201}, Counter(a.text for a in answers)
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    assert Counter(answer.headers.get("idempotency-replayed") for answer in answers) == {
        None: 1,
        "true": len(answers) - 1,
    }


@pytest.mark.race
async def test_one_key_in_parallel_makes_one_booking_and_one_answer(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    _, body = await ready_in(school)
    answers = await asyncio.gather(*(send(school, "/bookings", body, "k") for _ in range(IN_PARALLEL)))
    assert_one_first_answer(answers)
    assert await rows_of(owner_connection, school, "bookings") == 1
    created = await school.get("/audit-log", params={"entity_type": "Booking"})
    assert len(created["items"]) == 1


@pytest.mark.race
async def test_one_key_in_parallel_makes_one_student_and_one_answer(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    body = {"full_name": "Alex Student"}
    answers = await asyncio.gather(*(send(school, "/students", body, "k") for _ in range(IN_PARALLEL)))
    assert_one_first_answer(answers)
    assert await rows_of(owner_connection, school, "students") == 1


@pytest.mark.parametrize("path", ["/bookings", "/students"])
async def test_another_body_with_a_used_key_is_422_and_changes_nothing(
    school: School, owner_connection: asyncpg.Connection, path: str
) -> None:
    _, booking = await ready_in(school)
    body = booking if path == "/bookings" else {"full_name": "Alex Student"}
    await school.post(path, body, headers=keyed("k"))
    before = [
        await rows_of(owner_connection, school, table) for table in ("bookings", "students", "audit_logs")
    ]
    other = await send(school, path, {**body, "notes": "other"}, "k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    after = [
        await rows_of(owner_connection, school, table) for table in ("bookings", "students", "audit_logs")
    ]
    assert after == before


async def test_a_used_key_on_another_path_or_query_is_422(school: School) -> None:
    await school.post("/students", {"full_name": "Alex"}, headers=keyed("k"))
    for path in ("/guardians", "/students?dry=1"):
        answer = await send(school, path, {"full_name": "Alex"}, "k")
        assert answer.json()["code"] == "idempotency_key_reused", path


async def test_two_callers_may_use_the_same_key(school: School, other_school: School) -> None:
    admin = await school.as_role("admin")
    body = {"full_name": "Alex Student"}
    answers = [await send(caller, "/students", body, "k") for caller in (school, admin, other_school)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert not any("idempotency-replayed" in answer.headers for answer in answers)
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_a_key_after_a_failed_booking_runs_afresh(school: School) -> None:
    ready, body = await ready_in(school)
    first = await school.book(ready, school.clock.now + timedelta(hours=24))
    refused = await send(school, "/bookings", body, "k")
    assert refused.status_code == 409
    await school.post(f"/bookings/{first['id']}/cancel", {"reason": "ill"}, expect=200)
    again = await send(school, "/bookings", body, "k")
    assert again.status_code == 201, again.text
    assert "idempotency-replayed" not in again.headers
    assert (await send(school, "/bookings", body, "k")).headers["idempotency-replayed"] == "true"


async def test_a_key_after_a_failed_cold_write_runs_afresh_even_with_another_body(school: School) -> None:
    refused = await send(school, "/services", {"name": "x", "duration_min": 0}, "k")
    assert refused.status_code == 422
    assert (await send(school, "/services", {"name": "x", "duration_min": 60}, "k")).status_code == 201


async def test_an_answer_of_deletion_and_of_a_move_is_repeated_too(school: School) -> None:
    ready, _ = await ready_in(school)
    booking = await school.book(ready, school.clock.now + timedelta(hours=24))
    student = await school.add_student()
    for method, path in (
        ("DELETE", f"/students/{student['id']}"),
        ("POST", f"/bookings/{booking['id']}/no-show"),
        ("POST", f"/bookings/{booking['id']}/cancel"),
    ):
        body = {"reason": "ill"} if path.endswith("cancel") else None
        first = await school.request(method, path, json=body, headers=keyed(path))
        again = await school.request(method, path, json=body, headers=keyed(path))
        assert (again.status_code, again.content.split(b"request_id")[0]) == (
            first.status_code,
            first.content.split(b"request_id")[0],
        )
        assert ("idempotency-replayed" in again.headers) == (first.status_code < 400)


async def test_a_kept_answer_is_not_given_to_a_caller_who_may_no_more(school: School) -> None:
    admin = await school.post("/api-keys", {"name": "Admin", "role": "admin"})
    client = Client(school.http, school.org_id, admin["key"])
    await client.post("/students", {"full_name": "Alex"}, headers=keyed("k"))
    await school.delete(f"/api-keys/{admin['id']}")
    assert (await send(client, "/students", {"full_name": "Alex"}, "k")).status_code == 401


@pytest.mark.parametrize("key", ["", "k" * (MAX_KEY_LENGTH + 1), "k\x7f", "schlüssel"])
@pytest.mark.parametrize("path", ["/bookings", "/students"])
async def test_a_malformed_key_is_422(school: School, key: str, path: str) -> None:
    _, booking = await ready_in(school)
    body = booking if path == "/bookings" else {"full_name": "Alex"}
    answer = await school.request("POST", path, json=body, headers={"Idempotency-Key": key.encode()})  # type: ignore[dict-item]  # httpx takes bytes
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key"), answer.text


async def test_the_longest_key_is_fine(school: School) -> None:
    key = "k" * MAX_KEY_LENGTH
    await school.post("/students", {"full_name": "Alex"}, headers=keyed(key))
    assert (await send(school, "/students", {"full_name": "Alex"}, key)).headers[
        "idempotency-replayed"
    ] == "true"


async def test_reading_ignores_the_key(school: School) -> None:
    await school.post("/students", {"full_name": "Alex"}, headers=keyed("k"))
    assert (await school.request("GET", "/students", headers=keyed("k"))).status_code == 200
