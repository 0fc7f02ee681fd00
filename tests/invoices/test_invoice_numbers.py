"""Numbers of papers: each once, none left out, whoever issues them at the same time."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg

from driveflow.core.actor import system_actor
from driveflow.core.db import Database
from driveflow.entrypoints.worker.loop import Worker
from driveflow.invoices import issuing
from support.outbox import worker_settings
from support.papers import database_of, issue, paid, refunded
from support.schools import MONDAY_10_SYDNEY, School

CROWD = 20


async def payments_of(school: School, number: int) -> list[UUID]:
    """Book and pay lessons of one student; return the payments."""
    ready = await school.ready()
    starts = [MONDAY_10_SYDNEY + timedelta(days=1 + index // 5, hours=index % 5) for index in range(number)]
    bookings = [await school.book(ready, start, override_hours=True) for start in starts]
    return [await paid(school, booking["id"]) for booking in bookings]


async def numbers(owner: asyncpg.Connection, school: School, kind: str = "invoice") -> list[int]:
    """Return the numbers that a kind of paper has, in order."""
    rows = await owner.fetch(
        "SELECT number FROM invoices WHERE org_id = $1 AND kind = $2 ORDER BY 1", school.org_id, kind
    )
    return [row["number"] for row in rows]


async def test_twenty_payments_at_once_get_twenty_numbers_without_gap_or_double(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    payments = await payments_of(school, CROWD)
    database = Database(database_of(school).url, role="driveflow_worker", pool_size=CROWD)
    # Each of them twice, as an event may come twice.
    issued = await asyncio.gather(
        *(issue(database, school.org_id, payment, now=school.clock.now) for payment in payments * 2)
    )
    await database.dispose()
    assert await numbers(owner_connection, school) == list(range(1, CROWD + 1))
    assert [row.id for row in issued[:CROWD]] == [row.id for row in issued[CROWD:]]
    assert len({row.name for row in issued}) == CROWD


async def test_workers_that_number_invoices_and_credit_notes_crosswise_do_not_wait_for_each_other(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    payments = await payments_of(school, 10)
    refunds = [await refunded(school, payment, 100) for payment in payments]
    database = Database(database_of(school).url, role="driveflow_worker", pool_size=CROWD)
    actor = system_actor(school.org_id)

    async def both(payment: UUID, refund: UUID, *, note_first: bool) -> None:
        async with database.session(school.org_id) as session:
            if note_first:
                await issuing.issue_credit_note(session, actor, refund, now=school.clock.now)
            await issuing.issue_invoice(session, actor, payment, now=school.clock.now)
            if not note_first:
                await issuing.issue_credit_note(session, actor, refund, now=school.clock.now)

    crosswise = [
        both(payments[index], refunds[-index - 1], note_first=bool(index % 2))
        for index in range(len(payments))
    ]
    async with asyncio.timeout(30):
        await asyncio.gather(*crosswise)
    await database.dispose()
    for kind in ("invoice", "credit_note"):
        assert await numbers(owner_connection, school, kind) == list(range(1, 11))


async def test_a_paper_that_is_rolled_back_gives_its_number_back(
    school: School, owner_connection: asyncpg.Connection
) -> None:
    first, second = await payments_of(school, 2)
    database, actor = database_of(school), system_actor(school.org_id)

    class LostError(Exception):
        """The transaction does not commit."""

    for _ in range(3):
        with suppress(LostError):
            async with database.session(school.org_id) as session:
                row = await issuing.issue_invoice(session, actor, first, now=school.clock.now)
                assert row.number == 1
                raise LostError
    # A savepoint, as the worker's around each event, gives it back as well.
    async with database.session(school.org_id) as session:
        with suppress(LostError):
            async with session.begin_nested():
                await issuing.issue_invoice(session, actor, first, now=school.clock.now)
                raise LostError
        assert (await issuing.issue_invoice(session, actor, second, now=school.clock.now)).number == 1
    assert (await issue(database, school.org_id, first, now=school.clock.now)).number == 2
    assert await numbers(owner_connection, school) == [1, 2]


async def test_each_school_counts_from_one(school: School, other_school: School) -> None:
    for own in (school, other_school):
        [payment] = await payments_of(own, 1)
        row = await issue(database_of(own), own.org_id, payment, now=own.clock.now)
        assert row.name == "INV-000001"


async def test_two_workers_issue_each_paper_once(
    school: School, worker_database: Database, owner_connection: asyncpg.Connection
) -> None:
    payments = await payments_of(school, 10)
    for payment in payments:
        await refunded(school, payment, 500)
    workers = [Worker(worker_database, worker_settings(), clock=school.clock, batch_size=3) for _ in range(2)]
    await asyncio.gather(*(worker.run_until_idle() for worker in workers))
    failed = await owner_connection.fetch(
        "SELECT last_error FROM outbox WHERE org_id = $1 AND (attempts > 0 OR processed_at IS NULL) "
        "AND topic IN ('payment.succeeded', 'refund.succeeded')",
        school.org_id,
    )
    assert failed == []
    for kind in ("invoice", "credit_note"):
        assert await numbers(owner_connection, school, kind) == list(range(1, 11))
