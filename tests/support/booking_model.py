"""What bookings, lessons and trips are promised to do, in plain Python, beside the application's own rules.

Nothing here is imported from the packages under test: the table of moves in the design is written down a
second time, so that the two can disagree. Every lesson lasts an hour and costs 9500 cents; instructors work
around the clock.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
NOTICE = HOUR
HOLD = timedelta(minutes=30)
PRICE_CENTS = 9500
HOLDING = {"requested", "confirmed", "in_progress", "completed"}

OWNER, ANN, BOB, SAM, PAT, TIM = "owner", "ann", "bob", "sam", "pat", "tim"
INSTRUCTORS = (ANN, BOB)
STUDENTS = (SAM, TIM)
LEARNERS = {SAM: SAM, PAT: SAM, TIM: TIM}
"""Whom a student or guardian stands for: Pat is Sam's guardian."""
ACTORS = (OWNER, ANN, BOB, SAM, PAT, TIM)


class Refused(Exception):  # noqa: N818 - a refusal is an answer here, not an error
    """The API must answer with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


FORBIDDEN = (403, "forbidden")
MISSING = (404, "not_found")
IMPOSSIBLE = (409, "invalid_transition")


@dataclass
class ModelTrip:
    """A drive."""

    open: bool = True


@dataclass(eq=False)
class ModelBooking:
    """A booking, its lesson and its trips, with all that must have been written about it."""

    student: str
    instructor: str
    start_at: datetime
    status: str
    hold_expires_at: datetime | None
    version: int = 1
    fee_cents: int | None = None
    waived: bool = False
    lesson: bool = False
    lesson_ended: bool = False
    trips: list[ModelTrip] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)

    @property
    def end_at(self) -> datetime:
        """The planned end."""
        return self.start_at + HOUR

    def change(self, action: str, *topics: str) -> None:
        """Count a change: one version, one audit row, its events."""
        self.version += 1
        self.actions[action] += 1
        self.topics.update(topics)

    def end_lesson(self) -> None:
        """End the lesson and its open trips; a lesson that was never begun is made for it."""
        self.lesson = self.lesson_ended = True
        for trip in self.trips:
            trip.open = False


class Model:
    """A school; each verb changes it or raises Refused."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.bookings: list[ModelBooking] = []

    def visible(self, actor: str) -> list[ModelBooking]:
        """Return what an actor may see."""
        return [booking for booking in self.bookings if _sees(actor, booking)]

    def book(self, actor: str, student: str, instructor: str, start_at: datetime, *, override: bool) -> None:
        """Add a booking."""
        if override and actor != OWNER:
            raise Refused(*FORBIDDEN)
        if actor in INSTRUCTORS and actor != instructor:
            raise Refused(*FORBIDDEN)
        if actor in LEARNERS and LEARNERS[actor] != student:
            raise Refused(*MISSING)
        self._refuse_time(None, student, instructor, start_at, override=override)
        held = actor != OWNER
        booking = ModelBooking(
            student,
            instructor,
            start_at,
            "requested" if held else "confirmed",
            self.now + HOLD if held else None,
        )
        booking.actions["BOOKING_CREATED"] += 1
        booking.topics.update(["booking.created", *(["booking.hold_due"] if held else [])])
        self.bookings.append(booking)

    def confirm(self, actor: str, booking: ModelBooking) -> None:
        """Turn a request into a confirmed booking."""
        if actor != OWNER:
            raise Refused(*FORBIDDEN)
        if booking.status == "confirmed":
            return
        if booking.status != "requested":
            raise Refused(*IMPOSSIBLE)
        booking.status, booking.hold_expires_at = "confirmed", None
        booking.change("BOOKING_CONFIRMED", "booking.confirmed")

    def cancel(
        self, actor: str, booking: ModelBooking, *, reason: bool, for_student: bool, waive: bool
    ) -> None:
        """Cancel, and set the fee."""
        if (for_student or waive) and actor != OWNER:
            raise Refused(*FORBIDDEN)
        _need_sight(actor, booking)
        if booking.status == "cancelled":
            return
        if booking.status in {"completed", "no_show"}:
            raise Refused(*IMPOSSIBLE)
        if booking.status == "in_progress" and actor != OWNER:
            raise Refused(*FORBIDDEN)
        if booking.status == "confirmed":
            if actor in INSTRUCTORS:
                raise Refused(*FORBIDDEN)
            if actor in LEARNERS and self.now >= booking.start_at:
                raise Refused(409, "too_late")
        if booking.status != "requested" and actor == OWNER and not reason:
            raise Refused(422, "reason_required")
        students_fee = booking.status == "confirmed" and (actor in LEARNERS or for_student)
        fee = self._students_fee(booking) if students_fee else 0
        booking.fee_cents = 0 if waive else fee
        booking.waived = waive and fee > 0
        booking.status, booking.hold_expires_at = "cancelled", None
        booking.change("BOOKING_CANCELLED", "booking.cancelled")

    def waive_fee(self, actor: str, booking: ModelBooking) -> None:
        """Waive the fee of a cancelled or missed booking."""
        if actor != OWNER:
            raise Refused(*FORBIDDEN)
        if booking.waived:
            return
        if not booking.fee_cents:
            raise Refused(409, "no_fee")
        booking.fee_cents, booking.waived = 0, True
        booking.change("BOOKING_FEE_WAIVED", "booking.fee_waived")

    def reschedule(
        self,
        actor: str,
        booking: ModelBooking,
        instructor: str,
        start_at: datetime,
        *,
        stale: bool,
        override: bool,
    ) -> None:
        """Move to another time or instructor."""
        if actor in INSTRUCTORS or (override and actor != OWNER):
            raise Refused(*FORBIDDEN)
        _need_sight(actor, booking)
        if stale:
            raise Refused(409, "stale_version")
        if booking.status not in {"requested", "confirmed"}:
            raise Refused(*IMPOSSIBLE)
        if self.now >= booking.start_at:
            raise Refused(409, "too_late")
        if actor in LEARNERS and booking.status == "confirmed" and self._students_fee(booking) > 0:
            raise Refused(409, "late_move")
        if (booking.start_at, booking.instructor) == (start_at, instructor):
            return
        self._refuse_time(booking, booking.student, instructor, start_at, override=override)
        booking.start_at, booking.instructor = start_at, instructor
        booking.change("BOOKING_RESCHEDULED", "booking.rescheduled")

    def start(self, actor: str, booking: ModelBooking) -> None:
        """Begin the lesson."""
        _need_to_run(actor, booking)
        if booking.status == "in_progress":
            return
        if booking.status != "confirmed":
            raise Refused(*IMPOSSIBLE)
        if self.now < booking.start_at - timedelta(minutes=30):
            raise Refused(409, "too_early")
        if self.now >= booking.end_at:
            raise Refused(409, "too_late")
        booking.status, booking.lesson = "in_progress", True
        booking.change("BOOKING_STARTED", "lesson.started", "lesson.auto_close_due")

    def complete(self, actor: str, booking: ModelBooking, *, reason: bool) -> None:
        """End the lesson."""
        _need_to_run(actor, booking)
        if booking.status == "completed":
            return
        if booking.status not in {"in_progress", "confirmed"}:
            raise Refused(*IMPOSSIBLE)
        if booking.status == "confirmed":
            if actor != OWNER:
                raise Refused(*FORBIDDEN)
            if self.now < booking.end_at:
                raise Refused(409, "too_early")
            if not reason:
                raise Refused(422, "reason_required")
        self._close(booking)

    def no_show(self, actor: str, booking: ModelBooking) -> None:
        """Record that the student did not come."""
        _need_to_run(actor, booking)
        if booking.status == "no_show":
            return
        if booking.status != "confirmed":
            raise Refused(*IMPOSSIBLE)
        if self.now < booking.start_at + timedelta(minutes=15):
            raise Refused(409, "too_early")
        booking.status, booking.fee_cents = "no_show", PRICE_CENTS
        booking.change("BOOKING_NO_SHOW", "booking.no_show")

    def start_trip(self, actor: str, booking: ModelBooking) -> bool:
        """Begin a drive, or find the one that runs; return whether it is new."""
        _need_to_run(actor, booking)
        if booking.status != "in_progress":
            raise Refused(409, "lesson_not_running")
        if any(trip.open for trip in booking.trips):
            return False
        booking.trips.append(ModelTrip())
        return True

    def stop_trip(self, actor: str, booking: ModelBooking) -> None:
        """End the latest drive; again changes nothing."""
        _need_to_run(actor, booking)
        booking.trips[-1].open = False

    def run_timers(self) -> None:
        """Do what the worker does: let go of holds, close lessons that nobody closed."""
        for booking in self.bookings:
            if booking.hold_expires_at is not None and self.now >= booking.hold_expires_at:
                booking.status, booking.hold_expires_at, booking.fee_cents = "cancelled", None, 0
                booking.change("BOOKING_EXPIRED", "booking.cancelled")
            if booking.status == "in_progress" and self.now >= booking.end_at + 2 * HOUR:
                self._close(booking)

    def _close(self, booking: ModelBooking) -> None:
        booking.status = "completed"
        booking.end_lesson()
        booking.change("BOOKING_COMPLETED", "booking.completed", "lesson.completed")

    def _students_fee(self, booking: ModelBooking) -> int:
        notice = booking.start_at - self.now
        if notice >= 24 * HOUR:
            return 0
        return PRICE_CENTS // 2 if notice >= 2 * HOUR else PRICE_CENTS

    def _refuse_time(
        self,
        moving: ModelBooking | None,
        student: str,
        instructor: str,
        start_at: datetime,
        *,
        override: bool,
    ) -> None:
        others = [
            other
            for other in self.bookings
            if other is not moving and other.status in HOLDING and abs(other.start_at - start_at) < HOUR
        ]
        if any(other.instructor == instructor for other in others):
            raise Refused(409, "instructor_busy")
        if any(other.student == student for other in others):
            raise Refused(409, "student_busy")
        if start_at < self.now + NOTICE and not override:
            raise Refused(409, "too_soon")


def _sees(actor: str, booking: ModelBooking) -> bool:
    return actor in {OWNER, booking.instructor} or LEARNERS.get(actor) == booking.student


def _need_sight(actor: str, booking: ModelBooking) -> None:
    if not _sees(actor, booking):
        raise Refused(*MISSING)


def _need_to_run(actor: str, booking: ModelBooking) -> None:
    if actor in LEARNERS:
        raise Refused(*FORBIDDEN)
    _need_sight(actor, booking)
