"""All that decides about one booking, read in one round trip: rules, hours, what is taken, prices.

`read_situation` loads it; `refuse_time` and `price_at` ask the RULEs of availability and catalog.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec

from driveflow.availability import slots
from driveflow.availability.booking_sql import parse_exceptions, parse_windows
from driveflow.availability.slots import DayException, Interval, RefusalReason, SlotRules, WeeklyWindow
from driveflow.bookings import sql
from driveflow.bookings.cancellation import CancellationPolicy, parse_tiers
from driveflow.bookings.models import INSTRUCTOR_NO_OVERLAP, STUDENT_NO_OVERLAP
from driveflow.catalog import pricing
from driveflow.catalog.booking_sql import parse_cards
from driveflow.catalog.pricing import PriceQuote, RateCardFacts
from driveflow.core import clock
from driveflow.core.db import constraint_as
from driveflow.core.errors import ConflictError, NotFoundError

NO_BOOKING = UUID(int=0)

_OVERLAPS = frozenset({RefusalReason.INSTRUCTOR_BUSY, RefusalReason.STUDENT_BUSY})


@dataclass(frozen=True, slots=True)
class Situation:
    """What holds for one instructor, student and service around one time."""

    time_zone: str
    fee_bps: int
    instructor_fee_bps: int | None
    policy: CancellationPolicy
    hold_minutes: int
    buffer_minutes: int
    min_notice_minutes: int
    horizon_days: int
    slot_step_minutes: int
    duration_min: int
    cards: tuple[tuple[RateCardFacts, int | None], ...]
    windows: tuple[WeeklyWindow, ...]
    exceptions: tuple[DayException, ...]
    busy: list[Interval]
    student_busy: list[Interval]


async def read_situation(
    connection: asyncpg.Connection,
    org_id: UUID,
    *,
    instructor_id: UUID,
    student_id: UUID,
    service_id: UUID,
    start_at: datetime,
    moving: UUID = NO_BOOKING,
) -> Situation:
    """Return the situation around `start_at`; a booking that is being `moving` is not in its own way.

    The caller holds the locks on instructor and student. Raises NotFoundError when any of the three is
    missing, ConflictError `service_inactive` or `instructor_inactive`.
    """
    reach = timedelta(hours=2 * sql.LONGEST_LESSON_HOURS)
    row = await connection.fetchrow(
        sql.SITUATION,
        org_id,
        instructor_id,
        student_id,
        service_id,
        start_at - reach,
        start_at + reach,
        (start_at - reach).date(),
        (start_at + reach).date(),
        moving,
    )
    if (
        row is None
        or row["instructor_active"] is None
        or row["student_id"] is None
        or row["duration_min"] is None
    ):
        raise NotFoundError
    if moving == NO_BOOKING and not row["service_active"]:
        raise ConflictError("This service is not offered any more.", code="service_inactive")
    if not row["instructor_active"]:
        raise ConflictError("This instructor takes no bookings at present.", code="instructor_inactive")
    return Situation(
        time_zone=row["time_zone"],
        fee_bps=row["fee_bps"],
        instructor_fee_bps=row["instructor_fee_bps"],
        policy=parse_tiers(msgspec.json.decode(row["cancellation_tiers"])),
        hold_minutes=row["hold_minutes"],
        buffer_minutes=row["buffer_minutes"],
        min_notice_minutes=row["min_notice_minutes"],
        horizon_days=row["horizon_days"],
        slot_step_minutes=row["slot_step_minutes"],
        duration_min=row["duration_min"],
        cards=parse_cards(row["cards"]),
        windows=parse_windows(row["windows"]),
        exceptions=parse_exceptions(row["exceptions"]),
        busy=intervals(row["starts"], row["ends"]),
        student_busy=intervals(row["student_starts"], row["student_ends"]),
    )


def intervals(starts: list[int] | None, ends: list[int] | None) -> list[Interval]:
    """Return the starts and ends of two int[] of the database as intervals."""
    return list(zip(starts or (), ends or (), strict=True))


def refuse_time(
    situation: Situation, start_at: datetime, duration_min: int, now: datetime, *, override_hours: bool
) -> None:
    """Raise ConflictError, its code a RefusalReason, unless the lesson could be offered then.

    `override_hours` waives everything but overlaps: that is for staff, and audited.
    """
    start_min = clock.to_epoch_min(start_at)
    end_min = start_min + duration_min
    earliest_min, latest_min = slots.booking_range(now, situation.min_notice_minutes, situation.horizon_days)
    rules = SlotRules(
        zone=situation.time_zone,
        duration_min=duration_min,
        step_min=situation.slot_step_minutes,
        buffer_min=situation.buffer_minutes,
        earliest_min=earliest_min,
        latest_min=latest_min,
    )
    first_day, last_day = clock.days_touching(situation.time_zone, start_min, end_min)
    hours = slots.open_intervals(
        situation.time_zone, situation.windows, situation.exceptions, first_day, last_day
    )
    refusal = slots.refusal(rules, hours, situation.busy, start_min, student_busy=situation.student_busy)
    if refusal is not None and (refusal.reason in _OVERLAPS or not override_hours):
        raise ConflictError(refusal.sentence, code=refusal.reason.value)


def price_at(situation: Situation, start_at: datetime) -> PriceQuote:
    """Return the price of the service on the local day of the lesson; raises ConflictError `no_price`."""
    day = clock.local_date(start_at, situation.time_zone)
    card = pricing.applicable_card((card for card, _ in situation.cards), day)
    price_cents = next((price for candidate, price in situation.cards if candidate is card), None)
    if card is None or price_cents is None:
        raise pricing.no_price(day, card)
    return pricing.price_booking(card, price_cents, situation.fee_bps, situation.instructor_fee_bps)


@contextmanager
def overlaps_as_conflicts() -> Iterator[None]:
    """Turn what the exclusion constraints refuse into the conflict that the RULE would have named."""
    with (
        constraint_as(
            INSTRUCTOR_NO_OVERLAP,
            ConflictError(
                "The instructor already has a lesson at this time.", code=RefusalReason.INSTRUCTOR_BUSY.value
            ),
        ),
        constraint_as(
            STUDENT_NO_OVERLAP,
            ConflictError(
                "The student already has a lesson at this time.", code=RefusalReason.STUDENT_BUSY.value
            ),
        ),
    ):
        yield
