"""`driveflow reconcile` on real books and a real statement, into which differences are planted."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from driveflow.payouts.reconciling import DifferenceKind
from support.databases import Cluster
from support.payout_world import PayoutWorld, payout_stage


@dataclass
class Spoiled:
    """A school with transferred lessons of which a part was refunded; tests spoil its books."""

    world: PayoutWorld
    booking: dict[str, Any]


@pytest.fixture(scope="module")
async def spoiled(cluster: Cluster) -> AsyncIterator[Spoiled]:
    """A stage of its own, because nothing that is planted may be found by other tests."""
    with cluster.clone() as url:
        async with payout_stage(url) as stage:
            world = await stage.new_school()
            account = await world.onboard()
            booking = await world.paid_lesson()
            await world.mature()
            world.control.act("accounts", account, "pay-out", amount=9000)
            await world.refund(booking, 950)
            next_booking = await world.paid_lesson()
            await world.mature()
            await world.refund(next_booking, 950)
            yield Spoiled(world, booking)


KINDS = {
    "a payment of another amount": (
        "UPDATE ledger_entries SET amount_cents = amount_cents + {} WHERE dedupe_key LIKE 'paid:%'",
        {DifferenceKind.OTHER_AMOUNT, DifferenceKind.INCONSISTENT},
    ),
    "another fee": (
        "UPDATE ledger_entries SET amount_cents = amount_cents + {} WHERE dedupe_key LIKE 'fee:%'",
        {DifferenceKind.OTHER_AMOUNT},
    ),
    "a refund that left with another amount": (
        "UPDATE ledger_entries SET amount_cents = amount_cents + {} WHERE dedupe_key LIKE 'refund-left:%'",
        {DifferenceKind.OTHER_AMOUNT, DifferenceKind.INCONSISTENT},
    ),
    "a transfer of another amount": (
        "UPDATE ledger_entries SET amount_cents = amount_cents + {} WHERE dedupe_key LIKE '%:transferred'",
        {DifferenceKind.OTHER_AMOUNT, DifferenceKind.INCONSISTENT},
    ),
    "a reversal of another amount": (
        "UPDATE ledger_entries SET amount_cents = amount_cents + {} WHERE dedupe_key LIKE '%:reversal:%'",
        {DifferenceKind.OTHER_AMOUNT, DifferenceKind.INCONSISTENT},
    ),
    "a payment that says refunded more": (
        "UPDATE payments SET refunded_cents = refunded_cents + {}",
        {DifferenceKind.INCONSISTENT},
    ),
    "a payout that is not its lines": (
        "UPDATE payouts SET amount_cents = amount_cents + {}",
        {DifferenceKind.INCONSISTENT},
    ),
    "a line of another amount": (
        "UPDATE payout_lines SET amount_cents = amount_cents + {} WHERE kind = 'lesson'",
        {DifferenceKind.INCONSISTENT},
    ),
    "something else earned than the rule says": (
        "UPDATE payouts SET earned_cents = earned_cents + {}",
        {DifferenceKind.INCONSISTENT},
    ),
    "a debt settled by nothing": (
        "UPDATE payout_debts SET settled_cents = settled_cents - {}",
        {DifferenceKind.INCONSISTENT},
    ),
    "a reversal of another size": (
        "UPDATE payout_reversals SET amount_cents = amount_cents + {} WHERE status = 'succeeded'",
        {DifferenceKind.INCONSISTENT},
    ),
}


@pytest.mark.parametrize("name", KINDS)
async def test_planted_cents_are_found_and_gone_when_they_are_taken_back(spoiled: Spoiled, name: str) -> None:
    statement, kinds = KINDS[name]
    owner = spoiled.world.stage.owner
    assert (await owner.execute(statement.format("5"))) != "UPDATE 0"
    found = await spoiled.world.stage.reconcile()
    assert {one.kind for one in found} == kinds, found
    assert all(abs(one.cents) % 5 == 0 and one.cents for one in found), found
    assert all(one.entity_id for one in found)
    await owner.execute(statement.format("-5"))
    assert await spoiled.world.differences() == []


def kept(table: str, column: str, wrong: str, which: str = "true") -> tuple[str, str]:
    """Return how a column is set to something wrong, and how it is set back."""
    plant = f"UPDATE {table} SET {column} = {wrong} WHERE {which}"
    undo = f"UPDATE {table} SET {column} = kept.{column} FROM kept WHERE kept.id = {table}.id"
    return f"CREATE TABLE kept AS SELECT id, {column} FROM {table}; {plant}", f"{undo}; DROP TABLE kept"


STRAY = """
INSERT INTO ledger_entries (org_id, id, debit_account, credit_account, amount_cents, dedupe_key, entity_type,
    entity_id)
SELECT org_id, gen_random_uuid(), 'refunds', 'stripe_clearing', 7, 'refund-left:re_none', 'Refund',
    gen_random_uuid() FROM payments LIMIT 1
"""
PLANTS = {
    "a move that stripe has not": (
        (STRAY, "DELETE FROM ledger_entries WHERE dedupe_key = 'refund-left:re_none'"),
        DifferenceKind.MISSING_THERE,
        "re_none",
    ),
    "a transfer whose id was forgotten": (
        kept("payouts", "stripe_transfer_id", "NULL"),
        DifferenceKind.MISSING_HERE,
        "nothing here knows it",
    ),
    "a refund that still waits here": (
        kept("refunds", "status", "'failed'"),
        DifferenceKind.OPEN_ITEM,
        "try it again",
    ),
    "a payment that is not paid here": (
        kept("payments", "status", "'processing'"),
        DifferenceKind.INCONSISTENT,
        "it is processing, so paid 0 cents, the ledger got 9500 cents",
    ),
    "a lesson without its payout": (
        kept("payouts", "booking_id", "NULL"),
        DifferenceKind.INCONSISTENT,
        "without a payout: the instructor has earned 8123 cents, booked are 0 cents",
    ),
    "a call that nobody answered": (
        kept("stripe_requests", "status", "'pending'", "operation = 'create_refund'"),
        DifferenceKind.STUCK,
        "create_refund",
    ),
}


@pytest.mark.parametrize("name", PLANTS)
async def test_each_kind_of_planted_difference_is_named(spoiled: Spoiled, name: str) -> None:
    (plant, undo), kind, words = PLANTS[name]
    owner = spoiled.world.stage.owner
    await owner.execute(plant)
    found = await spoiled.world.stage.reconcile()
    assert [one for one in found if one.kind is kind and words in one.sentence], found
    await owner.execute(undo)
    assert await spoiled.world.differences() == []


async def test_a_refund_that_came_back_unnoticed_has_another_status_until_it_is_told(
    spoiled: Spoiled,
) -> None:
    world = spoiled.world
    [(refund_id, stripe_id)] = await world.stage.owner.fetch(
        "SELECT r.id, r.stripe_refund_id FROM refunds r JOIN payments p ON p.id = r.payment_id "
        "WHERE p.booking_id = $1",
        UUID(spoiled.booking["id"]),
    )
    world.control.act("refunds", stripe_id, "fail")
    [difference] = await world.stage.reconcile()
    assert (difference.kind, difference.cents) == (DifferenceKind.OTHER_STATUS, 950)
    await world.pump()
    [difference] = await world.stage.reconcile()
    assert (difference.kind, difference.cents) == (DifferenceKind.OPEN_ITEM, 950)
    await world.school.post(f"/refunds/{refund_id}/retry", expect=200)
    await world.pump()
    await world.books_agree()


async def test_the_command_is_one_quiet_line_or_exit_code_one_with_each_difference(
    spoiled: Spoiled,
) -> None:
    slug = (await spoiled.world.school.get(""))["slug"]
    code, out = await reconcile_by_command(spoiled.world)
    assert (code, out.count("\n")) == (0, 1)
    assert out.startswith("No differences; schools: 1, ")
    await spoiled.world.stage.owner.execute("UPDATE payouts SET amount_cents = amount_cents + 5")
    code, out = await reconcile_by_command(spoiled.world, "--json", "--org", slug)
    report = json.loads(out)
    assert code == 1
    assert {(one["kind"], one["school"]) for one in report["differences"]} == {("inconsistent", slug)}
    assert report["schools"] == 1
    await spoiled.world.stage.owner.execute("UPDATE payouts SET amount_cents = amount_cents - 5")


async def reconcile_by_command(world: PayoutWorld, *arguments: str) -> tuple[int, str]:
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "driveflow.entrypoints",
        "reconcile",
        *arguments,
        env={
            **os.environ,
            "DRIVEFLOW_DATABASE_URL": world.stage.database.url,
            "DRIVEFLOW_STRIPE_SECRET_KEY": world.stage.sandbox.secret_key,
            "DRIVEFLOW_STRIPE_API_BASE": world.stage.sandbox.base_url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    out, _ = await done.communicate()
    return done.returncode or 0, out.decode()
