"""Calendar files (RFC 5545): one lesson as an event, its time zone, and the file around them.

A message attaches `booking_event_ics`; a feed puts many `booking_event` into one `calendar`. Both give a
lesson the same UID, so that a reader who has it from either side sees one entry.

The method of an attached file is PUBLISH, and CANCEL once the lesson is cancelled (RFC 5546, sections 4.1.1
to 4.1.3). REQUEST would need the reader as ATTENDEE, and would have Outlook and Gmail send "accepted" and
"declined" mails to the school, which nobody reads; to a booking one answers in DriveFlow. Apple's, Google's
and Microsoft's calendars take a published event from an attachment, replace the one with the same UID when
its SEQUENCE is higher, and remove it on CANCEL.

The time zone is written out as the changes of its clocks in the years of the events, each with an observance
of its own: Outlook does not read RDATE in a VTIMEZONE. (icalendar's own generator uses RDATE, and puts the
change into summer time an hour late.)
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Event, Timezone, TimezoneDaylight, TimezoneStandard, vCalAddress

from driveflow.core.clock import zone

PRODUCT_ID: Final = "-//DriveFlow//Lessons//EN"
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class Method(StrEnum):
    """What a file asks its reader's calendar to do (RFC 5546)."""

    PUBLISH = "PUBLISH"
    CANCEL = "CANCEL"


def booking_event_ics(
    *,
    booking_id: UUID,
    sequence: int,
    start_at: datetime,
    end_at: datetime,
    time_zone: str,
    summary: str,
    description: str,
    location: str,
    organizer_name: str,
    organizer_email: str,
    cancelled: bool,
    now: datetime,
) -> bytes:
    """Return the calendar file of one lesson, to be attached to a message.

    `sequence` counts the changes since the booking was made: its version less one. Times are aware,
    `time_zone` is the IANA name in which they are written. `now` becomes the file's stamp. Empty texts are
    left out. Equal values give equal bytes.
    """
    event = booking_event(
        booking_id=booking_id,
        sequence=sequence,
        start_at=start_at,
        end_at=end_at,
        time_zone=time_zone,
        summary=summary,
        description=description,
        location=location,
        organizer_name=organizer_name,
        organizer_email=organizer_email,
        cancelled=cancelled,
        now=now,
    )
    return calendar([event], method=Method.CANCEL if cancelled else Method.PUBLISH)


def method_of(*, cancelled: bool) -> Method:
    """Return the method that `booking_event_ics` writes; the attachment's media type repeats it."""
    return Method.CANCEL if cancelled else Method.PUBLISH


def booking_event(
    *,
    booking_id: UUID,
    sequence: int,
    start_at: datetime,
    end_at: datetime,
    time_zone: str,
    summary: str,
    description: str,
    location: str,
    organizer_name: str,
    organizer_email: str,
    cancelled: bool,
    now: datetime,
) -> Event:
    """Return a lesson as VEVENT, with the parameters of `booking_event_ics`."""
    place = zone(time_zone)
    event = Event()
    event.add("uid", str(booking_id))
    event.add("sequence", sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", start_at.astimezone(place))
    event.add("dtend", end_at.astimezone(place))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if cancelled else "OPAQUE")
    for name, text in (("summary", summary), ("description", description), ("location", location)):
        if text:
            event.add(name, text)
    if organizer_email:
        organizer = vCalAddress(f"mailto:{organizer_email}")
        if organizer_name:
            organizer.params["cn"] = organizer_name
        event["organizer"] = organizer
    return event


def calendar(events: Iterable[Event], *, method: Method | None = None, name: str = "") -> bytes:
    """Return a calendar file of events made by `booking_event`, with the zones they name.

    A feed has no `method`, and a `name` for the list of calendars.
    """
    file = Calendar()
    file.add("prodid", PRODUCT_ID)
    file.add("version", "2.0")
    file.add("calscale", "GREGORIAN")
    if method is not None:
        file.add("method", method.value)
    if name:
        file.add("name", name)
        file.add("x-wr-calname", name)
    chosen = list(events)
    for component in _zones_of(chosen):
        file.add_component(component)
    for event in chosen:
        file.add_component(event)
    return bytes(file.to_ical())


def _zones_of(events: list[Event]) -> list[Timezone]:
    years: dict[str, tuple[int, int]] = {}
    for event in events:
        start, end = event.start, event.end
        if not isinstance(start, datetime) or not isinstance(end, datetime):
            raise TypeError("an event of a booking begins and ends at an instant")
        name = str(start.tzinfo)
        first, last = years.get(name, (start.year, end.year))
        years[name] = min(first, start.year), max(last, end.year)
    # UTC is written with Z and needs no definition.
    return [_timezone(name, *span) for name, span in sorted(years.items()) if name != "UTC"]


@lru_cache(maxsize=256)
def _timezone(name: str, first_year: int, last_year: int) -> Timezone:
    """Return the zone as its clocks are set from the beginning of one year to the end of another."""
    place = zone(name)
    instant = datetime(first_year, 1, 1, tzinfo=UTC) - _DAY
    end = datetime(last_year + 1, 1, 1, tzinfo=UTC) + _DAY
    component = Timezone()
    component.add("tzid", name)
    component.add_component(_observance(instant, instant.astimezone(place)))
    while instant < end:
        if _offset(instant, place) != _offset(instant + _DAY, place):
            before, after = _around_change(instant, instant + _DAY, place)
            component.add_component(_observance(before, after))
        instant += _DAY
    return component


def _around_change(lower: datetime, upper: datetime, place: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the last instant with the offset of `lower` and, a second later, the first with the next."""
    offset = _offset(lower, place)
    while upper - lower > _SECOND:
        middle = lower + ((upper - lower) // _SECOND // 2) * _SECOND
        if _offset(middle, place) == offset:
            lower = middle
        else:
            upper = middle
    return lower, upper.astimezone(place)


def _observance(before: datetime, after: datetime) -> Component:
    """Return the clock as it goes from the wall time `after` on; `before` is an instant just before it."""
    offset_from = _offset(before, after.tzinfo)
    component = TimezoneDaylight() if after.dst() else TimezoneStandard()
    # RFC 5545 has the onset as the clock would have shown it without the change.
    component.add("dtstart", after.astimezone(timezone(offset_from)).replace(tzinfo=None))
    component.add("tzname", after.tzname())
    component.add("tzoffsetfrom", offset_from)
    component.add("tzoffsetto", after.utcoffset())
    return component


def _offset(instant: datetime, place: tzinfo | None) -> timedelta:
    return instant.astimezone(place).utcoffset() or timedelta()
