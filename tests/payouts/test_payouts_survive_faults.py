"""Stripe misbehaves or the worker is killed: one transfer, one reversal, one account, and no difference."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from driveflow.core.clock import utc_now
from driveflow.core.outbox_leases import LEASE_S
from support.databases import Cluster
from support.payout_world import PayoutWorld, payout_stage

FAULTS = ["lost", "conflict", "rate_limit", "error", "error_after"]


async def count(world: PayoutWorld, kind: str) -> int:
    counts: dict[str, int] = world.control.totals()["counts"]
    return counts.get(kind, 0)


async def after_its_pause(world: PayoutWorld) -> None:
    for _ in range(3):
        await world.mature(timedelta(minutes=1))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_transfer_whose_call_goes_wrong_is_made_once(world: PayoutWorld, fault: str) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    before = await count(world, "transfer")
    world.control.fault(fault, path="/v1/transfers")
    await world.mature()
    assert (await world.payout(booking))["status"] == "in_transit"
    assert await world.differences() == []
    await after_its_pause(world)
    assert (await world.payout(booking))["status"] == "paid"
    assert await count(world, "transfer") == before + 1
    await world.books_agree()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reversal_whose_call_goes_wrong_is_made_once(world: PayoutWorld, fault: str) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    await world.mature()
    before = await count(world, "transfer_reversal")
    world.control.fault(fault, path="/v1/transfers/")
    await world.refund(booking, 950)
    assert [row["status"] for row in (await world.payout(booking))["reversals"]] == ["pending"]
    await after_its_pause(world)
    assert [row["status"] for row in (await world.payout(booking))["reversals"]] == ["succeeded"]
    assert await count(world, "transfer_reversal") == before + 1
    await world.books_agree()


async def test_a_refund_during_the_transfer_is_reversed_when_the_transfer_is_answered(
    world: PayoutWorld,
) -> None:
    await world.onboard()
    booking = await world.paid_lesson()
    world.control.fault("lost", path="/v1/transfers")
    await world.mature()
    await world.refund(booking, 950)
    assert (await world.payout(booking))["status"] == "in_transit"
    await after_its_pause(world)
    payout = await world.payout(booking)
    assert (payout["status"], payout["amount_cents"], payout["reversed_cents"]) == ("paid", 9025, 902)
    await world.books_agree()


async def test_an_account_whose_answer_is_lost_is_opened_once(world: PayoutWorld) -> None:
    path = f"/instructors/{world.ready.instructor['id']}/onboarding"
    before = await count(world, "account")
    world.control.fault("lost", path="/v1/accounts")
    refused = await world.school.post(path, expect=503)
    assert refused["code"] == "stripe_unavailable"
    await after_its_pause(world)
    first, second = [await world.school.post(path, expect=200) for _ in range(2)]
    assert first["url"] != second["url"]
    assert await count(world, "account") == before + 1


async def test_an_account_that_stripe_refused_can_be_asked_for_again(world: PayoutWorld) -> None:
    path = f"/instructors/{world.ready.instructor['id']}/onboarding"
    await world.stage.owner.execute(
        "INSERT INTO stripe_requests (org_id, id, idempotency_key, operation, parameters, entity_type, "
        "entity_id, status) "
        "VALUES ($1, gen_random_uuid(), $2, 'create_account', '{}', 'Instructor', $1, 'refused')",
        world.school.org_id,
        f"acct:{world.ready.instructor['id']}",
    )
    assert (await world.school.post(path, expect=200))["url"].startswith(world.stage.sandbox.base_url)


@pytest.fixture
async def killed_world(cluster: Cluster) -> AsyncIterator[PayoutWorld]:
    """A school on a stage of its own, whose worker is a process that can be killed."""
    with cluster.clone() as url:
        async with payout_stage(url) as stage:
            yield await stage.new_school()


def start_worker(world: PayoutWorld) -> subprocess.Popen[bytes]:
    sandbox = world.stage.sandbox
    environment = {
        **os.environ,
        "DRIVEFLOW_DATABASE_URL": world.stage.database.url,
        "DRIVEFLOW_STRIPE_SECRET_KEY": sandbox.secret_key,
        "DRIVEFLOW_STRIPE_API_BASE": sandbox.base_url,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "driveflow.entrypoints", "worker"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def kill_when(world: PayoutWorld, worker: subprocess.Popen[bytes], kind: str, number: int) -> None:
    deadline = time.monotonic() + 60
    while await count(world, kind) < number:
        assert time.monotonic() < deadline
        assert worker.poll() is None
        await asyncio.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


@pytest.mark.crash
async def test_a_worker_killed_between_call_and_answer_leaves_one_transfer_and_one_reversal(
    killed_world: PayoutWorld,
) -> None:
    world = killed_world
    await world.onboard()
    booking = await world.paid_lesson()
    # The worker's process lives today, and to it the payout of last August is due.
    world.clock.now = utc_now()
    world.control.fault("slow_after", path="/v1/transfers", ms=8_000)
    await kill_when(world, start_worker(world), "transfer", 1)
    assert (await world.payout(booking))["status"] == "in_transit"
    world.clock.now = utc_now() + timedelta(seconds=LEASE_S + 1)
    await world.pump()
    assert (await world.payout(booking))["status"] == "paid"
    assert await count(world, "transfer") == 1

    world.clock.now = utc_now()
    await world.give_back(booking, 950)
    world.control.fault("slow_after", path="/v1/transfers/", ms=8_000)
    await kill_when(world, start_worker(world), "transfer_reversal", 1)
    world.clock.now = utc_now() + timedelta(seconds=LEASE_S + 1)
    await world.pump()
    [reversal] = (await world.payout(booking))["reversals"]
    assert (reversal["amount_cents"], reversal["status"]) == (902, "succeeded")
    assert await count(world, "transfer_reversal") == 1
    await world.books_agree()
