"""Tracks as GeoJSON and GPX."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import cast
from xml.etree import ElementTree as ET

import gpxpy
from hypothesis import given
from hypothesis import strategies as st

from driveflow.trips.formats import to_geojson, to_gpx
from driveflow.trips.track import Fix

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
TRACK = [
    Fix(START, -37.8136004, 144.9631, 36.0, 5.0),
    Fix(START + timedelta(seconds=5), -37.8137, 144.9632, None, None),
    Fix(START + timedelta(seconds=10, milliseconds=250), -0.000001, 144.9633, 0.0, 5.0),
]


def properties_of(feature: Mapping[str, object]) -> dict[str, object]:
    return cast("dict[str, object]", feature["properties"])


def test_a_track_is_a_geojson_line_of_longitude_and_latitude_with_times_and_speeds() -> None:
    assert to_geojson(TRACK, {"trip_id": "7"}) == {
        "type": "Feature",
        "geometry": {
            "type": "LineString",
            "coordinates": [[144.9631, -37.8136], [144.9632, -37.8137], [144.9633, -0.000001]],
        },
        "properties": {
            "trip_id": "7",
            "coordTimes": ["2026-07-01T09:00:00Z", "2026-07-01T09:00:05Z", "2026-07-01T09:00:10.250000Z"],
            "speeds_kph": [36.0, None, 0.0],
        },
    }


def test_a_single_fix_is_a_geojson_point() -> None:
    feature = to_geojson(TRACK[:1], {})
    assert feature["geometry"] == {"type": "Point", "coordinates": [144.9631, -37.8136]}
    assert properties_of(feature)["coordTimes"] == ["2026-07-01T09:00:00Z"]


def test_a_trip_without_fixes_is_a_geojson_feature_without_geometry() -> None:
    feature = to_geojson([], {"trip_id": "7"})
    assert feature["geometry"] is None
    assert properties_of(feature) == {"trip_id": "7", "coordTimes": [], "speeds_kph": []}


def test_geojson_is_json_and_the_callers_properties_cannot_replace_the_times() -> None:
    feature = to_geojson(TRACK, {"coordTimes": "mine"})
    assert json.loads(json.dumps(feature, allow_nan=False)) == feature
    assert len(cast("list[str]", properties_of(feature)["coordTimes"])) == 3


def test_a_gpx_file_reads_back_as_the_same_track() -> None:
    document = gpxpy.parse(to_gpx(TRACK, "Lesson of Ana & Ben <3"))
    assert document.version == "1.1"
    assert document.creator == "DriveFlow"
    assert document.time == START
    (track,) = document.tracks
    assert track.name == "Lesson of Ana & Ben <3"
    (segment,) = track.segments
    assert [(point.latitude, point.longitude) for point in segment.points] == [
        (-37.8136, 144.9631),
        (-37.8137, 144.9632),
        (-0.000001, 144.9633),
    ]
    assert [point.time for point in segment.points] == [fix.ts for fix in TRACK]


def test_gpx_carries_reported_speeds_in_metres_a_second() -> None:
    root = ET.fromstring(to_gpx(TRACK, "Trip"))  # noqa: S314 - our own document
    speeds = root.iter("{http://www.garmin.com/xmlschemas/TrackPointExtension/v2}speed")
    assert [speed.text for speed in speeds] == ["10.00", "0.00"]


def test_gpx_gives_times_in_utc() -> None:
    melbourne = START.astimezone(timezone(timedelta(hours=10)))
    document = gpxpy.parse(to_gpx([Fix(melbourne, -37.8, 144.9)], "Trip"))
    assert document.tracks[0].segments[0].points[0].time == START


def test_a_trip_without_fixes_is_a_gpx_track_without_points() -> None:
    document = gpxpy.parse(to_gpx([], "Nothing"))
    assert document.time is None
    assert document.get_points_no() == 0


def test_the_same_track_gives_the_same_text() -> None:
    assert to_gpx(TRACK, "Trip") == to_gpx(list(TRACK), "Trip")
    assert json.dumps(to_geojson(TRACK, {})) == json.dumps(to_geojson(list(TRACK), {}))


@given(
    st.lists(st.integers(0, 0x10FFFF).map(chr) | st.sampled_from('\x00\x1f<&>"]\ufffe\ud800'), max_size=20)
)
def test_no_name_can_break_the_gpx_file(characters: list[str]) -> None:
    document = to_gpx(TRACK[:1], "".join(characters))
    ET.fromstring(document.encode())  # noqa: S314 - our own document
