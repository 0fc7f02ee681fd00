"""The made-up drives of the demo school."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driveflow.sandbox.routes import drive_route
from driveflow.trips.track import distance_m, judge_batch, measure

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
HOME = (-37.8136, 144.9631)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), duration_min=st.integers(5, 120), interval_s=st.integers(1, 30))
def test_every_fix_is_believed_and_the_drive_ends_where_it_began(
    seed: int, duration_min: int, interval_s: int
) -> None:
    track = drive_route(seed, *HOME, START, duration_min, interval_s=interval_s)
    end = START + timedelta(minutes=duration_min)
    verdict = judge_batch(track, trip_started_at=START, trip_ended_at=end, now=end, previous=None)
    assert verdict.accepted == tuple(track)
    assert len(track) == duration_min * 60 // interval_s + 1
    assert track[0].ts == START
    assert track[-1].ts <= end
    assert distance_m(*HOME, track[0].lat, track[0].lng) < 20
    assert distance_m(*HOME, track[-1].lat, track[-1].lng) < 400


def test_the_same_seed_gives_the_same_drive_and_another_seed_another() -> None:
    assert drive_route(7, *HOME, START, 30) == drive_route(7, *HOME, START, 30)
    assert drive_route(7, *HOME, START, 30) != drive_route(8, *HOME, START, 30)


@pytest.mark.parametrize("seed", range(10))
def test_a_lesson_looks_like_a_suburban_drive(seed: int) -> None:
    track = drive_route(seed, *HOME, START, 60, interval_s=1)
    summary = measure(track)
    assert 18_000 < summary.distance_m < 42_000
    assert summary.max_speed_kph is not None
    assert 50 < summary.max_speed_kph < 62
    speeds = [fix.speed_kph or 0.0 for fix in track]
    assert 0.05 < speeds.count(0.0) / len(speeds) < 0.35
    # 5 m/s2, an emergency stop, is 18 km/h a second.
    assert max(abs(b - a) for a, b in pairwise(speeds)) < 18
    assert max(distance_m(*HOME, fix.lat, fix.lng) for fix in track) < 3_200


def test_a_lesson_too_short_to_come_home_ends_on_the_road() -> None:
    track = drive_route(1, *HOME, START, 1)
    assert len(track) == 13
    assert (track[-1].speed_kph or 0.0) > 0


def test_reported_speeds_fit_the_places() -> None:
    track = drive_route(3, *HOME, START, 30, interval_s=1)
    reported_m = sum((fix.speed_kph or 0.0) / 3.6 for fix in track)
    assert measure(track).distance_m == pytest.approx(reported_m, rel=0.05)
