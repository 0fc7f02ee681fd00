"""Decide which GPS fixes of a trip are believable, and measure the track that they draw.

A phone in a lesson sends batches of fixes. Some are nonsense, and each kind is refused with its own reason:

* **out_of_range**: no such place or speed, or exactly 0, 0, which receivers send when they have no position.
* **inaccurate**: the receiver itself says that it may be off by more than 100 m, or that its answer is
  invalid (phones mark that with a negative accuracy).
* **before_trip, after_trip, in_future**: not within the trip, give or take a minute for a phone's clock.
* **out_of_order**: earlier than a fix accepted before it in the same batch. Batches among each other may come
  in any order: a phone without reception buffers, so an old batch arriving after a newer one is ordinary.
* **impossible_speed**: reported faster than 200 km/h, or so far from its neighbour in time that a car at
  200 km/h could not have covered the distance even if both fixes were off by their whole accuracy. The
  neighbours are the accepted fix before it (in the batch, or the stored `previous`) and the stored
  `following`, if any. A wrong fix that slipped in does not block the rest of the trip: the distance allowed
  grows with the time since.

A fix with the time of one already known is a **duplicate**: the phone repeats itself because it missed our
answer. It is neither accepted nor refused, so that sending a batch again is harmless. The first one counts.

The kinds are those of the filters of Traccar's server (https://www.traccar.org/configuration-file/): zero,
invalid, duplicate, future, accuracy and maximum speed.

Coordinates are floats: a double is good for a hundredth of a micrometre where the column keeps 6 decimals
(11 cm), and batches of 100 are judged hundreds of times a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import asin, cos, pi, sin, sqrt
from typing import NamedTuple

MAX_POINTS_PER_BATCH = 1000
MAX_ACCURACY_M = 100.0
MAX_SPEED_KPH = 200.0
CLOCK_TOLERANCE = timedelta(seconds=60)
# Mean radius of the Earth, (2a + b) / 3 of WGS 84, as the IUGG defines it.
EARTH_RADIUS_M = 6_371_008.8
MAX_LAT = 90.0
MAX_LNG = 180.0
# What a fix may be off when it does not say: twice the 5 to 10 m of a phone under open sky.
ASSUMED_ACCURACY_M = 20.0
# The column is numeric(6, 2).
MAX_REPRESENTABLE_KPH = 9999.99

# Steps shorter than this are taken for the receiver's noise; they add up until they exceed it.
MIN_STEP_M = 10.0
# Receivers measure speed by Doppler shift, far better than position: below this the car stands...
STANDING_KPH = 3.0
# ...and its position may wander this far without the car having moved.
STANDING_DRIFT_M = 30.0

_MPS_PER_KPH = 1 / 3.6
_RADIANS_PER_DEGREE = pi / 180
_METRES_PER_DEGREE = EARTH_RADIUS_M * _RADIANS_PER_DEGREE


class Fix(NamedTuple):
    """One position of a phone: aware UTC time, degrees (WGS 84), km/h, radius of its error in metres."""

    ts: datetime
    lat: float
    lng: float
    speed_kph: float | None = None
    accuracy_m: float | None = None


class RejectReason(StrEnum):
    """Why a fix is refused; part of the API."""

    OUT_OF_RANGE = "out_of_range"
    INACCURATE = "inaccurate"
    BEFORE_TRIP = "before_trip"
    AFTER_TRIP = "after_trip"
    IN_FUTURE = "in_future"
    OUT_OF_ORDER = "out_of_order"
    IMPOSSIBLE_SPEED = "impossible_speed"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused fix: its place in the batch (from 0), the reason, and a sentence for a person."""

    index: int
    reason: RejectReason
    message: str


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """What becomes of a batch: every fix is accepted, rejected or one of the `duplicates`.

    The accepted fixes strictly increase in time.
    """

    accepted: tuple[Fix, ...]
    rejected: tuple[Rejection, ...]
    duplicates: int


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """The measures of a track; `max_speed_kph` is the fastest reported speed, None if no fix reports one."""

    distance_m: int
    duration_sec: int
    max_speed_kph: float | None


def distance_m(from_lat: float, from_lng: float, to_lat: float, to_lng: float) -> float:
    """Return the distance in metres between two places in degrees, on a sphere (within 0.6 % of WGS 84)."""
    half_dlat = sin((to_lat - from_lat) * _RADIANS_PER_DEGREE / 2)
    half_dlng = sin((to_lng - from_lng) * _RADIANS_PER_DEGREE / 2)
    chord = half_dlat * half_dlat + (
        cos(from_lat * _RADIANS_PER_DEGREE) * cos(to_lat * _RADIANS_PER_DEGREE) * half_dlng * half_dlng
    )
    # Rounding can lift the value for antipodes above 1, where asin is undefined.
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, chord)))


def judge_batch(
    fixes: Sequence[Fix],
    *,
    trip_started_at: datetime,
    trip_ended_at: datetime | None,
    now: datetime,
    previous: Fix | None,
    following: Fix | None = None,
    max_accuracy_m: float = MAX_ACCURACY_M,
    max_speed_kph: float = MAX_SPEED_KPH,
) -> BatchVerdict:
    """Sort the fixes of one batch into accepted, rejected and duplicates.

    Args:
        fixes: the batch in the order in which it was sent; its size is the caller's to limit.
        trip_started_at: the start of the trip, aware like every time here.
        trip_ended_at: its end, None while it runs. Late batches of an ended trip are welcome.
        now: the time of the request.
        previous: the stored fix at or nearest before the first of the batch.
        following: the stored fix at or nearest after the last of the batch, if the batch is a late one.
        max_accuracy_m: the largest error radius to believe.
        max_speed_kph: the fastest speed to believe.
    """
    earliest = trip_started_at - CLOCK_TOLERANCE
    latest = now + CLOCK_TOLERANCE
    if trip_ended_at is not None:
        latest = min(latest, trip_ended_at + CLOCK_TOLERANCE)
    known = {stored.ts for stored in (previous, following) if stored is not None}
    accepted: list[Fix] = []
    rejected: list[Rejection] = []
    duplicates = 0
    before = previous
    for index, fix in enumerate(fixes):
        ts = fix.ts
        if ts in known:
            duplicates += 1
            continue
        fault = _value_fault(fix, max_accuracy_m, max_speed_kph)
        if fault is None and not earliest <= ts <= latest:
            fault = _time_fault(ts, earliest, now)
        if fault is None and accepted and ts < accepted[-1].ts:
            fault = (RejectReason.OUT_OF_ORDER, "The fix is earlier than one before it in the batch.")
        fault = fault or _leap_fault(before, fix, max_speed_kph) or _leap_fault(following, fix, max_speed_kph)
        if fault is None:
            accepted.append(fix)
            known.add(ts)
            before = fix
        else:
            rejected.append(Rejection(index, *fault))
    return BatchVerdict(tuple(accepted), tuple(rejected), duplicates)


def measure(fixes: Sequence[Fix]) -> TrackSummary:
    """Return the measures of a track whose fixes are believable and sorted by time.

    The distance is walked in steps from an anchor: a fix nearer to it than `MIN_STEP_M`, or than the error
    radius of either, is noise and moves nothing; the first one further away adds its distance and becomes the
    anchor. So a slow car adds up, and a parked one does not. While two fixes in a row say that the car
    stands, only a step beyond `STANDING_DRIFT_M` counts: it drove between two stops without being heard.
    Less than one such step may be missing at the end of the track.
    """
    if not fixes:
        return TrackSummary(distance_m=0, duration_sec=0, max_speed_kph=None)
    total_m = 0.0
    anchor = before = fixes[0]
    for fix in fixes[1:]:
        step_m = distance_m(anchor.lat, anchor.lng, fix.lat, fix.lng)
        if step_m > _noise_m(anchor, before, fix):
            total_m += step_m
            anchor = fix
        before = fix
    return TrackSummary(
        distance_m=round(total_m),
        duration_sec=round((fixes[-1].ts - fixes[0].ts).total_seconds()),
        max_speed_kph=max((fix.speed_kph for fix in fixes if fix.speed_kph is not None), default=None),
    )


_Fault = tuple[RejectReason, str]


def _value_fault(fix: Fix, max_accuracy_m: float, max_speed_kph: float) -> _Fault | None:
    """Return what is wrong with the values of a fix; NaN fails every comparison, so it is refused."""
    _, lat, lng, speed_kph, accuracy_m = fix
    if not (-MAX_LAT <= lat <= MAX_LAT and -MAX_LNG <= lng <= MAX_LNG):
        return RejectReason.OUT_OF_RANGE, "Latitude must be within -90 to 90, longitude within -180 to 180."
    if lat == 0.0 and lng == 0.0:
        return RejectReason.OUT_OF_RANGE, "The receiver had no position (0, 0)."
    if accuracy_m is not None and not 0.0 <= accuracy_m <= max_accuracy_m:
        return RejectReason.INACCURATE, f"The accuracy must be within 0 to {max_accuracy_m:g} m."
    if speed_kph is None or 0.0 <= speed_kph <= max_speed_kph:
        return None
    if not 0.0 <= speed_kph <= MAX_REPRESENTABLE_KPH:
        return RejectReason.OUT_OF_RANGE, f"The speed must be within 0 to {MAX_REPRESENTABLE_KPH} km/h."
    return RejectReason.IMPOSSIBLE_SPEED, f"The reported speed is above {max_speed_kph:g} km/h."


def _time_fault(ts: datetime, earliest: datetime, now: datetime) -> _Fault:
    """Return which side of the trip a fix outside of it is on; a fast clock outranks the trip's end."""
    if ts < earliest:
        return RejectReason.BEFORE_TRIP, "The fix is from before the trip."
    if ts > now + CLOCK_TOLERANCE:
        return RejectReason.IN_FUTURE, "The fix is from the future; check the phone's clock."
    return RejectReason.AFTER_TRIP, "The fix is from after the end of the trip."


def _leap_fault(neighbour: Fix | None, fix: Fix, max_speed_kph: float) -> _Fault | None:
    """Return the fault of a fix that is too far from its neighbour in time, whichever of them came first."""
    if neighbour is None:
        return None
    elapsed_sec = abs((fix.ts - neighbour.ts).total_seconds())
    # Receivers that do not know their accuracy send none or 0.
    noise_m = (neighbour.accuracy_m or ASSUMED_ACCURACY_M) + (fix.accuracy_m or ASSUMED_ACCURACY_M)
    allowed_m = noise_m + max_speed_kph * _MPS_PER_KPH * elapsed_sec
    # Along the meridian and then along an equator is never shorter, and nearly every fix passes already so.
    if (abs(fix.lat - neighbour.lat) + abs(fix.lng - neighbour.lng)) * _METRES_PER_DEGREE <= allowed_m:
        return None
    leap_m = distance_m(neighbour.lat, neighbour.lng, fix.lat, fix.lng)
    if leap_m <= allowed_m:
        return None
    return (
        RejectReason.IMPOSSIBLE_SPEED,
        f"{leap_m:.0f} m from the fix {elapsed_sec:.0f} s apart from it is above {max_speed_kph:g} km/h.",
    )


def _noise_m(anchor: Fix, before: Fix, fix: Fix) -> float:
    """Return how far in metres a fix may lie from the anchor without the car having moved."""
    if (
        before.speed_kph is not None
        and before.speed_kph < STANDING_KPH
        and fix.speed_kph is not None
        and fix.speed_kph < STANDING_KPH
    ):
        drift_m = STANDING_DRIFT_M
    else:
        drift_m = MIN_STEP_M
    return max(drift_m, anchor.accuracy_m or 0.0, fix.accuracy_m or 0.0)
