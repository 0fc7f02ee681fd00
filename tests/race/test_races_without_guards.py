"""The races can fail: without its two guards a slot is sold twice, with either of them once (promise 2).

Two guards stand between many clients and a double booking: the locks on instructor and student, taken with
BEGIN, and the exclusion constraints. Everything else stays as it is, the check of what is taken included.
"""

import asyncpg
import pytest

from driveflow.bookings.models import INSTRUCTOR_NO_OVERLAP, STUDENT_NO_OVERLAP
from support.contest import CROWD, ROUNDS, Contest, open_contest, statuses
from support.databases import Cluster
from support.figures import note_figure
from support.live_server import live_server

pytestmark = pytest.mark.race


async def drop_constraints(database_url: str) -> None:
    """Let the database accept double bookings."""
    connection = await asyncpg.connect(database_url)
    try:
        for name in (INSTRUCTOR_NO_OVERLAP, STUDENT_NO_OVERLAP):
            await connection.execute(f"ALTER TABLE bookings DROP CONSTRAINT {name}")
    finally:
        await connection.close()


async def sell(contest: Contest) -> list[int]:
    """Let all race for a slot in each round; return how often each slot was sold."""
    sold = []
    async with contest.clients() as (_, racers):
        for _round in range(ROUNDS):
            start_at = contest.next_start()
            answers = await contest.race(
                [
                    client.request("POST", "/bookings", json=contest.ready(racer).booking(start_at))
                    for client, racer in zip(racers, contest.racers, strict=True)
                ]
            )
            assert set(statuses(answers)) <= {201, 409}
            sold.append(statuses(answers)[201])
    return sold


async def test_without_locks_the_constraints_alone_sell_a_slot_once_and_without_both_it_is_sold_again(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    with cluster.clone() as url, live_server(url, without_locks=True) as server:
        contest = await open_contest(url, server.base_url, CROWD)
        assert await sell(contest) == [1] * ROUNDS
        await drop_constraints(url)
        sold = await sell(contest)
        assert max(sold) > 1
        note_figure(request, f"without locks and constraints {CROWD} clients were sold {sold} of 1 slot")


async def test_without_constraints_the_locks_alone_sell_a_slot_once(cluster: Cluster) -> None:
    with cluster.clone() as url:
        await drop_constraints(url)
        with live_server(url) as server:
            assert await sell(await open_contest(url, server.base_url, CROWD)) == [1] * ROUNDS
