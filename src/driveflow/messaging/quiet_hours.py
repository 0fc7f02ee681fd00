"""Decide when a message may go and when a reminder is due; the only place that knows.

Quiet hours are a window of the school's local day, 21:00 to 08:00 unless the school says otherwise; equal
ends mean none. During them SMS and WhatsApp wait until the window ends; e-mail goes at once, as it wakes
nobody. One exception: what concerns a lesson that begins before the window ends, or less than LEAD after,
goes at once by any channel. Better to be woken by "your lesson at 7:00 is cancelled" than to stand at the
kerb.

A reminder is due some minutes before the lesson begins (1440 and 120 unless the school says otherwise). One
whose time is past already when the booking is made or moved is dropped: the confirmation has just said it.
For phones, a reminder that falls into quiet hours waits for their end; if that would leave less than LEAD
before the lesson, it goes before the window begins instead, and is dropped if that is past too. Of several
reminders that so come to the same minute the one nearest to the lesson stays. E-mail reminders keep their
time.

When its time comes a reminder looks at the booking again: it goes only if the booking is confirmed, still
begins when the reminder thinks it does, and has not begun. The start is compared and not the version, which
also counts changes that leave the lesson where it is, such as a new pick-up address: those must not cost
the student the reminder.

Instants are aware UTC. Where the clocks change during the night, the window ends when the wall clock says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from driveflow.core.clock import MINUTES_PER_DAY, zone

LEAD: Final = timedelta(minutes=60)
"""How long before a lesson a message must be there to be of use."""

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A school's quiet window, in minutes of its local day (0..1439)."""

    from_minute: int
    to_minute: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Window:
    """One night's window, [start_at, end_at)."""

    start_at: datetime
    end_at: datetime


class Means(StrEnum):
    """Which channels a reminder is for."""

    ANY = "any"
    MAIL = "mail"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A reminder to be sent at an instant; `minutes_before` says which of the school's it is."""

    minutes_before: int
    at: datetime
    means: Means


def window_at(quiet: QuietHours, instant: datetime) -> Window | None:
    """Return the quiet window that holds an instant, None by day."""
    place = zone(quiet.time_zone)
    wall = instant.astimezone(place)
    minute = wall.hour * 60 + wall.minute
    over_midnight = quiet.from_minute > quiet.to_minute
    if over_midnight:
        if minute >= quiet.from_minute:
            first_day = wall.date()
        elif minute < quiet.to_minute:
            first_day = wall.date() - _DAY
        else:
            return None
    elif quiet.from_minute <= minute < quiet.to_minute:
        first_day = wall.date()
    else:
        return None
    midnight = datetime(first_day.year, first_day.month, first_day.day, tzinfo=place)
    end_minute = quiet.to_minute + (MINUTES_PER_DAY if over_midnight else 0)
    # Arithmetic on an aware wall time moves its hands; the zone then says which instant that is.
    return Window(
        (midnight + quiet.from_minute * _MINUTE).astimezone(UTC),
        (midnight + end_minute * _MINUTE).astimezone(UTC),
    )


def send_at(quiet: QuietHours, now: datetime, *, by_phone: bool, begins_at: datetime | None) -> datetime:
    """Return when a message may go; `begins_at` is the start of the lesson to come that it is about."""
    window = window_at(quiet, now) if by_phone else None
    if window is None:
        return now
    if begins_at is not None and now < begins_at < window.end_at + LEAD:
        return now
    return window.end_at


def plan_reminders(
    quiet: QuietHours, minutes_before: Sequence[int], start_at: datetime, now: datetime
) -> tuple[Reminder, ...]:
    """Return the reminders of a lesson that begins at `start_at`, the earliest first."""
    planned: list[Reminder] = []
    by_phone: dict[datetime, int] = {}
    for minutes in sorted(set(minutes_before)):
        due_at = start_at - minutes * _MINUTE
        window = window_at(quiet, due_at)
        if window is None:
            planned.append(Reminder(minutes, due_at, Means.ANY))
            continue
        planned.append(Reminder(minutes, due_at, Means.MAIL))
        at = window.end_at if window.end_at + LEAD <= start_at else window.start_at - _MINUTE
        # Sorted: the one nearest to the lesson comes first and keeps its place.
        by_phone.setdefault(at, minutes)
    planned += [Reminder(minutes, at, Means.PHONE) for at, minutes in by_phone.items()]
    return tuple(sorted((one for one in planned if one.at > now), key=lambda one: (one.at, one.means)))


def reminder_holds(
    *, is_confirmed: bool, start_at: datetime, reminded_of: datetime, now: datetime
) -> str | None:
    """Return None if a reminder may go, else why not."""
    if not is_confirmed:
        return "the booking is not confirmed any more"
    if start_at != reminded_of:
        return "the booking was moved"
    if now >= start_at:
        return "the lesson has begun"
    return None
