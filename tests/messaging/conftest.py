"""Fixtures of the messages' tests: a mailbox, and a worker that sends to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from driveflow.core.db import Database
from support.post_office import PostOffice, open_mailbox, settings_for
from support.schools import Clock


@pytest.fixture
async def post(tmp_path: Path, worker_database: Database, clock: Clock) -> AsyncIterator[PostOffice]:
    """A worker that sends to a mailbox of this test alone."""
    async with open_mailbox(tmp_path, clock) as mailbox:
        yield PostOffice(worker_database, settings_for(mailbox), clock, mailbox)
