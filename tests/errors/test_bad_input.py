"""Bodies and queries that are too large, too deep or no text: a clear 4xx, by the hot and the cold way."""

import json
from datetime import timedelta

import httpx
import pytest

from support.schools import School

LIMIT_BYTES = 1_000_000
# Cold by FastAPI and Pydantic, hot by Pydantic, hot by msgspec.
PATHS = ("/students", "/bookings", "/trips/{trip}/points")
JSON = {"Content-Type": "application/json"}


def assert_refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in (statuses or (400, 413, 415, 422)), answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["code"] not in {"error", "internal_error"}


async def send(school: School, path: str, body: bytes) -> httpx.Response:
    return await school.request("POST", path.format(trip=school.org_id), content=body, headers=JSON)


def student(**fields: object) -> bytes:
    return json.dumps({"full_name": "Alex Student", **fields}).encode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [LIMIT_BYTES + 1, 3 * LIMIT_BYTES])
async def test_a_body_over_the_limit_is_413(school: School, path: str, size: int) -> None:
    assert_refused(await send(school, path, b'"' + b"x" * (size - 2) + b'"'), 413)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_at_the_limit_is_read(school: School, path: str) -> None:
    assert_refused(await send(school, path, b'"' + b"x" * (LIMIT_BYTES - 2) + b'"'), 422)


async def test_a_streamed_body_without_a_length_is_cut_off_at_the_limit(school: School) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65_536

    for path in PATHS:
        sent = 0
        url = path.format(trip=school.org_id)
        answer = await school.request("POST", url, content=endless(), headers=JSON)
        assert_refused(answer, 413)
        assert sent < 20


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"x",
        b"null",
        b"0",
        b"[]",
        b"{}",
        b'""',
        b"\x00",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"{'full_name': 'Alex'}",
        b'{"full_name": "Alex",}',
        b'{"full_name": "Alex"} {"full_name": "Alex"}',
        b'{"full_name": "\xff\xfe"}',
        b'{"full_name": "\xc0\xaf"}',
        b'{"full_name": "\xed\xa0\x80"}',
        b'[{"ts": "\xff"}]',
        '{"full_name": "Alex"}'.encode("utf-16"),
    ],
    ids=repr,
)
async def test_a_body_that_is_no_json_or_not_of_the_right_shape_is_4xx(
    school: School, path: str, body: bytes
) -> None:
    assert_refused(await send(school, path, body), 400, 422)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("depth", [33, 1_000, 200_000])
@pytest.mark.parametrize("form", ["[", '{"a":', '[{"a":', '{"repeat":', '{"notes":[', '[{"ts":'])
async def test_deep_json_is_4xx(school: School, path: str, depth: int, form: str) -> None:
    closing = {"[": "]", "{": "}"}
    ends = "".join(closing[mark] for mark in reversed(form) if mark in closing)
    depth = min(depth, LIMIT_BYTES // (len(form) + len(ends)) - 1)
    for body in (form * depth + "1" + ends * depth, form * depth):
        assert_refused(await send(school, path, body.encode()), 400, 422)


async def test_brackets_inside_a_text_are_not_depth(school: School) -> None:
    notes = "[{" * 1000 + '\\"'
    answer = await send(school, "/students", student(notes=notes))
    assert (answer.status_code, answer.json()["notes"]) == (201, notes)


@pytest.mark.parametrize(
    "text",
    [
        b"\\u0000",
        b"a\\u0000b",
        b"\\u0001",
        b"\\u001b[31m",
        b"\\u007f",
        b"\\ud800",
        b"\\udc00x",
        b"\\udfff\\ud800",
        b"x" * 201,
        b"   ",
        b"\\u00a0",
    ],
    ids=repr,
)
async def test_a_name_with_what_a_name_cannot_hold_is_4xx(school: School, text: bytes) -> None:
    for path in ("/students", "/guardians", "/services", "/members", "/api-keys", "/instructors"):
        body = b'{"full_name": "%b", "name": "%b", "display_name": "%b"}' % (text, text, text)
        assert_refused(await send(school, path, body), 400, 422)
    assert_refused(await send(school, "/students", b'{"full_name": "%b"}' % text), 400, 422)


@pytest.mark.parametrize("text", [b"\\u0000", b"\\ud800", b"\\u0008"], ids=repr)
async def test_a_note_of_a_booking_with_what_text_cannot_hold_is_4xx(school: School, text: bytes) -> None:
    ready = await school.ready()
    body = json.dumps(ready.booking(school.clock.now + timedelta(hours=24), notes="@")).encode()
    assert_refused(await send(school, "/bookings", body.replace(b"@", text)), 400, 422)


async def test_any_other_unicode_is_kept_as_it_is(school: School) -> None:
    name = "Zoë Obrien 李小龍 😀 \u202e e\u0301 =1+1 '; DROP TABLE students; -- <script>"
    row = await school.add_student(name)
    assert (await school.get(f"/students/{row['id']}"))["full_name"] == name


@pytest.mark.parametrize(
    "number", ["1e400", "-1", "1.5", "9" * 400, "2147483648", "9223372036854775808", "-0.0", "null", "[60]"]
)
async def test_a_number_beyond_its_column_is_4xx(school: School, number: str) -> None:
    body = f'{{"name": "x", "duration_min": {number}}}'
    assert_refused(await send(school, "/services", body.encode()), 400, 422)
    body = f'{{"version": {number}, "buffer_minutes": 0}}'
    answer = await school.request("PATCH", "", content=body.encode(), headers=JSON)
    assert_refused(answer, 400, 422)


@pytest.mark.parametrize(
    "value", ["1e400", "-1e400", "NaN", "Infinity", "91", "9" * 5_000, '"x"', "{}", "null"]
)
async def test_a_position_that_is_none_is_4xx(school: School, value: str) -> None:
    ready = await school.ready()
    booking = json.dumps(
        ready.booking(school.clock.now + timedelta(hours=24), pickup_lng=151.2, pickup_lat="@")
    )
    assert_refused(await send(school, "/bookings", booking.replace('"@"', value).encode()), 400, 422)
    if value != "91":  # judged fix by fix, the batch goes on
        points = f'[{{"ts": "2026-08-04T00:00:00Z", "lng": 151.2, "lat": {value}}}]'
        assert_refused(await send(school, "/trips/{trip}/points", points.encode()), 400, 404, 422)


@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "1e18", "-1", "2026-08-05"],
)
async def test_a_time_that_the_database_cannot_hold_is_4xx(school: School, at: str) -> None:
    ready = await school.ready()
    body = json.dumps({**ready.booking(school.clock.now), "start_at": at}).encode()
    assert_refused(await send(school, "/bookings", body), 422)
    for path in ("/bookings", "/lessons", "/audit-log"):
        assert_refused(await school.request("GET", path, params={"from": at}), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/students?q={long}",
        "/students?cursor={long}",
        "/bookings?cursor={long}",
        "/bookings?status={long}",
        "/bookings?from={long}",
        "/slots?service_id={long}&from=2026-08-03&to=2026-08-04",
        "/audit-log?entity_type={long}",
        "/students?limit={nines}",
        "/students?limit=-1",
        "/bookings?limit={nines}",
        "/students?q=%00",
        "/students?q=%ff%00",
        "/students?cursor=%00",
        "/bookings?cursor=AAAA",
        "/students?cursor=AAAA",
        "/bookings/{long}",
        "/students/{long}",
        "/students/%00",
    ],
)
async def test_a_query_or_path_that_is_too_long_or_not_of_its_type_is_4xx(school: School, path: str) -> None:
    url = path.format(long="x" * 10_000, nines="9" * 5_000)
    assert_refused(await school.request("GET", url), 404, 422)


@pytest.mark.parametrize("path", ["/students?{}", "/bookings?{}"])
async def test_a_query_of_thousands_of_unknown_parameters_is_harmless(school: School, path: str) -> None:
    url = path.format("&".join(f"a{number}=1" for number in range(2_000)))
    assert (await school.request("GET", url)).status_code == 200
    assert_refused(await school.request("GET", url + "&limit=x"), 422)


async def test_a_search_for_any_character_is_a_search(school: School) -> None:
    for q in ("%", "_", "\\", "'", '"', "%ff", "%25", "\U0001f600", " ", "%ed%a0%80"):
        answer = await school.request("GET", f"/students?q={q}")
        assert answer.status_code == 200, (q, answer.text)


async def test_a_batch_of_more_points_than_allowed_is_422(school: School) -> None:
    points = [{"ts": "2026-08-04T00:00:00Z", "lat": 0, "lng": 0}] * 1001
    assert_refused(await send(school, "/trips/{trip}/points", json.dumps(points).encode()), 422)


async def test_reports_of_phone_trackers_are_no_way_in_for_bad_input(school: School) -> None:
    for body in (b"[" * 100_000, b"\xff", b"{", b'{"location": "\\ud800"}', b'{"location":' * 5_000, b"null"):
        assert_refused(await school.http.post("/gps/osmand", content=body, headers=JSON), 400, 404, 422)
    for query in ("id=%00", "id=" + "x" * 10_000, "id=%ff", "lat=1e400&id=x", "timestamp=9" * 99):
        assert_refused(await school.http.get(f"/gps/osmand?{query}"), 404, 422)
    form = b"&".join(b"a=1" for _ in range(5_000))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_refused(await school.http.post("/gps/osmand", content=form, headers=kind), 422)
    assert_refused(await school.http.post("/gps/osmand", content=b"x" * (LIMIT_BYTES + 1)), 413)


async def test_a_deep_body_with_an_idempotency_key_is_4xx_too(school: School) -> None:
    for path in PATHS:
        url = path.format(trip=school.org_id)
        answer = await school.request(
            "POST", url, content=b"[" * 5_000, headers={**JSON, "Idempotency-Key": "k"}
        )
        assert_refused(answer, 400, 404, 422)
