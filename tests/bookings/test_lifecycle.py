"""Every move of a booking by everybody, against a second copy of the table; the guards to the second."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driveflow.bookings.lifecycle import (
    FINAL,
    HOLDS_TIME,
    Allowed,
    BookingFacts,
    BookingStatus,
    Cause,
    Decision,
    NoOp,
    RefusalKind,
    Refused,
    Who,
    decide,
    enforce,
    initial_status,
    may_create_as,
    who_is,
)
from driveflow.core.actor import Actor, Role, system_actor
from driveflow.core.errors import ConflictError, FieldError, ForbiddenError, InvalidInputError

ORG = UUID(int=1)
STUDENT = UUID(int=2)
INSTRUCTOR = UUID(int=3)
OTHER = UUID(int=4)

START = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
END = START + timedelta(minutes=60)
EXPIRY = START - timedelta(days=2)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

REQUESTED = BookingStatus.REQUESTED
CONFIRMED = BookingStatus.CONFIRMED
IN_PROGRESS = BookingStatus.IN_PROGRESS
COMPLETED = BookingStatus.COMPLETED
CANCELLED = BookingStatus.CANCELLED
NO_SHOW = BookingStatus.NO_SHOW

OWNER = Actor(ORG, Role.OWNER)
ADMIN = Actor(ORG, Role.ADMIN)
SYSTEM = system_actor(ORG)
OWN_INSTRUCTOR = Actor(ORG, Role.INSTRUCTOR, instructor_id=INSTRUCTOR)
OWN_STUDENT = Actor(ORG, Role.STUDENT, student_ids=frozenset({STUDENT}))
OWN_GUARDIAN = Actor(ORG, Role.GUARDIAN, student_ids=frozenset({OTHER, STUDENT}))
INVOLVED = {
    "owner": OWNER,
    "admin": ADMIN,
    "instructor": OWN_INSTRUCTOR,
    "student": OWN_STUDENT,
    "guardian": OWN_GUARDIAN,
}
STRANGERS = (
    Actor(ORG, Role.INSTRUCTOR, instructor_id=OTHER),
    Actor(ORG, Role.INSTRUCTOR),
    Actor(ORG, Role.STUDENT, student_ids=frozenset({OTHER})),
    Actor(ORG, Role.GUARDIAN, student_ids=frozenset({OTHER})),
    Actor(ORG, Role.GUARDIAN),
)

PAIRS = list(product(BookingStatus, BookingStatus))
# Who may make a move: o owner, a admin, i the booking's instructor, s its student, g the student's guardian;
# then the only cause for which the system makes it. A move that is not here is nobody's.
TABLE = {
    (REQUESTED, CONFIRMED): ("oa", Cause.PAID),
    (REQUESTED, CANCELLED): ("oaisg", Cause.EXPIRY),
    (CONFIRMED, IN_PROGRESS): ("oai", None),
    (IN_PROGRESS, COMPLETED): ("oai", Cause.AUTO_CLOSE),
    (CONFIRMED, COMPLETED): ("oa", None),
    (CONFIRMED, NO_SHOW): ("oai", None),
    (CONFIRMED, CANCELLED): ("oasg", None),
    (IN_PROGRESS, CANCELLED): ("oa", None),
}
# A time at which the move's guard has nothing against it; every move is tried with a reason.
GOOD_TIME = {
    (REQUESTED, CONFIRMED): EXPIRY - MINUTE,
    (REQUESTED, CANCELLED): EXPIRY,
    (CONFIRMED, IN_PROGRESS): START,
    (IN_PROGRESS, COMPLETED): END + 120 * MINUTE,
    (CONFIRMED, COMPLETED): END,
    (CONFIRMED, NO_SHOW): START + 15 * MINUTE,
    (CONFIRMED, CANCELLED): START - 60 * MINUTE,
    (IN_PROGRESS, CANCELLED): START + 10 * MINUTE,
}


def booking(status: BookingStatus, hold_expires_at: datetime | None = EXPIRY) -> BookingFacts:
    return BookingFacts(status, START, END, INSTRUCTOR, STUDENT, hold_expires_at)


def refusal(decision: Decision) -> tuple[RefusalKind, str]:
    assert isinstance(decision, Refused)
    assert decision.message.endswith(".")
    return decision.kind, decision.code


FORBIDDEN = (RefusalKind.FORBIDDEN, "forbidden")
INVALID = (RefusalKind.CONFLICT, "invalid_transition")
TOO_EARLY = (RefusalKind.CONFLICT, "too_early")
TOO_LATE = (RefusalKind.CONFLICT, "too_late")
NO_REASON = (RefusalKind.REASON_REQUIRED, "reason_required")


@pytest.mark.parametrize("name", INVOLVED)
@pytest.mark.parametrize(("status", "to"), PAIRS)
def test_each_person_makes_exactly_the_moves_of_the_table(
    status: BookingStatus, to: BookingStatus, name: str
) -> None:
    actor = INVOLVED[name]
    decision = decide(booking(status), to, actor, GOOD_TIME.get((status, to), START), reason="A reason.")
    if status == to:
        assert decision == NoOp()
    elif (status, to) not in TABLE:
        assert refusal(decision) == INVALID
    elif name[0] in TABLE[status, to][0]:
        who = who_is(actor, booking(status))
        assert who is not None
        assert decision == Allowed(who)
    else:
        assert refusal(decision) == FORBIDDEN


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize(("status", "to"), PAIRS)
def test_the_system_makes_three_moves_each_for_its_cause(
    status: BookingStatus, to: BookingStatus, cause: Cause
) -> None:
    now = GOOD_TIME.get((status, to), START)
    decision = decide(booking(status), to, SYSTEM, now, reason="A reason.", cause=cause)
    if status == to:
        assert decision == NoOp()
    elif (status, to) not in TABLE:
        assert refusal(decision) == INVALID
    elif cause is TABLE[status, to][1]:
        assert decision == Allowed(Who.SYSTEM)
    else:
        assert refusal(decision) == FORBIDDEN


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.USER])
@pytest.mark.parametrize("move", TABLE)
@pytest.mark.parametrize("name", INVOLVED)
def test_no_person_moves_a_booking_in_the_name_of_the_system(
    name: str, move: tuple[BookingStatus, BookingStatus], cause: Cause
) -> None:
    status, to = move
    decision = decide(booking(status), to, INVOLVED[name], GOOD_TIME[move], reason="A reason.", cause=cause)
    assert refusal(decision) == FORBIDDEN


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("status", "to"), PAIRS)
def test_who_is_not_involved_may_do_nothing_not_even_nothing_new(
    status: BookingStatus, to: BookingStatus, stranger: Actor
) -> None:
    decision = decide(booking(status), to, stranger, START, reason="A reason.")
    assert decision == Refused(RefusalKind.FORBIDDEN, "forbidden", "You have no part in this booking.")


def test_an_actor_is_one_thing_to_a_booking() -> None:
    facts = booking(REQUESTED)
    assert who_is(OWNER, facts) is Who.STAFF
    assert who_is(ADMIN, facts) is Who.STAFF
    assert who_is(SYSTEM, facts) is Who.SYSTEM
    assert who_is(OWN_INSTRUCTOR, facts) is Who.INSTRUCTOR
    assert who_is(OWN_STUDENT, facts) is Who.STUDENT
    assert who_is(OWN_GUARDIAN, facts) is Who.GUARDIAN
    assert [who_is(stranger, facts) for stranger in STRANGERS] == [None] * len(STRANGERS)


def test_the_statuses_that_hold_time_and_those_that_are_final() -> None:
    assert {REQUESTED, CONFIRMED, IN_PROGRESS, COMPLETED} == HOLDS_TIME
    assert {COMPLETED, CANCELLED, NO_SHOW} == FINAL


@pytest.mark.parametrize("role", Role)
def test_a_booking_begins_confirmed_by_the_school_and_requested_by_others(role: Role) -> None:
    begins = CONFIRMED if role in {Role.OWNER, Role.ADMIN, Role.SYSTEM} else REQUESTED
    assert initial_status(role) is begins
    assert {status for status in BookingStatus if may_create_as(role, status)} == {begins}


@pytest.mark.parametrize(
    ("status", "to", "actor", "now", "expected"),
    [
        (CONFIRMED, IN_PROGRESS, OWN_INSTRUCTOR, START - 30 * MINUTE - SECOND, TOO_EARLY),
        (CONFIRMED, IN_PROGRESS, OWN_INSTRUCTOR, START - 30 * MINUTE, None),
        (CONFIRMED, IN_PROGRESS, ADMIN, END - SECOND, None),
        (CONFIRMED, IN_PROGRESS, ADMIN, END, TOO_LATE),
        (CONFIRMED, COMPLETED, ADMIN, END - SECOND, TOO_EARLY),
        (CONFIRMED, COMPLETED, ADMIN, END, None),
        (CONFIRMED, NO_SHOW, OWN_INSTRUCTOR, START + 15 * MINUTE - SECOND, TOO_EARLY),
        (CONFIRMED, NO_SHOW, OWN_INSTRUCTOR, START + 15 * MINUTE, None),
        (CONFIRMED, NO_SHOW, ADMIN, START + timedelta(days=30), None),
        (IN_PROGRESS, COMPLETED, OWN_INSTRUCTOR, START - 20 * MINUTE, None),
        (CONFIRMED, CANCELLED, OWN_STUDENT, START - SECOND, None),
        (REQUESTED, CANCELLED, OWN_STUDENT, EXPIRY - SECOND, None),
    ],
)
def test_a_guard_opens_and_closes_to_the_second(
    status: BookingStatus,
    to: BookingStatus,
    actor: Actor,
    now: datetime,
    expected: tuple[RefusalKind, str] | None,
) -> None:
    decision = decide(booking(status), to, actor, now, reason="A reason.")
    if expected is None:
        assert isinstance(decision, Allowed)
    else:
        assert refusal(decision) == expected


def test_a_hold_expires_when_its_time_has_come_and_not_before() -> None:
    def expire(facts: BookingFacts, now: datetime) -> Decision:
        return decide(facts, CANCELLED, SYSTEM, now, cause=Cause.EXPIRY)

    assert refusal(expire(booking(REQUESTED), EXPIRY - SECOND)) == TOO_EARLY
    assert expire(booking(REQUESTED), EXPIRY) == Allowed(Who.SYSTEM)
    assert refusal(expire(booking(REQUESTED, None), END)) == TOO_EARLY


@pytest.mark.parametrize(("actor", "cause"), [(ADMIN, Cause.USER), (SYSTEM, Cause.PAID)])
def test_a_request_whose_hold_has_run_out_can_still_be_confirmed(actor: Actor, cause: Cause) -> None:
    decision = decide(booking(REQUESTED), CONFIRMED, actor, EXPIRY + MINUTE, cause=cause)
    assert isinstance(decision, Allowed)


def test_a_forgotten_lesson_is_closed_two_hours_after_its_planned_end() -> None:
    def close(now: datetime) -> Decision:
        return decide(booking(IN_PROGRESS), COMPLETED, SYSTEM, now, cause=Cause.AUTO_CLOSE)

    assert refusal(close(END + 120 * MINUTE - SECOND)) == TOO_EARLY
    assert close(END + 120 * MINUTE) == Allowed(Who.SYSTEM)


@pytest.mark.parametrize("reason", [None, "", " \n\t"])
@pytest.mark.parametrize("actor", [OWNER, ADMIN])
@pytest.mark.parametrize("move", [(CONFIRMED, CANCELLED), (IN_PROGRESS, CANCELLED), (CONFIRMED, COMPLETED)])
def test_staff_say_why(move: tuple[BookingStatus, BookingStatus], actor: Actor, reason: str | None) -> None:
    status, to = move
    assert refusal(decide(booking(status), to, actor, GOOD_TIME[move], reason=reason)) == NO_REASON
    assert decide(booking(status), to, actor, GOOD_TIME[move], reason="ill") == Allowed(Who.STAFF)


@pytest.mark.parametrize(
    "move",
    [
        (REQUESTED, CONFIRMED),
        (REQUESTED, CANCELLED),
        (CONFIRMED, IN_PROGRESS),
        (IN_PROGRESS, COMPLETED),
        (CONFIRMED, NO_SHOW),
    ],
)
def test_everyday_moves_need_no_reason(move: tuple[BookingStatus, BookingStatus]) -> None:
    status, to = move
    assert decide(booking(status), to, ADMIN, GOOD_TIME[move]) == Allowed(Who.STAFF)


@pytest.mark.parametrize("actor", [OWN_STUDENT, OWN_GUARDIAN])
def test_student_and_guardian_cancel_without_giving_a_reason(actor: Actor) -> None:
    assert isinstance(decide(booking(CONFIRMED), CANCELLED, actor, START - SECOND), Allowed)
    refusal = decide(booking(CONFIRMED), CANCELLED, actor, START)
    assert isinstance(refusal, Refused)
    assert refusal.code == "too_late"


def test_the_time_is_judged_before_the_reason() -> None:
    assert refusal(decide(booking(CONFIRMED), COMPLETED, ADMIN, START)) == TOO_EARLY


def test_a_repeated_move_needs_neither_time_nor_reason() -> None:
    assert decide(booking(CANCELLED), CANCELLED, ADMIN, END) == NoOp()


@pytest.mark.parametrize(
    ("status", "to", "actor", "now", "message"),
    [
        (NO_SHOW, IN_PROGRESS, ADMIN, START, "A booking that is no show cannot become in progress."),
        (
            CONFIRMED,
            CANCELLED,
            OWN_INSTRUCTOR,
            START,
            "As instructor you may not turn a booking from confirmed to cancelled.",
        ),
        (
            CONFIRMED,
            NO_SHOW,
            SYSTEM,
            START,
            "The system turns no booking from confirmed to no show because of user.",
        ),
        (CONFIRMED, IN_PROGRESS, ADMIN, EXPIRY, "A lesson can begin 30 minutes before its time at most."),
        (
            CONFIRMED,
            IN_PROGRESS,
            ADMIN,
            END,
            "The time of this lesson is over; the school can complete it with a reason.",
        ),
        (
            CONFIRMED,
            COMPLETED,
            ADMIN,
            START,
            "A lesson that was never begun can be completed only after its end.",
        ),
        (CONFIRMED, NO_SHOW, ADMIN, START, "Wait 15 minutes after the start for the student."),
        (CONFIRMED, CANCELLED, ADMIN, START, "Say why; the reason is kept."),
    ],
)
def test_refusals_speak_in_plain_words(
    status: BookingStatus, to: BookingStatus, actor: Actor, now: datetime, message: str
) -> None:
    decision = decide(booking(status), to, actor, now)
    assert isinstance(decision, Refused)
    assert decision.message == message


def test_what_the_system_tries_too_early_is_explained() -> None:
    expired = decide(booking(REQUESTED), CANCELLED, SYSTEM, EXPIRY - SECOND, cause=Cause.EXPIRY)
    assert isinstance(expired, Refused)
    assert expired.message == "The hold on this booking has not run out."
    closed = decide(booking(IN_PROGRESS), COMPLETED, SYSTEM, END, cause=Cause.AUTO_CLOSE)
    assert isinstance(closed, Refused)
    assert closed.message == "A lesson is closed by itself 120 minutes after its planned end."


INSTANTS = st.datetimes(
    min_value=datetime(2026, 5, 25),  # noqa: DTZ001 - hypothesis takes naive bounds and adds the zone itself
    max_value=datetime(2026, 6, 8),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
ACTORS = st.sampled_from([*INVOLVED.values(), SYSTEM, *STRANGERS])
STATUSES = st.sampled_from(BookingStatus)


@given(
    move=st.tuples(STATUSES, STATUSES),
    actor=ACTORS,
    now=INSTANTS,
    reason=st.none() | st.text(max_size=3),
    cause=st.sampled_from(Cause),
)
def test_only_moves_of_the_table_ever_change_a_booking(
    move: tuple[BookingStatus, BookingStatus], actor: Actor, now: datetime, reason: str | None, cause: Cause
) -> None:
    facts = booking(move[0])
    decision = decide(facts, move[1], actor, now, reason=reason, cause=cause)
    if isinstance(decision, Allowed):
        assert move in TABLE
        assert facts.status not in FINAL
        assert decision.who is who_is(actor, facts)
        assert (cause is Cause.USER) == (actor is not SYSTEM)
    if isinstance(decision, NoOp):
        assert move[0] is move[1]


@given(moves=st.lists(st.tuples(STATUSES, ACTORS, INSTANTS, st.sampled_from(Cause)), max_size=30))
def test_a_final_booking_stays_as_it_is_and_time_once_given_back_is_never_taken_again(
    moves: list[tuple[BookingStatus, Actor, datetime, Cause]],
) -> None:
    status = REQUESTED
    for to, actor, now, cause in sorted(moves, key=lambda move: move[2]):
        before = status
        if isinstance(decide(booking(status), to, actor, now, reason="A reason.", cause=cause), Allowed):
            status = to
        assert before not in FINAL or status is before
        assert before in HOLDS_TIME or status not in HOLDS_TIME


def test_enforce_tells_a_change_from_a_no_op() -> None:
    assert enforce(Allowed(Who.STAFF)) is True
    assert enforce(NoOp()) is False


def test_enforce_raises_the_error_of_a_refusal() -> None:
    with pytest.raises(ForbiddenError, match=r"^Not you\.$") as forbidden:
        enforce(Refused(RefusalKind.FORBIDDEN, "forbidden", "Not you."))
    assert forbidden.value.code == "forbidden"
    with pytest.raises(ConflictError, match=r"^Not now\.$") as conflict:
        enforce(Refused(RefusalKind.CONFLICT, "too_early", "Not now."))
    assert conflict.value.code == "too_early"
    with pytest.raises(InvalidInputError) as invalid:
        enforce(Refused(RefusalKind.REASON_REQUIRED, "reason_required", "Say why."))
    assert invalid.value.code == "reason_required"
    assert invalid.value.fields == (FieldError("reason", "Say why."),)
