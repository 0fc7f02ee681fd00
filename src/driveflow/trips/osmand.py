"""Read reports of the OsmAnd protocol, which the phone app Traccar Client speaks.

Source: https://www.traccar.org/osmand/. Up to version 8 the app sends query or form parameters (speed in
knots), from version 9 on JSON (speed in m/s). One request is one fix; JSON may also carry a list of them.

The app sends a report again and again until it is taken, and the ones behind it wait. So what is not clearly
an error is read leniently: a report without a position (a heartbeat), or one that calls itself invalid, is
a report without fixes. Whether a fix is believable is decided later, in `track.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite

from driveflow.core.errors import InvalidInputError
from driveflow.trips.track import MAX_POINTS_PER_BATCH, Fix

KPH_PER_KNOT = 1.852
KPH_PER_MPS = 3.6
MAX_TOKEN_LENGTH = 200

# float() would also take "nan", "inf", "1_000" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# Epoch numbers above this are milliseconds: as seconds it is the year 5138, as milliseconds 1973.
_MAX_EPOCH_SECONDS = 100_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OsmandReport:
    """What a phone reports: the token that names it (non-empty, printable), and its fixes as sent."""

    device_token: str
    fixes: tuple[Fix, ...]


def parse_query(params: Mapping[str, str]) -> OsmandReport:
    """Read a report from query or form parameters; unknown parameters are ignored.

    `id` or `deviceid`; `lat` and `lon`, or `location` as "lat,lon"; `timestamp` in seconds or milliseconds
    since 1970, or ISO 8601, UTC unless it says otherwise; `speed` in knots; `accuracy` in metres; `valid`.

    Raises:
        InvalidInputError: a parameter is missing or malformed; the error names it.
    """
    token = _token(params.get("id", params.get("deviceid")), "id")
    lat, lng = params.get("lat"), params.get("lon")
    lat_field, lng_field = "lat", "lon"
    if lat is None and lng is None and "location" in params:
        lat, _, lng = params["location"].partition(",")
        lat_field = lng_field = "location"
    if (lat is None and lng is None) or params.get("valid", "true").lower() in {"false", "0"}:
        return OsmandReport(token, ())
    fix = Fix(
        ts=_time(params.get("timestamp"), "timestamp"),
        lat=_number(lat, lat_field),
        lng=_number(lng, lng_field),
        speed_kph=_speed_kph(params.get("speed"), "speed", KPH_PER_KNOT),
        accuracy_m=_accuracy_m(params.get("accuracy"), "accuracy"),
    )
    return OsmandReport(token, (fix,))


def parse_json(body: object) -> OsmandReport:
    """Read a report from a decoded JSON body; unknown members are ignored.

    `{"device_id", "location": {"timestamp", "coords": {"latitude", "longitude", "speed", "accuracy"}}}` with
    the speed in m/s; `location` may be a list, or null.

    Raises:
        InvalidInputError: a member is missing or malformed; the error names its dotted path.
    """
    if not isinstance(body, dict):
        raise InvalidInputError("The body must be a JSON object.")
    token = _token(body.get("device_id"), "device_id")
    location = body.get("location")
    if not isinstance(location, list):
        return OsmandReport(token, _located(location, "location"))
    if len(location) > MAX_POINTS_PER_BATCH:
        raise InvalidInputError.of("location", f"At most {MAX_POINTS_PER_BATCH} locations fit in a report.")
    parts = [_located(item, f"location.{index}") for index, item in enumerate(location)]
    return OsmandReport(token, tuple(fix for part in parts for fix in part))


def _located(location: object, field: str) -> tuple[Fix, ...]:
    """Return the fix of a JSON location in a tuple, or an empty one if it has no coordinates."""
    if location is None:
        return ()
    if not isinstance(location, dict):
        raise InvalidInputError.of(field, "A location must be a JSON object.")
    coords = location.get("coords")
    if coords is None:
        return ()
    if not isinstance(coords, dict):
        raise InvalidInputError.of(f"{field}.coords", "The coordinates must be a JSON object.")
    fix = Fix(
        ts=_time(location.get("timestamp"), f"{field}.timestamp"),
        lat=_number(coords.get("latitude"), f"{field}.coords.latitude"),
        lng=_number(coords.get("longitude"), f"{field}.coords.longitude"),
        speed_kph=_speed_kph(coords.get("speed"), f"{field}.coords.speed", KPH_PER_MPS),
        accuracy_m=_accuracy_m(coords.get("accuracy"), f"{field}.coords.accuracy"),
    )
    return (fix,)


def _token(value: object, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError.of(field, "The device identifier is missing.")
    token = value.strip()
    if len(token) > MAX_TOKEN_LENGTH or not token.isprintable():
        raise InvalidInputError.of(field, "The device identifier is not one of ours.")
    return token


def _number(value: object, field: str) -> float:
    """Return a finite number given as JSON number or as text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = _as_float(value)
    else:
        raise InvalidInputError.of(field, "Must be a number.")
    if not isfinite(number):
        raise InvalidInputError.of(field, "Must be a finite number.")
    return number


def _as_float(value: float) -> float:
    """Return the number as a float, infinity for an integer that is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _speed_kph(value: object, field: str, kph_per_unit: float) -> float | None:
    """Return the speed in km/h; phones that do not know it send nothing or a negative number."""
    if value is None:
        return None
    speed = _number(value, field)
    return round(speed * kph_per_unit, 2) if speed >= 0 else None


def _accuracy_m(value: object, field: str) -> float | None:
    """Return the error radius in metres; Android sends 0 for unknown, iOS a negative one for invalid."""
    return None if value is None else _number(value, field) or None


def _time(value: object, field: str) -> datetime:
    """Return an aware UTC time from epoch seconds, epoch milliseconds or ISO 8601 (UTC by default)."""
    if value is None or value == "":
        raise InvalidInputError.of(field, "The time is missing.")
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        number = _number(value, field)
        seconds = number if abs(number) < _MAX_EPOCH_SECONDS else number / 1000
        return _EPOCH + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise InvalidInputError.of(field, "Must be seconds since 1970, or an ISO 8601 time.") from None
