"""The OsmAnd protocol of Traccar Client."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.core.errors import InvalidInputError
from driveflow.trips.osmand import OsmandReport, parse_json, parse_query
from driveflow.trips.track import MAX_POINTS_PER_BATCH, Fix

TS = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
QUERY = {"id": "token", "lat": "-37.8136", "lon": "144.9631", "timestamp": "1782896400"}


def wrong_fields(parse: Callable[[Any], OsmandReport], report: object) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        parse(report)
    return [wrong.field for wrong in caught.value.fields]


def location(**changes: object) -> dict[str, object]:
    coords = {"latitude": -37.8136, "longitude": 144.9631, "speed": 10, "accuracy": 4.5, "heading": 90}
    return {
        "timestamp": "2026-07-01T09:00:00.000Z",
        "coords": coords,
        "is_moving": True,
        "battery": {"level": 0.9, "is_charging": False},
        "extras": {},
        **changes,
    }


def test_the_query_of_traccar_client_8_is_one_fix() -> None:
    report = parse_query({
        "id": "token", "timestamp": "1782896400", "lat": "-37.8136", "lon": "144.9631", "speed": "21.598",
        "bearing": "90.0", "altitude": "12.0", "accuracy": "4.5", "batt": "88.0",
    })  # fmt: skip
    assert report == OsmandReport("token", (Fix(TS, -37.8136, 144.9631, 40.0, 4.5),))


def test_the_json_of_traccar_client_9_is_one_fix() -> None:
    report = parse_json({"device_id": "token", "location": location()})
    assert report == OsmandReport("token", (Fix(TS, -37.8136, 144.9631, 36.0, 4.5),))


def test_json_may_carry_a_list_of_locations() -> None:
    later = location(timestamp="2026-07-01T09:00:05Z")
    report = parse_json({"device_id": "token", "location": [location(), later]})
    assert [fix.ts.second for fix in report.fixes] == [0, 5]


@pytest.mark.parametrize(
    "timestamp",
    [
        "1782896400",
        "1782896400000",
        "1782896400.0",
        "2026-07-01T09:00:00Z",
        "2026-07-01T09:00:00.000Z",
        "2026-07-01T19:00:00+10:00",
        "2026-07-01T09:00:00",
        "2026-07-01 09:00:00",
    ],
)
def test_times_come_in_many_forms(timestamp: str) -> None:
    (fix,) = parse_query({**QUERY, "timestamp": timestamp}).fixes
    assert fix.ts == TS
    assert fix.ts.tzinfo is UTC


def test_json_times_may_be_numbers() -> None:
    (fix,) = parse_json({"device_id": "token", "location": location(timestamp=1782896400123)}).fixes
    assert fix.ts == TS.replace(microsecond=123_000)


@pytest.mark.parametrize(
    "timestamp",
    ["", "yesterday", "2026-13-01T00:00:00Z", "1e300", "-1e14", "nan", "0001-01-01T00:00:00+10:00"],
)
def test_a_time_that_cannot_be_read_is_named(timestamp: str) -> None:
    assert wrong_fields(parse_query, {**QUERY, "timestamp": timestamp}) == ["timestamp"]


def test_a_missing_time_is_named() -> None:
    assert wrong_fields(parse_query, {"id": "token", "lat": "1", "lon": "2"}) == ["timestamp"]
    body = {"device_id": "token", "location": location(timestamp=None)}
    assert wrong_fields(parse_json, body) == ["location.timestamp"]


def test_the_device_may_be_called_deviceid() -> None:
    assert parse_query({**QUERY, "deviceid": "other"}).device_token == "token"
    del_id = {key: value for key, value in QUERY.items() if key != "id"}
    assert parse_query({**del_id, "deviceid": " other "}).device_token == "other"


@pytest.mark.parametrize("token", ["", "  ", "a\x00b", "x" * 201])
def test_a_device_identifier_that_cannot_be_ours_is_named(token: str) -> None:
    assert wrong_fields(parse_query, {**QUERY, "id": token}) == ["id"]
    assert wrong_fields(parse_json, {"device_id": token, "location": location()}) == ["device_id"]


@pytest.mark.parametrize("token", [None, 7, ["token"]])
def test_a_device_identifier_in_json_is_a_text(token: object) -> None:
    assert wrong_fields(parse_json, {"device_id": token}) == ["device_id"]


def test_a_missing_device_identifier_is_named() -> None:
    assert wrong_fields(parse_query, {"lat": "1", "lon": "2"}) == ["id"]


@pytest.mark.parametrize("field", ["lat", "lon", "speed", "accuracy"])
@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "1_0", "1,5", "", "abc", "٣"])
def test_what_is_no_finite_number_is_named(field: str, value: str) -> None:
    assert wrong_fields(parse_query, {**QUERY, field: value}) == [field]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "north", [], None])
def test_a_json_coordinate_that_is_no_finite_number_is_named(value: object) -> None:
    body = {"device_id": "token", "location": location(coords={"latitude": value, "longitude": 1.0})}
    assert wrong_fields(parse_json, body) == ["location.coords.latitude"]


def test_half_a_position_is_wrong() -> None:
    assert wrong_fields(parse_query, {"id": "token", "timestamp": "1782896400", "lat": "1"}) == ["lon"]
    assert wrong_fields(parse_query, {"id": "token", "timestamp": "1782896400", "lon": "1"}) == ["lat"]


def test_the_position_may_come_as_one_parameter() -> None:
    query = {"id": "token", "timestamp": "1782896400"}
    (fix,) = parse_query({**query, "location": "-37.5,144.5"}).fixes
    assert (fix.lat, fix.lng) == (-37.5, 144.5)
    assert wrong_fields(parse_query, {**query, "location": "here"}) == ["location"]


def test_unknown_speed_and_accuracy_are_unknown() -> None:
    (fix,) = parse_query(QUERY).fixes
    assert (fix.speed_kph, fix.accuracy_m) == (None, None)
    (fix,) = parse_query({**QUERY, "speed": "-1", "accuracy": "0.0"}).fixes
    assert (fix.speed_kph, fix.accuracy_m) == (None, None)
    coords = {"latitude": 1, "longitude": 2, "speed": -1, "accuracy": None}
    (fix,) = parse_json({"device_id": "token", "location": location(coords=coords)}).fixes
    assert (fix.speed_kph, fix.accuracy_m) == (None, None)


def test_an_invalid_accuracy_is_left_for_the_judge_to_refuse() -> None:
    (fix,) = parse_query({**QUERY, "accuracy": "-1"}).fixes
    assert fix.accuracy_m == -1.0


@pytest.mark.parametrize("valid", ["false", "0", "False"])
def test_a_report_that_calls_itself_invalid_has_no_fix(valid: str) -> None:
    assert parse_query({**QUERY, "valid": valid}) == OsmandReport("token", ())


def test_a_report_without_a_position_has_no_fix() -> None:
    assert parse_query({"id": "token", "batt": "12"}) == OsmandReport("token", ())
    assert parse_json({"device_id": "token"}) == OsmandReport("token", ())
    assert parse_json({"device_id": "token", "location": location(coords=None)}) == OsmandReport("token", ())
    assert parse_json({"device_id": "token", "location": []}) == OsmandReport("token", ())


def test_json_of_another_shape_is_named() -> None:
    assert wrong_fields(parse_json, ["token"]) == []
    assert wrong_fields(parse_json, {"device_id": "token", "location": "here"}) == ["location"]
    assert wrong_fields(parse_json, {"device_id": "token", "location": [location(), 7]}) == ["location.1"]
    body = {"device_id": "token", "location": location(coords=[1, 2])}
    assert wrong_fields(parse_json, body) == ["location.coords"]


def test_a_report_holds_at_most_a_batch_of_locations() -> None:
    body = {"device_id": "token", "location": [location()] * (MAX_POINTS_PER_BATCH + 1)}
    assert wrong_fields(parse_json, body) == ["location"]
    body = {"device_id": "token", "location": [location()] * MAX_POINTS_PER_BATCH}
    assert len(parse_json(body).fixes) == MAX_POINTS_PER_BATCH


# A short alphabet meets the formats more often than all of Unicode would.
TEXTS = st.text(st.sampled_from("0123456789.,:+-eETZ naif_\x00\u0663"), max_size=20)
FIELDS = ["id", "deviceid", "lat", "lon", "location", "timestamp", "speed", "accuracy", "valid"]


@given(st.dictionaries(st.sampled_from(FIELDS), TEXTS | st.floats().map(str)))
def test_any_query_is_read_or_refused_by_name(params: dict[str, str]) -> None:
    try:
        parse_query(params)
    except InvalidInputError as error:
        assert error.fields  # noqa: PT017 - a refusal is allowed, not required


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["timestamp", "coords", "latitude", "longitude", "speed"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused_by_name(value: object) -> None:
    try:
        parse_json({"device_id": "token", "location": value})
    except InvalidInputError as error:
        assert error.fields  # noqa: PT017 - a refusal is allowed, not required
