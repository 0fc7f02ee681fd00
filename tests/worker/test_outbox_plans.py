"""The worker's queries find their rows by index, whatever has piled up."""

import asyncpg
import pytest

from driveflow.core import outbox_leases, outbox_queue
from driveflow.core.db import WORKER_ROLE
from driveflow.core.outbox import Topic
from support.outbox import NOW, add_schools

_TOPICS = "ARRAY[" + ",".join(f"'{topic}'" for topic in Topic) + "]"


@pytest.fixture
async def schools(owner: asyncpg.Connection) -> list[str]:
    """Two hundred schools with a month of handled events and a few timers each, of which one is due."""
    schools = [str(org_id) for org_id in await add_schools(owner, 200)]
    await owner.execute(
        "INSERT INTO outbox (org_id, id, topic, payload, available_at, processed_at) "
        "SELECT orgs.id, gen_random_uuid(), 'booking.created', '{}', "
        "    $1::timestamptz + (n - 195) * interval '1 hour', "
        "    CASE WHEN n < 195 THEN $1::timestamptz END FROM orgs, generate_series(1, 200) AS n",
        NOW,
    )
    await owner.execute("ANALYZE outbox")
    return schools


async def plan(owner: asyncpg.Connection, statement: str, *, org_id: str | None = None) -> str:
    """Return the plan of a statement as the worker's role would run it."""
    async with owner.transaction():
        await owner.execute(f"SET LOCAL ROLE {WORKER_ROLE}")
        await owner.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        if org_id is not None:
            await owner.execute(f"SET LOCAL app.org_id = '{org_id}'")
        return "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN {statement}"))


async def test_a_claim_reads_a_schools_due_events_by_index_without_sorting(
    owner: asyncpg.Connection, schools: list[str]
) -> None:
    claim = outbox_queue._CLAIM.format(limit=outbox_queue.BATCH_SIZE)
    await owner.execute(f"PREPARE claim (uuid, timestamptz, text[], text[]) AS {claim}")
    statement = f"EXECUTE claim ('{schools[7]}', '{NOW}', {_TOPICS}, ARRAY['booking.created'])"
    told = await plan(owner, statement, org_id=schools[7])
    assert "Seq Scan" not in told
    assert "outbox_due_idx" in told
    assert "Sort" not in told


async def test_a_lease_reads_a_schools_due_events_by_index(
    owner: asyncpg.Connection, schools: list[str]
) -> None:
    await owner.execute(
        "PREPARE lease (uuid, timestamptz, text[], int, timestamptz, int) AS " + outbox_leases._LEASE
    )
    statement = f"EXECUTE lease ('{schools[7]}', '{NOW}', {_TOPICS}, 4, '{NOW}', 10)"
    told = await plan(owner, statement, org_id=schools[7])
    assert "Seq Scan on outbox" not in told
    assert "outbox_due_idx" in told


@pytest.mark.parametrize(
    "query",
    [
        outbox_queue._DUE_SCHOOLS,
        outbox_queue._NEXT_DUE,
        outbox_leases._DUE_SCHOOLS,
        outbox_leases._NEXT_DUE,
    ],
)
async def test_looking_for_work_reads_only_pending_events(
    owner: asyncpg.Connection,
    schools: list[str],  # noqa: ARG001 - there are events
    query: str,
) -> None:
    await owner.execute(f"PREPARE look (timestamptz, text[]) AS {query}")
    told = await plan(owner, f"EXECUTE look ('{NOW}', {_TOPICS})")
    assert "Seq Scan" not in told
    assert "outbox_due_idx" in told
