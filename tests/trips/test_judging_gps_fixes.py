"""Which GPS fixes of a trip are believed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.trips.track import (
    MAX_SPEED_KPH,
    BatchVerdict,
    Fix,
    RejectReason,
    distance_m,
    judge_batch,
)

START = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
NOW = START + timedelta(minutes=30)
LAT, LNG = -37.8136, 144.9631
# One degree of latitude is 111.195 km on the sphere.
DEGREES_PER_M = 1 / 111_195


def fix(
    second: float,
    north_m: float = 0.0,
    speed_kph: float | None = 40.0,
    accuracy_m: float | None = 5.0,
) -> Fix:
    return Fix(START + timedelta(seconds=second), LAT + north_m * DEGREES_PER_M, LNG, speed_kph, accuracy_m)


def judge(
    fixes: Sequence[Fix],
    *,
    ended_at: datetime | None = None,
    previous: Fix | None = None,
    following: Fix | None = None,
) -> BatchVerdict:
    return judge_batch(
        fixes, trip_started_at=START, trip_ended_at=ended_at, now=NOW, previous=previous, following=following
    )


def reasons(verdict: BatchVerdict) -> list[tuple[int, RejectReason]]:
    return [(rejection.index, rejection.reason) for rejection in verdict.rejected]


def test_an_ordinary_drive_is_accepted_whole() -> None:
    batch = [fix(second, north_m=second * 15) for second in range(0, 500, 5)]
    assert judge(batch) == BatchVerdict(accepted=tuple(batch), rejected=(), duplicates=0)


def test_an_empty_batch_is_accepted() -> None:
    assert judge([]) == BatchVerdict(accepted=(), rejected=(), duplicates=0)


@pytest.mark.parametrize(
    ("lat", "lng"),
    [(90.1, 0.0), (-90.1, 0.0), (1.0, 180.1), (1.0, -180.1), (nan, 0.0), (1.0, nan), (inf, 1.0), (1.0, -inf)],
)
def test_a_place_that_does_not_exist_is_out_of_range(lat: float, lng: float) -> None:
    assert reasons(judge([Fix(START, lat, lng)])) == [(0, RejectReason.OUT_OF_RANGE)]


@pytest.mark.parametrize(("lat", "lng"), [(90.0, 180.0), (-90.0, -180.0), (0.0, 10.0), (10.0, 0.0)])
def test_the_edges_of_the_world_are_in_range(lat: float, lng: float) -> None:
    assert judge([Fix(START, lat, lng)]).rejected == ()


def test_zero_zero_means_that_the_receiver_had_no_position() -> None:
    assert reasons(judge([Fix(START, 0.0, 0.0)])) == [(0, RejectReason.OUT_OF_RANGE)]


@pytest.mark.parametrize("speed_kph", [-1.0, nan, inf, 10_000.0])
def test_a_speed_that_is_none_is_out_of_range(speed_kph: float) -> None:
    assert reasons(judge([fix(0, speed_kph=speed_kph)])) == [(0, RejectReason.OUT_OF_RANGE)]


def test_a_reported_speed_above_the_limit_is_impossible() -> None:
    verdict = judge([fix(0, speed_kph=200.0), fix(5, speed_kph=200.1)])
    assert reasons(verdict) == [(1, RejectReason.IMPOSSIBLE_SPEED)]
    assert verdict.rejected[0].message == "The reported speed is above 200 km/h."


@pytest.mark.parametrize("accuracy_m", [100.1, -1.0, nan, inf])
def test_a_fix_that_calls_itself_inaccurate_or_invalid_is_refused(accuracy_m: float) -> None:
    assert reasons(judge([fix(0, accuracy_m=accuracy_m)])) == [(0, RejectReason.INACCURATE)]


@pytest.mark.parametrize("accuracy_m", [None, 0.0, 100.0])
def test_a_fix_of_unknown_or_bearable_accuracy_is_accepted(accuracy_m: float | None) -> None:
    assert judge([fix(0, accuracy_m=accuracy_m)]).rejected == ()


def test_a_phones_clock_may_be_off_by_a_minute_at_the_start_and_now() -> None:
    verdict = judge([fix(-61), fix(-60), fix(30 * 60 + 60), fix(30 * 60 + 61)])
    assert reasons(verdict) == [(0, RejectReason.BEFORE_TRIP), (3, RejectReason.IN_FUTURE)]


def test_a_late_batch_of_an_ended_trip_is_accepted_up_to_a_minute_after_its_end() -> None:
    verdict = judge([fix(0), fix(660), fix(661)], ended_at=START + timedelta(minutes=10))
    assert reasons(verdict) == [(2, RejectReason.AFTER_TRIP)]


def test_a_time_ahead_of_ours_is_in_the_future_even_when_the_trip_has_ended() -> None:
    verdict = judge([fix(30 * 60 + 61)], ended_at=START + timedelta(minutes=10))
    assert reasons(verdict) == [(0, RejectReason.IN_FUTURE)]


def test_going_back_in_time_within_a_batch_is_out_of_order() -> None:
    verdict = judge([fix(0), fix(20), fix(10), fix(30)])
    assert reasons(verdict) == [(2, RejectReason.OUT_OF_ORDER)]
    assert verdict.accepted == (fix(0), fix(20), fix(30))


def test_a_refused_fix_puts_no_other_out_of_order() -> None:
    verdict = judge([fix(0), fix(30, north_m=50_000), fix(10), fix(20)])
    assert reasons(verdict) == [(1, RejectReason.IMPOSSIBLE_SPEED)]


def test_a_batch_older_than_the_stored_points_is_welcome() -> None:
    batch = [fix(10, north_m=100), fix(20, north_m=200)]
    verdict = judge(batch, previous=fix(0), following=fix(30, north_m=300))
    assert verdict.accepted == tuple(batch)


def test_a_leap_is_impossible_and_the_drive_goes_on_after_it() -> None:
    verdict = judge([fix(0), fix(5, north_m=1_000), fix(10, north_m=100)])
    assert reasons(verdict) == [(1, RejectReason.IMPOSSIBLE_SPEED)]
    assert verdict.rejected[0].message == "1000 m from the fix 5 s apart from it is above 200 km/h."
    assert verdict.accepted == (fix(0), fix(10, north_m=100))


@pytest.mark.parametrize(
    ("accuracy_m", "north_m", "believed"),
    [
        # 10 s at 200 km/h are 555.6 m, and each fix may be off by its accuracy (20 m where it says nothing).
        (5.0, 565.0, True),
        (5.0, 566.0, False),
        (50.0, 655.0, True),
        (50.0, 656.0, False),
        (None, 595.0, True),
        (None, 596.0, False),
        (0.0, 595.0, True),
        (0.0, 596.0, False),
    ],
)
def test_inaccuracy_excuses_a_leap_of_its_size(
    accuracy_m: float | None, north_m: float, believed: bool
) -> None:
    verdict = judge([fix(0, accuracy_m=accuracy_m), fix(10, north_m=north_m, accuracy_m=accuracy_m)])
    assert (verdict.rejected == ()) is believed


def test_the_first_fix_of_a_batch_is_checked_against_the_stored_one_before_it() -> None:
    verdict = judge([fix(5, north_m=5_000), fix(10, north_m=100)], previous=fix(0))
    assert reasons(verdict) == [(0, RejectReason.IMPOSSIBLE_SPEED)]


def test_a_late_batch_is_checked_against_the_stored_fix_after_it() -> None:
    verdict = judge([fix(0), fix(20, north_m=1_000)], following=fix(25))
    assert reasons(verdict) == [(1, RejectReason.IMPOSSIBLE_SPEED)]


def test_a_wrong_fix_that_slipped_in_does_not_block_the_rest_of_the_trip() -> None:
    batch = [fix(0, north_m=5_000), *(fix(second) for second in range(5, 300, 5))]
    verdict = judge(batch)
    assert [rejection.index for rejection in verdict.rejected] == list(range(1, 18))
    assert verdict.accepted[1].ts == START + timedelta(seconds=90)


def test_sending_a_fix_again_is_a_duplicate_and_no_fault() -> None:
    verdict = judge([fix(0), fix(5), fix(5, north_m=9_999), fix(0), fix(10)])
    assert verdict == BatchVerdict(accepted=(fix(0), fix(5), fix(10)), rejected=(), duplicates=2)


def test_a_fix_at_the_time_of_a_stored_neighbour_is_a_duplicate() -> None:
    verdict = judge([fix(0), fix(5), fix(10)], previous=fix(0), following=fix(10))
    assert verdict == BatchVerdict(accepted=(fix(5),), rejected=(), duplicates=2)


def test_the_limits_can_be_set() -> None:
    verdict = judge_batch(
        [fix(0, accuracy_m=31.0), fix(1, speed_kph=121.0), fix(2)],
        trip_started_at=START,
        trip_ended_at=None,
        now=NOW,
        previous=None,
        max_accuracy_m=30.0,
        max_speed_kph=120.0,
    )
    assert reasons(verdict) == [(0, RejectReason.INACCURATE), (1, RejectReason.IMPOSSIBLE_SPEED)]


ANY_FIX = st.builds(
    Fix,
    ts=st.integers(-120, 2_000).map(lambda second: START + timedelta(seconds=second)),
    lat=st.floats(LAT - 0.01, LAT + 0.01) | st.floats(),
    lng=st.floats(LNG - 0.01, LNG + 0.01) | st.floats(),
    speed_kph=st.none() | st.floats(0, 100) | st.floats(),
    accuracy_m=st.none() | st.floats(0, 50) | st.floats(),
)


@given(st.lists(ANY_FIX, max_size=30), st.none() | st.just(fix(500)), st.none() | st.just(fix(900)))
def test_whatever_a_phone_sends_every_fix_gets_one_fate_and_the_accepted_ones_make_sense(
    batch: list[Fix], previous: Fix | None, following: Fix | None
) -> None:
    verdict = judge(batch, previous=previous, following=following)
    assert len(verdict.accepted) + len(verdict.rejected) + verdict.duplicates == len(batch)
    for earlier, later in pairwise(verdict.accepted):
        assert earlier.ts < later.ts
        limit_m = MAX_SPEED_KPH / 3.6 * (later.ts - earlier.ts).total_seconds()
        assert distance_m(earlier.lat, earlier.lng, later.lat, later.lng) <= limit_m + 200.001
    again = judge(verdict.accepted, previous=previous, following=following)
    assert again.accepted == verdict.accepted


def test_a_drive_along_a_narrow_parallel_is_measured_as_the_crow_flies() -> None:
    # At 60 degrees a degree of longitude is half as long as at the equator: 500 m in 10 s, not 1,000.
    first = Fix(START, -60.0, 150.0)
    second = Fix(START + timedelta(seconds=10), -60.0, 150.009)
    verdict = judge_batch(
        [first, second],
        trip_started_at=START,
        trip_ended_at=None,
        now=START + timedelta(minutes=1),
        previous=None,
    )
    assert verdict.accepted == (first, second)
