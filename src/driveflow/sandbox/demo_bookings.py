"""The story of each booking of the demo school: who made it, what became of it and when, what it costs.

A story is a list of steps, each of which is a row of the audit log; the booking's row is what the steps lead
to. Prices and fees come from the rules (`catalog/pricing.py`, `bookings/cancellation.py`). No step lies in
the future, and they are in the order in which the services would have taken them.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from driveflow.bookings.cancellation import DEFAULT_POLICY, CancelledBy, no_show_fee, quote
from driveflow.bookings.lifecycle import BookingStatus, initial_status
from driveflow.catalog.pricing import PriceQuote, RateCardFacts, applicable_card, price_booking
from driveflow.core import clock
from driveflow.core.actor import Actor, Role, system_actor
from driveflow.core.audit import Action
from driveflow.sandbox.demo_calendar import GIVES_TIME_BACK, TIME_ZONE, DemoService, Outcome, PlannedBooking
from driveflow.sandbox.demo_people import DemoInstructor, DemoStudent, demo_id

FEE_BPS: Final = 500
HOLD_MINUTES: Final = 24 * 60
"""The demo school answers requests within a day, so that its diary shows some whenever one looks."""

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

_STATUS: Final = {
    Outcome.COMPLETED: BookingStatus.COMPLETED,
    Outcome.NO_SHOW: BookingStatus.NO_SHOW,
    Outcome.RUNNING: BookingStatus.IN_PROGRESS,
    Outcome.REQUESTED: BookingStatus.REQUESTED,
    Outcome.CONFIRMED: BookingStatus.CONFIRMED,
    Outcome.MOVED: BookingStatus.CONFIRMED,
    **dict.fromkeys(GIVES_TIME_BACK, BookingStatus.CANCELLED),
}
# Seconds before the start, from and to, at which somebody cancels.
_NOTICE_SEC: Final = {
    Outcome.CANCELLED_EARLY: (26 * _HOUR, 96 * _HOUR),
    Outcome.CANCELLED_LATE: (3 * _HOUR, 20 * _HOUR),
    Outcome.CANCELLED_LAST_MINUTE: (10 * _MINUTE, 110 * _MINUTE),
    Outcome.CANCELLED_BY_SCHOOL: (4 * _HOUR, 40 * _HOUR),
}
_REASONS: Final = {
    Outcome.CANCELLED_EARLY: ("Exam on that day", "Family trip", "Changed shifts at work", None),
    Outcome.CANCELLED_LATE: ("Homework", "Feeling unwell", "No lift home from practice"),
    Outcome.CANCELLED_LAST_MINUTE: ("Forgot about it, sorry", "Missed the bus"),
    Outcome.CANCELLED_BY_SCHOOL: ("Car at the mechanic", "Instructor unwell", "Storm warning"),
}
_BOOKING_NOTES: Final = (
    *[None] * 6,
    "Please practise reverse parallel parking.",
    "Pick up at the school gate if it rains.",
    "First time on the motorway.",
    "Mock driving test, please.",
    "Roundabouts and lane changes.",
)


@dataclass(frozen=True, slots=True)
class DemoSchoolRules:
    """What the school decides: its id, owner, default rate cards and the price of a service on each."""

    org_id: UUID
    owner_user_id: UUID
    cards: tuple[RateCardFacts, ...]
    prices: dict[tuple[UUID, UUID], int]

    def quote(self, service: DemoService, instructor: DemoInstructor, on: date) -> PriceQuote:
        """Return the price of a lesson on a local day; the demo's cards price every service on every day."""
        card = applicable_card(self.cards, on)
        if card is None:
            raise LookupError(f"no rate card of the demo school covers {on}")
        return price_booking(card, self.prices[card.id, service.id], FEE_BPS, instructor.fee_bps)

    @property
    def owner(self) -> Actor:
        """The office: the owner at the desk."""
        return Actor(org_id=self.org_id, role=Role.OWNER, user_id=self.owner_user_id)

    def instructor(self, person: DemoInstructor) -> Actor:
        """Return an instructor as an actor."""
        return Actor(
            org_id=self.org_id, role=Role.INSTRUCTOR, user_id=person.user_id, instructor_id=person.id
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the audit log; `before` and `after` hold the changed fields."""

    at: datetime
    actor: Actor
    action: Action
    entity_type: str
    entity_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoBooking:
    """A booking with what became of it; `changes` are the columns that the steps after its making set."""

    plan: PlannedBooking
    id: UUID
    status: BookingStatus
    quote: PriceQuote
    notes: str | None
    hold_expires_at: datetime | None
    changes: dict[str, Any]
    steps: tuple[Step, ...]


def tell_booking(rng: Random, plan: PlannedBooking, rules: DemoSchoolRules, now: datetime) -> DemoBooking:
    """Return the story of a planned booking; the steps of its lesson are those of `demo_lessons.py`."""
    outcome = plan.outcome
    never_confirmed = outcome in {Outcome.REQUESTED, Outcome.EXPIRED}
    # Two of three are requested online, the others are made by the office on the phone.
    learner = _learner(rng, plan.student, rules.org_id)
    maker = learner if never_confirmed or rng.randrange(3) else rules.owner
    cancelled_at = _cancelled_at(rng, plan, now)
    created_at = _created_at(rng, plan, cancelled_at, now)
    story = _Story(rng, plan, rules, created_at)
    story.make(maker)
    if maker is learner and not never_confirmed:
        story.confirm()
    if outcome is Outcome.MOVED:
        story.move(maker)
    elif outcome is Outcome.NO_SHOW:
        story.miss()
    elif outcome is Outcome.EXPIRED:
        story.expire()
    elif cancelled_at is not None:
        story.cancel(rules.owner if outcome is Outcome.CANCELLED_BY_SCHOOL else learner, cancelled_at)
    return DemoBooking(
        plan=plan,
        id=story.id,
        status=_STATUS[outcome],
        quote=story.quote,
        notes=rng.choice(_BOOKING_NOTES),
        hold_expires_at=story.hold_expires_at if outcome is Outcome.REQUESTED else None,
        changes=story.changes,
        steps=tuple(story.steps),
    )


class _Story:
    """Writes the steps of one booking, in order."""

    def __init__(
        self, rng: Random, plan: PlannedBooking, rules: DemoSchoolRules, created_at: datetime
    ) -> None:
        self.id = demo_id("booking", plan.number)
        self.quote = rules.quote(plan.service, plan.instructor, clock.local_date(plan.start_at, TIME_ZONE))
        self.hold_expires_at = created_at + timedelta(minutes=HOLD_MINUTES)
        self.changes: dict[str, Any] = {}
        self.steps: list[Step] = []
        self._rng, self._plan, self._rules = rng, plan, rules
        self._created_at = created_at
        self._status: BookingStatus | None = None

    def make(self, maker: Actor) -> None:
        """The office makes confirmed bookings, everybody else requests."""
        plan = self._plan
        self._step(
            self._created_at,
            maker,
            Action.BOOKING_CREATED,
            initial_status(maker.role),
            student_id=plan.student.id,
            instructor_id=plan.instructor.id,
            service_id=plan.service.id,
            start_at=plan.start_at if plan.outcome is not Outcome.MOVED else self._moved_from,
            end_at=plan.end_at if plan.outcome is not Outcome.MOVED else self._moved_from + self._length,
            price_cents=self.quote.price_cents,
            currency=self.quote.currency,
        )

    def confirm(self) -> None:
        """The office answers within the day."""
        at = _later(self._rng, self._created_at, 3 * _MINUTE, 10 * _HOUR)
        self._step(at, self._rules.owner, Action.BOOKING_CONFIRMED, BookingStatus.CONFIRMED)

    def move(self, mover: Actor) -> None:
        """It stood a day later first."""
        at = _later(self._rng, self._created_at, 11 * _HOUR, 20 * _HOUR)
        before = {"start_at": self._moved_from, "end_at": self._moved_from + self._length}
        after = {"start_at": self._plan.start_at, "end_at": self._plan.end_at}
        self.steps.append(Step(at, mover, Action.BOOKING_RESCHEDULED, "Booking", self.id, before, after))

    def miss(self) -> None:
        """The instructor waited in vain."""
        self.changes["fee_cents"] = no_show_fee(DEFAULT_POLICY, self.quote.price_cents)
        at = _later(self._rng, self._plan.start_at, 16 * _MINUTE, 24 * _MINUTE)
        actor = self._rules.instructor(self._plan.instructor)
        self._step(at, actor, Action.BOOKING_NO_SHOW, BookingStatus.NO_SHOW, **self.changes)

    def expire(self) -> None:
        """Nobody answered the request."""
        at, by = self.hold_expires_at, system_actor(self._rules.org_id)
        self.changes = _cancellation(at, CancelledBy.SYSTEM, "The hold expired.", 0)
        self._step(at, by, Action.BOOKING_EXPIRED, BookingStatus.CANCELLED, **self.changes)

    def cancel(self, actor: Actor, at: datetime) -> None:
        """The fee is what the policy says at that moment."""
        by = _CANCELLED_BY[actor.role]
        cost = quote(
            DEFAULT_POLICY, self.quote.price_cents, self._plan.start_at, at, by=by, was_confirmed=True
        )
        reason = self._rng.choice(_REASONS[self._plan.outcome])
        self.changes = _cancellation(at, by, reason, cost.fee_cents)
        self._step(at, actor, Action.BOOKING_CANCELLED, BookingStatus.CANCELLED, **self.changes)

    @property
    def _length(self) -> timedelta:
        return self._plan.end_at - self._plan.start_at

    @property
    def _moved_from(self) -> datetime:
        return self._plan.start_at + timedelta(days=1)

    def _step(
        self, at: datetime, actor: Actor, action: Action, status: BookingStatus, **more: object
    ) -> None:
        before = {"status": self._status} if self._status is not None else None
        self._status = status
        after = {"status": status, **more}
        self.steps.append(Step(at, actor, action, "Booking", self.id, before, after))


def _cancellation(at: datetime, by: CancelledBy, reason: str | None, fee_cents: int) -> dict[str, Any]:
    return {"cancelled_at": at, "cancelled_by": by.value, "cancel_reason": reason, "fee_cents": fee_cents}


def _cancelled_at(rng: Random, plan: PlannedBooking, now: datetime) -> datetime | None:
    notice = _NOTICE_SEC.get(plan.outcome)
    if notice is None:
        return None
    at = plan.start_at - timedelta(seconds=rng.randrange(*notice))
    return min(at, now - timedelta(seconds=rng.randrange(5 * _MINUTE, 8 * _HOUR)))


def _created_at(rng: Random, plan: PlannedBooking, cancelled_at: datetime | None, now: datetime) -> datetime:
    """Return a moment at least a day before the start, the cancellation and now, but for an open request."""
    if plan.outcome is Outcome.REQUESTED:
        return now - timedelta(seconds=rng.randrange(5 * _MINUTE, HOLD_MINUTES * _MINUTE - 3 * _HOUR))
    # A request needs a day to run out before its lesson.
    days_before = 3 if plan.outcome is Outcome.EXPIRED else 1
    latest = min(plan.start_at, cancelled_at or plan.start_at, now)
    return latest - timedelta(seconds=rng.randrange(days_before * _DAY, 12 * _DAY))


def _later(rng: Random, at: datetime, from_sec: int, to_sec: int) -> datetime:
    return at + timedelta(seconds=rng.randrange(from_sec, to_sec))


def _learner(rng: Random, student: DemoStudent, org_id: UUID) -> Actor:
    """Return the student or their first guardian as an actor."""
    if rng.random() < 0.5:  # noqa: PLR2004 - either
        return Actor(
            org_id=org_id,
            role=Role.STUDENT,
            user_id=student.user_id,
            student_ids=frozenset({student.id}),
        )
    guardian = student.guardians[0]
    return Actor(
        org_id=org_id,
        role=Role.GUARDIAN,
        user_id=guardian.user_id,
        student_ids=frozenset({student.id}),
        guardian_id=guardian.id,
    )


_CANCELLED_BY: Final = {
    Role.STUDENT: CancelledBy.STUDENT,
    Role.GUARDIAN: CancelledBy.GUARDIAN,
    Role.OWNER: CancelledBy.SCHOOL,
}
