"""Make up drives of a learner through a suburb, for the trips of the demo school.

A street grid of uneven blocks surrounds the start. Every fourth street is an arterial road (60 km/h), with
lights where two of them cross and give-way signs for the residential streets (50 km/h) that cross it. The
learner wanders, more often straight on than turning, never back the way they came; slows for corners, waits
at red lights, turns for home in time, and parks where the lesson began. The phone's error drifts slowly by a
few metres, as that of a real receiver does. Everything follows from the seed: the demo shows the same drives
on every start.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from math import cos, exp, hypot, pi, radians, sqrt
from random import Random

from driveflow.trips.track import EARTH_RADIUS_M, Fix

# Streets are numbered from -GRID_REACH to GRID_REACH in both directions; the drive starts at (0, 0).
GRID_REACH = 10
BLOCK_M = (90.0, 220.0)
ARTERIAL_EVERY = 4
# Offsets the arterial roads from the start, which is in a residential street.
ARTERIAL_OFFSET = 2

ARTERIAL_KPH = 60.0
RESIDENTIAL_KPH = 50.0
CORNER_KPH = 18.0
# A learner keeps a little below the limit, and eases off at each junction.
CRUISE_SHARE = (0.76, 0.98)
JUNCTION_SHARE = 0.6
CREEP_MPS = 0.5
ACCELERATION_MPS2 = 1.6
BRAKING_MPS2 = 2.0
RED_LIGHT_SHARE = 0.5
RED_LIGHT_SEC = (8, 40)
GIVE_WAY_SEC = (2, 8)
STRAIGHT_ON_WEIGHT = 2

# A block with its share of lights and corners takes less than this; decides when to turn for home.
HOMEWARD_SEC_PER_BLOCK = 38.0
# For the detour around a block when the way home is the way they came, and for red lights.
SPARE_BLOCKS = 4
# With less than this left the learner parks when passing the start.
PARKING_SEC = 190.0

STEP_SEC = 0.5
DRIFT_M = 2.5
DRIFT_MEMORY_SEC = 60.0
ACCURACY_M = (4.0, 9.0)

_Junction = tuple[int, int]
HOME: _Junction = (0, 0)
_METRES_PER_DEGREE = EARTH_RADIUS_M * pi / 180


@dataclass(frozen=True, slots=True)
class _Moment:
    """Where the car is, in metres east and north of the start, and how fast, in m/s."""

    east_m: float
    north_m: float
    speed_mps: float


def drive_route(
    seed: int,
    start_lat: float,
    start_lng: float,
    started_at: datetime,
    duration_min: int,
    *,
    interval_s: int = 5,
) -> list[Fix]:
    """Return the fixes of a made-up drive that ends near where it starts.

    One fix every `interval_s` seconds from `started_at` (aware UTC) on, the last at most `duration_min`
    minutes later. The same arguments give the same fixes, and `judge_batch` accepts all of them.
    """
    rng = Random(seed)  # noqa: S311 - a demo drive, no secret
    moments = _drive(rng, duration_min * 60.0)
    lng_scale = cos(radians(start_lat))
    kept = exp(-interval_s / DRIFT_MEMORY_SEC)
    fresh_m = DRIFT_M * sqrt(1 - kept * kept)
    drift_east_m = drift_north_m = 0.0
    fixes: list[Fix] = []
    for second in range(0, duration_min * 60 + 1, interval_s):
        moment = moments[int(second / STEP_SEC)]
        drift_east_m = kept * drift_east_m + rng.gauss(0.0, fresh_m)
        drift_north_m = kept * drift_north_m + rng.gauss(0.0, fresh_m)
        speed_kph = moment.speed_mps * 3.6
        if speed_kph > 0:
            speed_kph = max(0.0, speed_kph + rng.gauss(0.0, 0.4))
        fixes.append(
            Fix(
                ts=started_at + timedelta(seconds=second),
                lat=round(start_lat + (moment.north_m + drift_north_m) / _METRES_PER_DEGREE, 6),
                lng=round(start_lng + (moment.east_m + drift_east_m) / (_METRES_PER_DEGREE * lng_scale), 6),
                speed_kph=round(speed_kph, 2),
                accuracy_m=round(rng.uniform(*ACCURACY_M), 1),
            )
        )
    return fixes


def _drive(rng: Random, duration_sec: float) -> list[_Moment]:
    """Return one moment every `STEP_SEC` seconds, from 0 to the duration."""
    columns_m, rows_m = _streets(rng), _streets(rng)
    count = int(duration_sec / STEP_SEC) + 1
    moments = [_Moment(0.0, 0.0, 0.0)]
    here = HOME
    following = _next_junction(rng, HOME, None, homeward=False)
    parks = False
    while len(moments) < count and not parks:
        left_sec = (count - len(moments)) * STEP_SEC
        there = following
        homeward = left_sec < (_blocks_home(there) + SPARE_BLOCKS) * HOMEWARD_SEC_PER_BLOCK
        following = _next_junction(rng, there, here, homeward=homeward)
        exit_mps, wait_sec = _manoeuvre(rng, here, there, following)
        parks = there == HOME and left_sec < PARKING_SEC
        if parks:
            exit_mps, wait_sec = 0.0, 0
        moments += _block(
            start_m=(columns_m[here[0]], rows_m[here[1]]),
            end_m=(columns_m[there[0]], rows_m[there[1]]),
            entry_mps=moments[-1].speed_mps,
            cruise_mps=_limit_kph(here, there) / 3.6 * rng.uniform(*CRUISE_SHARE),
            exit_mps=exit_mps,
        )
        moments += [replace(moments[-1], speed_mps=0.0)] * int(wait_sec / STEP_SEC)
        here = there
    parked = replace(moments[-1], speed_mps=0.0)
    return (moments + [parked] * (count - len(moments)))[:count]


def _streets(rng: Random) -> dict[int, float]:
    """Return how many metres from the start each parallel street runs, by its number."""
    outward = [list(accumulate(rng.uniform(*BLOCK_M) for _ in range(GRID_REACH))) for _ in range(2)]
    streets = {0: 0.0}
    for number, (ahead_m, behind_m) in enumerate(zip(*outward, strict=True), start=1):
        streets[number] = ahead_m
        streets[-number] = -behind_m
    return streets


def _is_arterial(number: int) -> bool:
    return number % ARTERIAL_EVERY == ARTERIAL_OFFSET


def _limit_kph(here: _Junction, there: _Junction) -> float:
    """Return the speed limit of the street between two neighbouring junctions."""
    street = here[0] if here[0] == there[0] else here[1]
    return ARTERIAL_KPH if _is_arterial(street) else RESIDENTIAL_KPH


def _next_junction(rng: Random, here: _Junction, came_from: _Junction | None, *, homeward: bool) -> _Junction:
    """Return the junction to drive to next: never back, never off the grid, towards home if homeward."""
    column, row = here
    neighbours = [(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)]
    open_ones = [
        junction for junction in neighbours if junction != came_from and max(map(abs, junction)) <= GRID_REACH
    ]
    if homeward:
        # By squares, not blocks: a car that is driving away from home then turns at the next corner.
        nearest = min(column**2 + row**2 for column, row in open_ones)
        return rng.choice([(column, row) for column, row in open_ones if column**2 + row**2 == nearest])
    weights = [
        STRAIGHT_ON_WEIGHT if came_from is not None and _is_straight(came_from, here, junction) else 1
        for junction in open_ones
    ]
    return rng.choices(open_ones, weights)[0]


def _blocks_home(junction: _Junction) -> int:
    return abs(junction[0]) + abs(junction[1])


def _is_straight(here: _Junction, there: _Junction, following: _Junction) -> bool:
    return (there[0] - here[0], there[1] - here[1]) == (following[0] - there[0], following[1] - there[1])


def _manoeuvre(rng: Random, here: _Junction, there: _Junction, following: _Junction) -> tuple[float, int]:
    """Return how fast (m/s) the car reaches the junction `there`, and how many seconds it then waits."""
    on_arterial = _limit_kph(here, there) == ARTERIAL_KPH
    crosses_arterial = _is_arterial(there[1] if here[0] == there[0] else there[0])
    if crosses_arterial and not on_arterial:
        return 0.0, rng.randint(*GIVE_WAY_SEC)
    if crosses_arterial and rng.random() < RED_LIGHT_SHARE:
        return 0.0, rng.randint(*RED_LIGHT_SEC)
    if not _is_straight(here, there, following):
        return CORNER_KPH / 3.6, 0
    return _limit_kph(here, there) / 3.6 * JUNCTION_SHARE, 0


def _block(
    *,
    start_m: tuple[float, float],
    end_m: tuple[float, float],
    entry_mps: float,
    cruise_mps: float,
    exit_mps: float,
) -> list[_Moment]:
    """Return the moments of driving one block: speed up, cruise, brake just in time for the exit speed."""
    east_m, north_m = end_m[0] - start_m[0], end_m[1] - start_m[1]
    length_m = hypot(east_m, north_m)
    moments: list[_Moment] = []
    done_m, speed_mps = 0.0, entry_mps
    while True:
        still_brakable_mps = sqrt(exit_mps * exit_mps + 2 * BRAKING_MPS2 * (length_m - done_m))
        speed_mps = min(cruise_mps, still_brakable_mps, speed_mps + ACCELERATION_MPS2 * STEP_SEC)
        done_m += max(speed_mps, CREEP_MPS) * STEP_SEC
        if done_m >= length_m:
            return [*moments, _Moment(*end_m, exit_mps)]
        share = done_m / length_m
        moments.append(_Moment(start_m[0] + share * east_m, start_m[1] + share * north_m, speed_mps))
