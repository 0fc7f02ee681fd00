"""Random people do random things to bookings, lessons and trips; API, database and model agree (promise 8).

Payments and payouts join when they exist. After each step the rows, their audit rows and their events must be
exactly those that the model counts, and the invariants of the schema must hold.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from driveflow.bookings import moves
from driveflow.core.actor import system_actor
from driveflow.trips import service as trips
from support.booking_model import (
    ACTORS,
    HOUR,
    INSTRUCTORS,
    OWNER,
    STUDENTS,
    Model,
    ModelBooking,
    Refused,
)
from support.booking_world import Cast, World, new_cast, open_world
from support.figures import note_figure

pytestmark = pytest.mark.fuzz

EXAMPLES = 5_000 if settings.get_current_profile_name() == "soak" else 200
STEPS = 30

REACHED = {
    *("bookings", "bookings: forbidden", "bookings: not_found", "bookings: instructor_busy"),
    *("bookings: student_busy", "bookings: too_soon"),
    *("confirm", "confirm: forbidden", "confirm: invalid_transition"),
    *("cancel", "cancel: forbidden", "cancel: not_found", "cancel: invalid_transition", "cancel: too_late"),
    *("cancel: reason_required", "waive-fee", "waive-fee: forbidden", "waive-fee: no_fee"),
    *("reschedule", "reschedule: forbidden", "reschedule: not_found", "reschedule: invalid_transition"),
    *("reschedule: stale_version", "reschedule: too_late", "reschedule: late_move"),
    *("start", "start: forbidden", "start: not_found", "start: invalid_transition", "start: too_early"),
    *("complete", "complete: forbidden", "complete: not_found", "complete: invalid_transition"),
    *("complete: reason_required", "complete: too_early"),
    *(
        "no-show",
        "no-show: forbidden",
        "no-show: not_found",
        "no-show: invalid_transition",
        "no-show: too_early",
    ),
    *("trips", "trips: forbidden", "trips: not_found", "trips: lesson_not_running"),
    *("stop", "stop: forbidden"),
}

ROWS = """
SELECT b.id::text AS id, b.status, b.version, b.start_at, b.instructor_id::text AS instructor_id, b.fee_cents,
    b.end_at - b.start_at = interval '1 hour' AS an_hour,
    b.platform_fee_cents + b.instructor_share_cents = b.price_cents AND b.price_cents = 9500 AS split,
    coalesce(b.fee_cents, 0) BETWEEN 0 AND b.price_cents AS fee_in_range,
    ARRAY(SELECT a.action FROM audit_logs a WHERE a.org_id = b.org_id AND a.entity_type = 'Booking'
        AND a.entity_id = b.id::text) AS actions,
    ARRAY(SELECT o.topic FROM outbox o WHERE o.org_id = b.org_id
        AND o.payload ->> 'booking_id' = b.id::text) AS topics,
    ARRAY(SELECT l.ended_at IS NOT NULL FROM lessons l WHERE l.org_id = b.org_id AND l.booking_id = b.id)
        AS lessons_ended,
    ARRAY(SELECT t.ended_at IS NULL FROM trips t JOIN lessons l ON l.org_id = t.org_id AND l.id = t.lesson_id
        WHERE l.org_id = b.org_id AND l.booking_id = b.id ORDER BY t.id) AS trips_open
FROM bookings b WHERE b.org_id = $1
"""
OVERLAPS = """
SELECT count(*) FROM bookings a JOIN bookings b ON b.org_id = a.org_id AND b.id > a.id
    AND (b.instructor_id = a.instructor_id OR b.student_id = a.student_id)
    AND b.start_at < a.end_at AND b.end_at > a.start_at
WHERE a.org_id = $1 AND a.status IN ('requested', 'confirmed', 'in_progress', 'completed')
    AND b.status IN ('requested', 'confirmed', 'in_progress', 'completed')
"""


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with open_world(database_url) as opened:
        yield opened


ITS_INSTRUCTOR, ITS_STUDENT = "its instructor", "its student"
# Whoever has a part in the booking acts more often than a stranger to it.
actors = st.sampled_from([OWNER, OWNER, ITS_INSTRUCTOR, ITS_INSTRUCTOR, ITS_STUDENT, *ACTORS])
some_booking = st.integers(0, 11)
# Few times, so that lessons meet: today and tomorrow, one too soon, some that overlap by half.
starts = st.sampled_from([15, 75, 90, 120, 150, 240, 1500, 1530, 1560, 2880]).map(
    lambda minutes: timedelta(minutes=minutes)
)
# How often each thing is done, of all.
VERBS = {
    "book": 5,
    "confirm": 2,
    "cancel": 3,
    "reschedule": 3,
    "start": 2,
    "begin_on_time": 5,
    "complete": 3,
    "no_show": 2,
    "waive_fee": 2,
    "start_trip": 4,
    "stop_trip": 3,
    "run_timers": 2,
    "look": 1,
    "come": 4,
    "wait": 1,
}


class BookingMachine(RuleBasedStateMachine):
    """Everybody's moves, in any order."""

    world: World

    @initialize()
    def open_school(self) -> None:
        self.cast: Cast = self.world.run(new_cast(self.world))
        self.opened = self.world.clock.now
        self.model = Model(self.opened)
        self.ids: list[str] = []

    def ask(self, actor: str, path: str, body: object = None) -> httpx.Response:
        """POST as an actor."""
        client = self.cast.clients[actor]
        response: httpx.Response = self.world.run(client.request("POST", path, json=body))
        return response

    def agree(self, response: httpx.Response, expected: Callable[[], object], status: int = 200) -> str:
        """Let the model do the same; the API must have given the answer that follows. Return the row's id."""
        wanted: tuple[int, str | None] = (status, None)
        try:
            if expected() is False:
                wanted = (200, None)  # it was there already
        except Refused as refusal:
            wanted = (refusal.status, refusal.code)
        body = response.json()
        assert (response.status_code, body.get("code")) == wanted, response.text
        *_, verb = response.request.url.path.split("/")
        self.world.answers[f"{verb}: {wanted[1]}" if wanted[1] is not None else verb] += 1
        return str(body.get("id"))

    # One rule: Hypothesis leaves whole rules out of an example, and here each leads to the next.
    @rule(
        verb=st.sampled_from([verb for verb, times in VERBS.items() for _ in range(times)]),
        number=some_booking,
        actor=actors,
        details=st.data(),
    )
    def act(self, verb: str, number: int, actor: str, details: st.DataObject) -> None:
        """Somebody does something, mostly to one of the bookings."""
        if verb == "book" or not self.model.bookings:
            self._book(details.draw(st.sampled_from([OWNER, OWNER, OWNER, *ACTORS])), details)
            return
        index = number % len(self.model.bookings)
        booking = self.model.bookings[index]
        who = {ITS_INSTRUCTOR: booking.instructor, ITS_STUDENT: booking.student}.get(actor, actor)
        getattr(self, f"_{verb}")(who, booking, f"/bookings/{self.ids[index]}", details)

    def _book(self, who: str, details: st.DataObject) -> None:
        start_at = self._soon() + details.draw(starts)
        student = details.draw(st.sampled_from(STUDENTS))
        instructor = details.draw(st.sampled_from(INSTRUCTORS))
        override = details.draw(st.booleans() if who == OWNER else st.sampled_from([False, False, True]))
        body = {
            "student_id": self.cast.ids[student],
            "instructor_id": self.cast.ids[instructor],
            "service_id": self.cast.service_id,
            "start_at": start_at.isoformat(),
            "override_hours": override,
        }
        made = self.agree(
            self.ask(who, "/bookings", body),
            lambda: self.model.book(who, student, instructor, start_at, override=override),
            201,
        )
        if len(self.model.bookings) > len(self.ids):
            self.ids.append(made)

    def _confirm(self, who: str, booking: ModelBooking, path: str, _: st.DataObject) -> None:
        self.agree(self.ask(who, f"{path}/confirm"), lambda: self.model.confirm(who, booking))

    def _start(self, who: str, booking: ModelBooking, path: str, _: st.DataObject) -> None:
        self.agree(self.ask(who, f"{path}/start"), lambda: self.model.start(who, booking))

    def _begin_on_time(self, _who: str, booking: ModelBooking, path: str, details: st.DataObject) -> None:
        # Chance alone seldom leads to a lesson that runs.
        self._set_time(max(self.model.now, booking.start_at - timedelta(minutes=10)))
        self._start(booking.instructor, booking, path, details)

    def _no_show(self, who: str, booking: ModelBooking, path: str, _: st.DataObject) -> None:
        self.agree(self.ask(who, f"{path}/no-show"), lambda: self.model.no_show(who, booking))

    def _waive_fee(self, who: str, booking: ModelBooking, path: str, details: st.DataObject) -> None:
        with_fee = [index for index, other in enumerate(self.model.bookings) if other.fee_cents]
        if with_fee:
            booking, path = self.model.bookings[with_fee[0]], f"/bookings/{self.ids[with_fee[0]]}"
            who = details.draw(st.sampled_from([OWNER, who]))
        answer = self.ask(who, f"{path}/waive-fee", {"reason": "kind"})
        self.agree(answer, lambda: self.model.waive_fee(who, booking))

    def _complete(self, who: str, booking: ModelBooking, path: str, details: st.DataObject) -> None:
        reason = details.draw(st.booleans())
        answer = self.ask(who, f"{path}/complete", {"reason": "start forgotten"} if reason else {})
        self.agree(answer, lambda: self.model.complete(who, booking, reason=reason))

    def _cancel(self, who: str, booking: ModelBooking, path: str, details: st.DataObject) -> None:
        reason = details.draw(st.sampled_from([True, True, False]))
        options = details.draw(st.sampled_from(["", "", "for", "waive"]) if who == OWNER else st.just(""))
        for_student, waive = options != "", options == "waive"
        body = {"for_student": for_student, "waive_fee": waive, **({"reason": "ill"} if reason else {})}
        self.agree(
            self.ask(who, f"{path}/cancel", body),
            lambda: self.model.cancel(who, booking, reason=reason, for_student=for_student, waive=waive),
        )

    def _reschedule(self, who: str, booking: ModelBooking, path: str, details: st.DataObject) -> None:
        start_at = self._soon() + details.draw(starts)
        instructor = details.draw(st.sampled_from(INSTRUCTORS))
        stale = details.draw(st.sampled_from([False, False, False, True]))
        override = details.draw(st.booleans() if who == OWNER else st.sampled_from([False, False, True]))
        body = {
            "start_at": start_at.isoformat(),
            "instructor_id": self.cast.ids[instructor],
            "version": booking.version + stale,
            "override_hours": override,
        }
        self.agree(
            self.ask(who, f"{path}/reschedule", body),
            lambda: self.model.reschedule(who, booking, instructor, start_at, stale=stale, override=override),
        )

    def _start_trip(self, who: str, booking: ModelBooking, path: str, _: st.DataObject) -> None:
        if booking.lesson:
            answer = self.ask(who, f"/lessons/{self._lesson_id(path)}/trips")
            self.agree(answer, lambda: self.model.start_trip(who, booking), 201)

    def _stop_trip(self, who: str, booking: ModelBooking, path: str, _: st.DataObject) -> None:
        if booking.trips:
            listed = self.world.run(self.cast.school.get(f"/lessons/{self._lesson_id(path)}/trips"))
            answer = self.ask(who, f"/trips/{listed[-1]['id']}/stop")
            self.agree(answer, lambda: self.model.stop_trip(who, booking))

    def _lesson_id(self, path: str) -> str:
        booking_id = path.removeprefix("/bookings/")
        page = self.world.run(self.cast.school.get("/lessons", params={"booking_id": booking_id}))
        (lesson,) = page["items"]
        return str(lesson["id"])

    def _wait(self, _who: str, _booking: ModelBooking, _path: str, details: st.DataObject) -> None:
        minutes = details.draw(st.sampled_from([5, 31, 240, 1440]))
        self._set_time(self.model.now + timedelta(minutes=minutes))

    def _come(self, _who: str, booking: ModelBooking, _path: str, details: st.DataObject) -> None:
        """Let it become a moment that matters to the booking."""
        moments = [booking.start_at + timedelta(minutes=shift) for shift in (-31, -30, 0, 15, 60, 180)]
        if booking.hold_expires_at is not None:
            moments.append(booking.hold_expires_at)
        self._set_time(max(self.model.now, details.draw(st.sampled_from(moments))))

    def _soon(self) -> datetime:
        """Return the next quarter of an hour."""
        quarter = timedelta(minutes=15)
        return self.opened + -((self.opened - self.model.now) // quarter) * quarter

    def _set_time(self, now: datetime) -> None:
        self.world.clock.now = self.model.now = now

    def _run_timers(self, *_: object) -> None:
        """The worker comes by, late or not."""
        now = self.model.now
        due = [
            (booking_id, booking.status)
            for booking, booking_id in zip(self.model.bookings, self.ids, strict=True)
            if (booking.hold_expires_at is not None and booking.hold_expires_at <= now)
            or (booking.status == "in_progress" and booking.end_at + 2 * HOUR <= now)
        ]
        for booking_id, status in due:
            self.world.run(self._run_timer(UUID(booking_id), expires=status == "requested"))
        self.model.run_timers()

    async def _run_timer(self, booking_id: UUID, *, expires: bool) -> None:
        org_id = self.cast.school.org_id
        run = moves.expire_hold if expires else trips.auto_close_lesson
        async with self.world.database.session(org_id) as session:
            await run(session, system_actor(org_id), booking_id, now=self.model.now)

    def _look(self, who: str, *_: object) -> None:
        """Everybody sees their own bookings."""
        page = self.world.run(self.cast.clients[who].get("/bookings", params={"limit": 1000}))
        seen = {row["id"] for row in page["items"]}
        visible = self.model.visible(who)
        expected = {
            booking_id
            for booking, booking_id in zip(self.model.bookings, self.ids, strict=True)
            if booking in visible
        }
        assert seen == expected

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        org_id = self.cast.school.org_id
        rows = {row["id"]: row for row in self.world.run(self.world.owner.fetch(ROWS, org_id))}
        assert rows.keys() == set(self.ids)
        assert self.world.run(self.world.owner.fetchval(OVERLAPS, org_id)) == 0
        for booking, booking_id in zip(self.model.bookings, self.ids, strict=True):
            row = rows[booking_id]
            assert row["split"]
            assert row["an_hour"]
            assert row["fee_in_range"]
            assert (row["status"], row["version"], row["fee_cents"]) == (
                booking.status,
                booking.version,
                booking.fee_cents,
            )
            assert row["start_at"] == booking.start_at
            assert row["instructor_id"] == self.cast.ids[booking.instructor]
            assert Counter(row["actions"]) == booking.actions
            assert Counter(row["topics"]) == booking.topics
            assert row["lessons_ended"] == ([booking.lesson_ended] if booking.lesson else [])
            assert row["trips_open"] == [trip.open for trip in booking.trips]


def test_api_database_and_model_agree_whatever_people_do(
    world: World, request: pytest.FixtureRequest
) -> None:
    class Machine(BookingMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # Every verb has succeeded, and every sort of refusal was met: nothing was left out by chance.
    assert REACHED - world.answers.keys() == set()
    note_figure(
        request,
        f"booking machine: {EXAMPLES} examples, {world.answers.total()} answers as the model foretold",
    )
