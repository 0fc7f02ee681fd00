"""Fixtures: a Stripe sandbox in the tests' own time, and a school that takes payments through it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from driveflow.core.db import Database
from support.money_world import MoneyWorld, money_world
from support.schools import Clock
from support.stripe_sandbox import StripeSandbox, stripe_sandbox


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[StripeSandbox]:
    """A Stripe sandbox of this test alone."""
    with stripe_sandbox(clock=lambda: clock().timestamp()) as running:
        yield running


@pytest.fixture
async def money(
    sandbox: StripeSandbox, database: Database, worker_database: Database, clock: Clock
) -> AsyncIterator[MoneyWorld]:
    """A school that takes payments."""
    async with money_world(sandbox, database, worker_database, clock) as world:
        yield world
