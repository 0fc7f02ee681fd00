"""The present instant, and the only conversions between a school's wall clock and UTC.

Everywhere else an instant is an aware UTC `datetime`, or, where many are compared, a whole number of minutes
since 1970-01-01T00:00Z (an *epoch minute*). A wall time only means something together with the school's IANA
time zone, and even then two days a year break the pairing:

* in the *gap*, when clocks go forward, a wall time names no instant: it is refused;
* in the *fold*, when clocks go back, it names two: the caller must say which by its UTC offset.

Not every day is made of 24 hours, starts at 00:00, or exists at all: clocks have gone back over midnight
(St John's until 2011), Lord Howe Island moves by 30 minutes, and Samoa skipped 30 December 2011. So a local
date is treated as what it is, a set of instants: `day_segments`.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from driveflow.core.errors import InvalidInputError

MINUTES_PER_DAY: Final = 1440

Segment = tuple[int, int, int]
"""First epoch minute, first epoch minute after it, and the UTC offset in minutes that holds between them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_MINUTE: Final = timedelta(minutes=1)
# A year from either end of Python's calendar, so that no offset and no lesson leads out of it.
_FIRST_DAY: Final = date(2, 1, 1)
_LAST_DAY: Final = date(9998, 12, 31)
# Names that mean "whatever this machine says" or "not configured".
_NOT_A_PLACE: Final = frozenset({"localtime", "Factory"})


def utc_now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


@cache
def _zone_names() -> frozenset[str]:
    # `zoneinfo.available_timezones` opens each of some 600 files to find the same names.
    return frozenset((files("tzdata") / "zones").read_text().split()) - _NOT_A_PLACE


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name such as `Australia/Sydney`, spelt exactly so.

    Raises InvalidInputError (`unknown_time_zone`, field `time_zone`) for any other name.
    """
    if name not in _zone_names():
        raise InvalidInputError.of(
            "time_zone",
            f"{name!r} is not the name of an IANA time zone, such as Australia/Sydney.",
            code="unknown_time_zone",
        )
    return ZoneInfo(name)


def to_epoch_min(instant: datetime) -> int:
    """Return the epoch minute in which an aware instant lies (seconds are dropped)."""
    return (instant - _EPOCH) // _MINUTE


def from_epoch_min(epoch_min: int) -> datetime:
    """Return the aware UTC instant at which an epoch minute begins."""
    return _EPOCH + epoch_min * _MINUTE


# A diary shows the same minutes again and again, and writing one costs more than looking it up.
@lru_cache(maxsize=200_000)
def epoch_min_text(epoch_min: int) -> str:
    """Return an epoch minute as RFC 3339 in UTC, such as `2026-08-03T23:00:00Z`."""
    return from_epoch_min(epoch_min).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_number(day: date) -> int:
    """Return the number of days from 1970-01-01 to `day`."""
    return day.toordinal() - _EPOCH_ORDINAL


def local_date(instant: datetime, zone_name: str) -> date:
    """Return the date a wall calendar in the zone shows at an aware instant.

    Raises InvalidInputError (`date_out_of_range`) outside the years 2 to 9998.
    """
    _refuse_far_day(instant.date(), "date")
    if instant.tzinfo is None:
        raise TypeError("an instant must carry its UTC offset")
    return instant.astimezone(zone(zone_name)).date()


def minute_of_day(epoch_min: int, zone_name: str) -> int:
    """Return what a wall clock in the zone shows in an epoch minute, as minutes 0..1439 after 00:00."""
    wall = from_epoch_min(epoch_min).astimezone(zone(zone_name))
    return wall.hour * 60 + wall.minute


def local_to_utc(
    wall: datetime, zone_name: str, *, utc_offset: timedelta | None = None, field: str = "start_at"
) -> datetime:
    """Return the UTC instant at which a wall clock in the zone shows the naive time `wall`.

    `utc_offset` picks one of the two instants of a fold; if given, it must be an offset that holds at that
    time. `field` names the input in the error.

    Raises InvalidInputError: `time_does_not_exist` in a gap, `time_is_ambiguous` in a fold without an offset,
    `wrong_utc_offset` for an offset the zone does not have then, `date_out_of_range` outside years 2 to 9998.
    """
    if wall.tzinfo is not None:
        raise TypeError("a wall time must be naive; an instant needs no conversion")
    _refuse_far_day(wall.date(), field)
    tz = zone(zone_name)
    # Outside a gap the two readings of `fold` are the instants of that wall time, equal except in a fold.
    # In a gap neither leads back to it.
    instants: dict[timedelta, datetime] = {}
    for fold in (0, 1):
        instant = wall.replace(tzinfo=tz, fold=fold).astimezone(UTC)
        shown = instant.astimezone(tz).replace(tzinfo=None)
        if shown == wall:
            instants[shown - instant.replace(tzinfo=None)] = instant

    shown_text = wall.isoformat(sep=" ", timespec="minutes")
    if not instants:
        raise InvalidInputError.of(
            field,
            f"{shown_text} does not exist in {zone_name}: the clocks skip it.",
            code="time_does_not_exist",
        )
    offsets = " or ".join(str(timezone(offset)) for offset in instants)
    if utc_offset is not None:
        if utc_offset not in instants:
            raise InvalidInputError.of(
                field, f"At {shown_text} {zone_name} is at {offsets}.", code="wrong_utc_offset"
            )
        return instants[utc_offset]
    if len(instants) > 1:
        raise InvalidInputError.of(
            field,
            f"{shown_text} happens twice in {zone_name}: say whether at {offsets}.",
            code="time_is_ambiguous",
        )
    return next(iter(instants.values()))


@lru_cache(maxsize=4096)
def day_segments(zone_name: str, day: date) -> tuple[Segment, ...]:
    """Return all epoch minutes whose local date is `day`, in order, as segments of constant UTC offset.

    An ordinary day is one segment of 1440 minutes. There are two when the offset changes during it; they need
    not touch, as a fold over midnight shows a piece of the next date in between. A day that the zone skipped
    has none. Every epoch minute lies in exactly one segment of exactly one day.

    Raises InvalidInputError (`date_out_of_range`) outside the years 2 to 9998.
    """
    _refuse_far_day(day, "date")
    tz = zone(zone_name)
    midnight = day_number(day) * MINUTES_PER_DAY
    # Offsets are shorter than 24 hours, so these three UTC days hold all of the local one. They hold at most
    # one change of offset: the closest two on record, in any zone, are 95 hours apart (Freetown, 1939).
    first, end = midnight - MINUTES_PER_DAY, midnight + 2 * MINUTES_PER_DAY
    offset_before, offset_after = _offset_min(tz, first), _offset_min(tz, end)
    change = end if offset_before == offset_after else _offset_change(tz, first, end)
    segments = []
    for lower, upper, offset_min in ((first, change, offset_before), (change, end, offset_after)):
        start_min = max(lower, midnight - offset_min)
        end_min = min(upper, midnight - offset_min + MINUTES_PER_DAY)
        if start_min < end_min:
            segments.append((start_min, end_min, offset_min))
    return tuple(segments)


def day_bounds(zone_name: str, day: date) -> tuple[datetime, datetime]:
    """Return the UTC instants at which a local date begins and ends (half-open).

    After a fold over midnight the end of one date lies behind the beginning of the next. A day that the zone
    skipped begins and ends at the instant of the skip.

    Raises InvalidInputError (`date_out_of_range`) outside the years 2 to 9998.
    """
    segments = day_segments(zone_name, day)
    if not segments:
        skip = day_bounds(zone_name, day - timedelta(days=1))[1]
        return skip, skip
    return from_epoch_min(segments[0][0]), from_epoch_min(segments[-1][1])


def months_from(day: date, months: int) -> date:
    """Return the first day of the month that lies `months` after (or before) the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def days_touching(zone_name: str, start_min: int, end_min: int) -> tuple[date, date]:
    """Return the first and last local date that hold an epoch minute of the non-empty [start_min, end_min).

    Raises InvalidInputError (`date_out_of_range`) outside the years 2 to 9998.
    """
    # Not the dates at both ends: in a fold over midnight an earlier date follows a later one.
    one_day = timedelta(days=1)
    first = _utc_date(start_min // MINUTES_PER_DAY - 1)
    while not _touches(day_segments(zone_name, first), start_min, end_min):
        first += one_day
    last = _utc_date((end_min - 1) // MINUTES_PER_DAY + 1)
    while not _touches(day_segments(zone_name, last), start_min, end_min):
        last -= one_day
    return first, last


def _touches(segments: tuple[Segment, ...], start_min: int, end_min: int) -> bool:
    return any(lower < end_min and start_min < upper for lower, upper, _ in segments)


def _offset_min(tz: ZoneInfo, epoch_min: int) -> int:
    # Before 1972 some offsets have seconds. Rounded down they still give every whole epoch minute the wall
    # minute in which it begins.
    wall = from_epoch_min(epoch_min).astimezone(tz).replace(tzinfo=UTC)
    return to_epoch_min(wall) - epoch_min


def _offset_change(tz: ZoneInfo, before: int, after: int) -> int:
    """Return the first epoch minute with the offset of `after`, by bisection; `before` has another offset."""
    offset_before = _offset_min(tz, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_min(tz, middle) == offset_before:
            before = middle
        else:
            after = middle
    return after


def _utc_date(number: int) -> date:
    ordinal = number + _EPOCH_ORDINAL
    if not _FIRST_DAY.toordinal() <= ordinal <= _LAST_DAY.toordinal():
        raise _far_day("date")
    return date.fromordinal(ordinal)


def _refuse_far_day(day: date, field: str) -> None:
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise _far_day(field)


def _far_day(field: str) -> InvalidInputError:
    return InvalidInputError.of(
        field, f"Dates must lie between {_FIRST_DAY} and {_LAST_DAY}.", code="date_out_of_range"
    )
