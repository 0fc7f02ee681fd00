"""Decide which moves a booking's status allows, for whom and when; the only place that knows.

| move                      | who                               | guard |
|---------------------------|-----------------------------------|-------|
| -> requested              | student, guardian, instructor     | holds the slot until `hold_expires_at` |
| -> confirmed              | staff; the system (demo, imports) | |
| requested -> confirmed    | staff; the system when paid       | |
| requested -> cancelled    | anyone involved; expiry           | expiry: not before `hold_expires_at` |
| confirmed -> in_progress  | its instructor, staff             | from 30 min before the start until the end |
| in_progress -> completed  | its instructor, staff; auto-close | auto-close: from 2 h after the planned end |
| confirmed -> completed    | staff                             | after the planned end, with a reason |
| confirmed -> no_show      | its instructor, staff             | from 15 min after the start |
| confirmed -> cancelled    | student, guardian, staff          | before the start; staff: with a reason |
| in_progress -> cancelled  | staff                             | with a reason |

`completed`, `cancelled` and `no_show` are final. The same move again is a no-op, any other one a conflict.
Staff are owner and admin; they are involved in every booking of their school. The system (worker, webhooks)
makes three moves of a booking, each for one cause only.

Readings where the table leaves room:

* A lesson that begins late is still begun, so "within 30 min of the start" ends at the planned end, not 30
  minutes after the start. After it the start was forgotten, and staff complete the booking with a reason.
* A request whose hold has run out holds its slot until the worker cancels it. Until then staff may confirm it
  and a payment may still arrive: whichever comes first decides, and the other one is refused.
* Once the start has passed, a student who did not cancel has come or not: cancelling then would take the
  lesson from the instructor who gave it. The school still can.
* Rescheduling is not a status. Student, guardian and staff may move a booking that is requested or confirmed
  and has not begun; an instructor asks staff. Late moves are a matter of `cancellation.py`.

Checks come in this order: involved at all, same status, known move, role, guard. Instants are aware UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from driveflow.core.actor import Actor, Role
from driveflow.core.errors import ConflictError, ForbiddenError, InvalidInputError

START_BEFORE: Final = timedelta(minutes=30)
NO_SHOW_AFTER: Final = timedelta(minutes=15)
AUTO_CLOSE_AFTER: Final = timedelta(hours=2)


class BookingStatus(StrEnum):
    """Where a booking stands (seed step 6)."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


HOLDS_TIME: Final = frozenset(
    {
        BookingStatus.REQUESTED,
        BookingStatus.CONFIRMED,
        BookingStatus.IN_PROGRESS,
        BookingStatus.COMPLETED,
    }
)
"""The statuses in which nobody else can have the time of the instructor and the student."""

FINAL: Final = frozenset({BookingStatus.COMPLETED, BookingStatus.CANCELLED, BookingStatus.NO_SHOW})
"""The statuses that no move leaves."""


class Who(StrEnum):
    """What an actor is to one booking."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    INSTRUCTOR = "instructor"
    STAFF = "staff"
    SYSTEM = "system"


class Cause(StrEnum):
    """Why a move is made: a person wants it, or the system for one of three reasons."""

    USER = "user"
    EXPIRY = "expiry"
    AUTO_CLOSE = "auto_close"
    PAID = "paid"


class RefusalKind(StrEnum):
    """What sort of error a refusal is: see `enforce`."""

    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    REASON_REQUIRED = "reason_required"


@dataclass(frozen=True, slots=True)
class BookingFacts:
    """A booking as far as this rule sees it; `hold_expires_at` is None where no hold runs out."""

    status: BookingStatus
    start_at: datetime
    end_at: datetime
    instructor_id: UUID
    student_id: UUID
    hold_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The booking may change; `who` says as what the actor changes it."""

    who: Who


@dataclass(frozen=True, slots=True)
class NoOp:
    """The booking already has the status: nothing changes and nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The booking may not change; `code` is stable, `message` is a sentence for a person."""

    kind: RefusalKind
    code: str
    message: str


Decision = Allowed | NoOp | Refused


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What a guard looks at."""

    facts: BookingFacts
    who: Who
    now: datetime
    reason: str | None


_Guard = Callable[[_Attempt], Refused | None]


@dataclass(frozen=True, slots=True)
class _Move:
    """One line of the table: the people who may make it, the system's cause if it may, and the guard."""

    people: frozenset[Who]
    system_cause: Cause | None
    guard: _Guard


def initial_status(role: Role) -> BookingStatus:
    """Return the status in which a booking made by somebody of this role begins."""
    return BookingStatus.CONFIRMED if role in _CONFIRMING_ROLES else BookingStatus.REQUESTED


def may_create_as(role: Role, status: BookingStatus) -> bool:
    """Return whether somebody of this role may make a booking that begins in this status."""
    return status == initial_status(role)


def who_is(actor: Actor, facts: BookingFacts) -> Who | None:
    """Return what the actor is to the booking, None for somebody who has nothing to do with it."""
    if actor.role is Role.SYSTEM:
        return Who.SYSTEM
    if actor.role in _STAFF_ROLES:
        return Who.STAFF
    if actor.is_instructor(facts.instructor_id):
        return Who.INSTRUCTOR
    if actor.stands_for(facts.student_id):
        return Who.STUDENT if actor.role is Role.STUDENT else Who.GUARDIAN
    return None


def decide(
    facts: BookingFacts,
    to: BookingStatus,
    actor: Actor,
    now: datetime,
    *,
    reason: str | None = None,
    cause: Cause = Cause.USER,
) -> Decision:
    """Return whether the actor may move the booking to a status now; never raises."""
    who = who_is(actor, facts)
    if who is None:
        return _NOT_INVOLVED
    if to == facts.status:
        return NoOp()
    move = _MOVES.get((facts.status, to))
    if move is None:
        return _conflict(
            "invalid_transition", f"A booking that is {_words(facts.status)} cannot become {_words(to)}."
        )
    if not _has_role(move, who, cause):
        change = f"from {_words(facts.status)} to {_words(to)}"
        if who is Who.SYSTEM:
            return _forbidden(f"The system turns no booking {change} because of {_words(cause)}.")
        return _forbidden(f"As {who} you may not turn a booking {change}.")
    return move.guard(_Attempt(facts, who, now, reason)) or Allowed(who)


def may_reschedule(facts: BookingFacts, actor: Actor, now: datetime) -> Allowed | Refused:
    """Return whether the actor may move the booking to another time; never raises.

    `cancellation.py` then decides whether it is too late for the actor to do so alone.
    """
    who = who_is(actor, facts)
    if who is None:
        return _NOT_INVOLVED
    if facts.status not in _MOVABLE:
        return _conflict("invalid_transition", f"A booking that is {_words(facts.status)} cannot be moved.")
    if who not in _MOVERS:
        return _forbidden(f"As {who} you may not move a booking; ask the school.")
    if now >= facts.start_at:
        return _conflict("too_late", "The lesson should have begun already; it cannot be moved.")
    return Allowed(who)


def enforce(decision: Decision) -> bool:
    """Return whether the booking changes: True if allowed, False for a no-op.

    Raises for a refusal ForbiddenError (`forbidden`), ConflictError (`invalid_transition`, `too_early`,
    `too_late`) or InvalidInputError for the field `reason` (`reason_required`).
    """
    if isinstance(decision, Refused):
        if decision.kind is RefusalKind.FORBIDDEN:
            raise ForbiddenError(decision.message, code=decision.code)
        if decision.kind is RefusalKind.REASON_REQUIRED:
            raise InvalidInputError.of("reason", decision.message, code=decision.code)
        raise ConflictError(decision.message, code=decision.code)
    return isinstance(decision, Allowed)


def _has_role(move: _Move, who: Who, cause: Cause) -> bool:
    # A person never acts by one of the system's causes, nor the system because somebody wants it.
    if who is Who.SYSTEM:
        return cause is move.system_cause
    return cause is Cause.USER and who in move.people


def _anything_goes(_: _Attempt) -> Refused | None:
    return None


def _hold_is_over(attempt: _Attempt) -> Refused | None:
    if attempt.who is not Who.SYSTEM:
        return None
    expires_at = attempt.facts.hold_expires_at
    if expires_at is None or attempt.now < expires_at:
        return _conflict("too_early", "The hold on this booking has not run out.")
    return None


def _lesson_is_near(attempt: _Attempt) -> Refused | None:
    if attempt.now < attempt.facts.start_at - START_BEFORE:
        return _conflict("too_early", f"A lesson can begin {_minutes(START_BEFORE)} before its time at most.")
    if attempt.now >= attempt.facts.end_at:
        return _conflict(
            "too_late", "The time of this lesson is over; the school can complete it with a reason."
        )
    return None


def _overdue_if_by_system(attempt: _Attempt) -> Refused | None:
    if attempt.who is Who.SYSTEM and attempt.now < attempt.facts.end_at + AUTO_CLOSE_AFTER:
        return _conflict(
            "too_early", f"A lesson is closed by itself {_minutes(AUTO_CLOSE_AFTER)} after its planned end."
        )
    return None


def _over_and_explained(attempt: _Attempt) -> Refused | None:
    if attempt.now < attempt.facts.end_at:
        return _conflict("too_early", "A lesson that was never begun can be completed only after its end.")
    return _explained(attempt)


def _student_is_late(attempt: _Attempt) -> Refused | None:
    if attempt.now < attempt.facts.start_at + NO_SHOW_AFTER:
        return _conflict("too_early", f"Wait {_minutes(NO_SHOW_AFTER)} after the start for the student.")
    return None


def _explained(attempt: _Attempt) -> Refused | None:
    if attempt.who is Who.STAFF and not (attempt.reason or "").strip():
        return Refused(RefusalKind.REASON_REQUIRED, "reason_required", "Say why; the reason is kept.")
    return None


def _in_time_or_explained(attempt: _Attempt) -> Refused | None:
    if attempt.who is not Who.STAFF and attempt.now >= attempt.facts.start_at:
        return _conflict("too_late", "The lesson should have begun already; only the school can cancel it.")
    return _explained(attempt)


def _forbidden(message: str) -> Refused:
    return Refused(RefusalKind.FORBIDDEN, "forbidden", message)


def _conflict(code: str, message: str) -> Refused:
    return Refused(RefusalKind.CONFLICT, code, message)


def _words(name: BookingStatus | Cause) -> str:
    return name.replace("_", " ")


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)} minutes"


_NOT_INVOLVED: Final = _forbidden("You have no part in this booking.")

_STAFF_ROLES: Final = frozenset({Role.OWNER, Role.ADMIN})
_CONFIRMING_ROLES: Final = _STAFF_ROLES | {Role.SYSTEM}
_MOVABLE: Final = frozenset({BookingStatus.REQUESTED, BookingStatus.CONFIRMED})

_ALL_PEOPLE: Final = frozenset({Who.STUDENT, Who.GUARDIAN, Who.INSTRUCTOR, Who.STAFF})
_MOVERS: Final = frozenset({Who.STUDENT, Who.GUARDIAN, Who.STAFF})
_RUNNERS: Final = frozenset({Who.INSTRUCTOR, Who.STAFF})
_STAFF: Final = frozenset({Who.STAFF})

_MOVES: Final[Mapping[tuple[BookingStatus, BookingStatus], _Move]] = {
    (BookingStatus.REQUESTED, BookingStatus.CONFIRMED): _Move(_STAFF, Cause.PAID, _anything_goes),
    (BookingStatus.REQUESTED, BookingStatus.CANCELLED): _Move(_ALL_PEOPLE, Cause.EXPIRY, _hold_is_over),
    (BookingStatus.CONFIRMED, BookingStatus.IN_PROGRESS): _Move(_RUNNERS, None, _lesson_is_near),
    (BookingStatus.IN_PROGRESS, BookingStatus.COMPLETED): _Move(
        _RUNNERS, Cause.AUTO_CLOSE, _overdue_if_by_system
    ),
    (BookingStatus.CONFIRMED, BookingStatus.COMPLETED): _Move(_STAFF, None, _over_and_explained),
    (BookingStatus.CONFIRMED, BookingStatus.NO_SHOW): _Move(_RUNNERS, None, _student_is_late),
    (BookingStatus.CONFIRMED, BookingStatus.CANCELLED): _Move(_MOVERS, None, _in_time_or_explained),
    (BookingStatus.IN_PROGRESS, BookingStatus.CANCELLED): _Move(_STAFF, None, _explained),
}
