"""How far and how long a track went."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import cos, pi, radians, sin
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.trips.track import EARTH_RADIUS_M, Fix, TrackSummary, distance_m, measure

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
LAT, LNG = -37.8136, 144.9631
METRES_PER_DEGREE = EARTH_RADIUS_M * pi / 180


def fix_at(
    second: float,
    east_m: float,
    north_m: float = 0.0,
    speed_kph: float | None = None,
    accuracy_m: float | None = None,
) -> Fix:
    return Fix(
        ts=START + timedelta(seconds=second),
        lat=LAT + north_m / METRES_PER_DEGREE,
        lng=LNG + east_m / (METRES_PER_DEGREE * cos(radians(LAT))),
        speed_kph=speed_kph,
        accuracy_m=accuracy_m,
    )


@pytest.mark.parametrize(
    ("start", "end", "expected_m"),
    [
        # Flinders Street Station to Geelong Station: 64.6 km as the crow flies.
        ((-37.8183, 144.9671), (-38.1443, 144.3548), 64_700),
        ((0.0, 0.0), (0.0, 1.0), 111_195),
        ((0.0, 0.0), (0.0, 180.0), 20_015_115),
        ((90.0, 0.0), (-90.0, 77.0), 20_015_115),
        # Across the date line it is not around the world.
        ((-17.0, 179.9), (-17.0, -179.9), 21_267),
    ],
)
def test_distances_are_those_of_the_globe(
    start: tuple[float, float], end: tuple[float, float], expected_m: float
) -> None:
    assert distance_m(*start, *end) == pytest.approx(expected_m, rel=0.005)


PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(PLACES, PLACES)
def test_a_distance_is_symmetric_and_at_most_half_the_globe(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    there = distance_m(*start, *end)
    assert there == pytest.approx(distance_m(*end, *start), abs=1e-6)
    assert 0 <= there <= EARTH_RADIUS_M * pi + 1


def test_no_fixes_measure_nothing() -> None:
    assert measure([]) == TrackSummary(distance_m=0, duration_sec=0, max_speed_kph=None)


def test_one_fix_is_a_place_and_no_way() -> None:
    summary = measure([fix_at(0, 0, speed_kph=12.5)])
    assert summary == TrackSummary(distance_m=0, duration_sec=0, max_speed_kph=12.5)


def test_a_straight_drive_has_its_length_duration_and_top_speed() -> None:
    track = [fix_at(second, second * 12.5, speed_kph=45.0 + second / 100) for second in range(0, 601, 5)]
    assert measure(track) == TrackSummary(distance_m=7_500, duration_sec=600, max_speed_kph=51.0)


def test_the_top_speed_is_unknown_when_no_fix_reports_one() -> None:
    assert measure([fix_at(0, 0), fix_at(60, 800)]).max_speed_kph is None


def test_a_slow_car_adds_up_although_each_of_its_steps_is_short() -> None:
    crawling = [fix_at(second, second * 1.0, speed_kph=3.6) for second in range(601)]
    assert measure(crawling).distance_m == pytest.approx(600, abs=10)


@pytest.mark.parametrize("seed", range(20))
def test_standing_still_with_a_jittering_receiver_adds_no_distance(seed: int) -> None:
    rng = Random(seed)
    parked = [
        fix_at(second, rng.gauss(0, 4), rng.gauss(0, 4), speed_kph=abs(rng.gauss(0, 0.5)), accuracy_m=8.0)
        for second in range(600)
    ]
    assert measure(parked) == TrackSummary(0, 599, max(fix.speed_kph or 0.0 for fix in parked))


def test_jitter_within_the_noise_adds_no_distance_without_reported_speeds() -> None:
    rng = Random(1)
    angles = [rng.uniform(0, 2 * pi) for _ in range(600)]
    parked = [fix_at(second, 4.9 * sin(angle), 4.9 * cos(angle)) for second, angle in enumerate(angles)]
    assert measure(parked).distance_m == 0


def test_steps_within_the_error_radius_of_a_poor_fix_are_noise() -> None:
    assert measure([fix_at(0, 0, accuracy_m=60.0), fix_at(5, 50, accuracy_m=5.0)]).distance_m == 0
    assert measure([fix_at(0, 0, accuracy_m=5.0), fix_at(5, 50, accuracy_m=60.0)]).distance_m == 0
    assert measure([fix_at(0, 0, accuracy_m=5.0), fix_at(5, 50, accuracy_m=5.0)]).distance_m == 50


def test_a_drive_between_two_stops_counts_even_if_nothing_was_heard_on_the_way() -> None:
    assert measure([fix_at(0, 0, speed_kph=0.0), fix_at(300, 2_000, speed_kph=0.0)]).distance_m == 2_000


@pytest.mark.parametrize(("before_kph", "after_kph"), [(None, 0.0), (0.0, None), (20.0, 0.0), (0.0, 20.0)])
def test_a_short_step_counts_unless_the_car_is_known_to_stand(
    before_kph: float | None, after_kph: float | None
) -> None:
    assert measure([fix_at(0, 0, speed_kph=before_kph), fix_at(5, 20, speed_kph=after_kph)]).distance_m == 20


STEPS = st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), min_size=1, max_size=40)


@given(STEPS)
def test_a_track_is_never_longer_than_its_steps_nor_shorter_than_the_way_between_its_ends(
    steps: list[tuple[float, float]],
) -> None:
    east_m = north_m = 0.0
    track = [fix_at(0, 0)]
    for number, (to_east_m, to_north_m) in enumerate(steps, start=1):
        east_m, north_m = east_m + to_east_m, north_m + to_north_m
        track.append(fix_at(number * 10, east_m, north_m))
    walked_m = sum(distance_m(a.lat, a.lng, b.lat, b.lng) for a, b in pairwise(track))
    between_ends_m = distance_m(track[0].lat, track[0].lng, track[-1].lat, track[-1].lng)
    summary = measure(track)
    assert between_ends_m - 11 <= summary.distance_m <= walked_m + 1
    assert summary.duration_sec == len(steps) * 10
