"""Fixtures of the payouts' tests: schools that share a Stripe, on a database without other tests' events."""

from collections.abc import AsyncIterator

import pytest

from driveflow.integrations import stripe_client
from support.databases import Cluster
from support.payout_world import PayoutWorld, Stage, payout_stage


@pytest.fixture(scope="session")
async def stage(cluster: Cluster) -> AsyncIterator[Stage]:
    """A sandbox, a worker and an application; their time only goes on."""
    # The library's own repetitions, with their pauses, would do part of what is tested here.
    with cluster.clone() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe_client, "NETWORK_RETRIES", 0)
        async with payout_stage(url) as opened:
            yield opened


@pytest.fixture
async def world(stage: Stage) -> PayoutWorld:
    """A new school whose instructor has no account yet."""
    return await stage.new_school()
