"""A slot is sold once, however many clients want it at the same moment (promise 1)."""

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from driveflow.bookings import moves
from driveflow.core.actor import system_actor
from driveflow.core.db import APP_ROLE, Database
from support.contest import ROUNDS, Answer, Contest, statuses
from support.schools import Client

pytestmark = pytest.mark.race

OVERLAPS = {"instructor_busy", "student_busy"}
HOUR = timedelta(hours=1)


def sold_once(answers: list[Answer], *, success: int = 201) -> Answer:
    """Check that one racer won and that all others were told why not; return the winner's answer."""
    assert statuses(answers) == {success: 1, 409: len(answers) - 1}
    assert {answer.body["code"] for answer in answers if answer.status == 409} <= OVERLAPS
    return next(answer for answer in answers if answer.status == success)


async def lessons_within(
    contest: Contest, start_at: datetime, span: timedelta = HOUR
) -> list[dict[str, Any]]:
    """Return id and status of the bookings that hold time of [start_at, start_at + span)."""
    connection = await asyncpg.connect(contest.database_url)
    try:
        rows = await connection.fetch(
            "SELECT id, status FROM bookings WHERE org_id = $1 AND start_at < $3 AND end_at > $2 "
            "AND status IN ('requested', 'confirmed', 'in_progress', 'completed')",
            contest.org_id,
            start_at,
            start_at + span,
        )
    finally:
        await connection.close()
    return [dict(row) for row in rows]


async def test_of_many_who_book_the_same_time_one_gets_it(contest: Contest) -> None:
    async with contest.clients() as (_, racers):
        for _round in range(ROUNDS):
            start_at = contest.next_start()
            answers = await contest.race(
                [
                    client.request("POST", "/bookings", json=contest.ready(racer).booking(start_at))
                    for client, racer in zip(racers, contest.racers, strict=True)
                ]
            )
            winner = sold_once(answers)
            assert [str(row["id"]) for row in await lessons_within(contest, start_at)] == [winner.body["id"]]


async def test_of_many_who_book_times_that_overlap_one_gets_in(contest: Contest) -> None:
    async with contest.clients() as (_, racers):
        for _round in range(ROUNDS):
            first = contest.next_start()
            answers = await contest.race(
                [
                    client.request(
                        "POST",
                        "/bookings",
                        json=contest.ready(racer).booking(first + timedelta(minutes=15 * (index % 4))),
                    )
                    for index, (client, racer) in enumerate(zip(racers, contest.racers, strict=True))
                ]
            )
            sold_once(answers)
            assert len(await lessons_within(contest, first, 2 * HOUR)) == 1


async def parked_bookings(contest: Contest, owner: Client) -> list[dict[str, Any]]:
    """Book each racer a lesson somewhere out of the way."""
    return [
        await owner.post("/bookings", contest.ready(racer).booking(contest.next_start()))
        for racer in contest.racers
    ]


async def test_of_many_who_move_their_lesson_to_the_same_time_one_gets_it(contest: Contest) -> None:
    async with contest.clients() as (owner, racers):
        bookings = await parked_bookings(contest, owner)
        for _round in range(ROUNDS):
            start_at = contest.next_start()
            answers = await contest.race(
                [
                    client.request(
                        "POST",
                        f"/bookings/{booking['id']}/reschedule",
                        json={"start_at": start_at.isoformat(), "version": booking["version"]},
                    )
                    for client, booking in zip(racers, bookings, strict=True)
                ]
            )
            winner = sold_once(answers, success=200)
            bookings[answers.index(winner)] = winner.body
            assert [str(row["id"]) for row in await lessons_within(contest, start_at)] == [winner.body["id"]]


async def test_of_those_who_book_a_time_and_those_who_move_there_one_gets_it(contest: Contest) -> None:
    async with contest.clients() as (owner, racers):
        bookings = await parked_bookings(contest, owner)
        for number in range(ROUNDS):
            start_at = contest.next_start()

            def want(
                index: int, number: int = number, start_at: datetime = start_at
            ) -> Coroutine[Any, Any, httpx.Response]:
                if (index + number) % 2:
                    return racers[index].request(
                        "POST", "/bookings", json=contest.ready(contest.racers[index]).booking(start_at)
                    )
                return racers[index].request(
                    "POST",
                    f"/bookings/{bookings[index]['id']}/reschedule",
                    json={"start_at": start_at.isoformat(), "version": bookings[index]["version"]},
                )

            answers = await contest.race([want(index) for index in range(len(racers))])
            counted = statuses(answers)
            assert (counted[200] + counted[201], counted[409]) == (1, len(answers) - 1)
            for index, answer in enumerate(answers):
                if answer.status == 200:
                    bookings[index] = answer.body
            assert len(await lessons_within(contest, start_at)) == 1


async def test_many_confirmations_of_one_request_confirm_it_once(contest: Contest) -> None:
    async with contest.clients() as (owner, racers):
        for _round in range(ROUNDS):
            start_at = contest.next_start()
            held = await racers[0].post("/bookings", contest.ready(contest.racers[0]).booking(start_at))
            confirmers = len(racers) // 2
            answers = await contest.race(
                [owner.request("POST", f"/bookings/{held['id']}/confirm") for _ in range(confirmers)]
                + [
                    client.request("POST", "/bookings", json=contest.ready(racer).booking(start_at))
                    for client, racer in zip(racers[confirmers:], contest.racers[confirmers:], strict=True)
                ]
            )
            confirmations, others = answers[:confirmers], answers[confirmers:]
            assert {(answer.status, answer.body["version"]) for answer in confirmations} == {(200, 2)}
            assert statuses(others) == {409: len(others)}
            trail = await owner.get(f"/bookings/{held['id']}/events")
            assert [event["action"] for event in trail] == ["BOOKING_CREATED", "BOOKING_CONFIRMED"]


async def test_a_hold_that_expires_while_it_is_confirmed_and_its_time_is_wanted_is_settled_once(
    contest: Contest,
) -> None:
    database = Database(contest.database_url, role=APP_ROLE, pool_size=1)

    async def expire(client: Client, booking: dict[str, Any]) -> httpx.Response:
        """Do what the worker does when the hold is over; answer as the API would."""
        now = datetime.fromisoformat(booking["hold_expires_at"])
        async with database.session(contest.org_id) as session:
            await moves.expire_hold(session, system_actor(contest.org_id), UUID(booking["id"]), now=now)
        return await client.request("GET", f"/bookings/{booking['id']}")

    try:
        async with contest.clients() as (owner, racers):
            for _round in range(ROUNDS):
                start_at = contest.next_start()
                held = await racers[0].post("/bookings", contest.ready(contest.racers[0]).booking(start_at))
                confirm = f"/bookings/{held['id']}/confirm"
                confirmers = len(racers) // 2
                settled, *answers = await contest.race(
                    [expire(owner, held)]
                    + [owner.request("POST", confirm) for _ in range(confirmers)]
                    + [
                        client.request("POST", "/bookings", json=contest.ready(racer).booking(start_at))
                        for client, racer in zip(
                            racers[confirmers:], contest.racers[confirmers:], strict=True
                        )
                    ]
                )
                confirmed, booked = statuses(answers[:confirmers]), statuses(answers[confirmers:])
                actions = [event["action"] for event in await owner.get(f"/bookings/{held['id']}/events")]
                if settled.body["status"] == "confirmed":
                    assert actions == ["BOOKING_CREATED", "BOOKING_CONFIRMED"]
                    assert confirmed == {200: confirmers}
                    assert booked == {409: len(racers) - confirmers}
                else:
                    assert actions == ["BOOKING_CREATED", "BOOKING_EXPIRED"]
                    assert confirmed == {409: confirmers}
                    assert booked[201] <= 1
                    assert booked[201] + booked[409] == len(racers) - confirmers
                assert (
                    len(await lessons_within(contest, start_at))
                    == int(settled.body["status"] == "confirmed") + booked[201]
                )
    finally:
        await database.dispose()
