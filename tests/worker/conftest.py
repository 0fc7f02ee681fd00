"""Fixtures of the worker's tests: a database without other tests' events, as a worker takes all it sees."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database


@pytest.fixture
async def owner(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection, for making schools and looking."""
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    """A pool of the application's role, which emits."""
    pool = Database(fresh_database_url, role=APP_ROLE, pool_size=4)
    yield pool
    await pool.dispose()


@pytest.fixture
async def pool(fresh_database_url: str) -> AsyncIterator[Database]:
    """A pool of the worker's role, which handles."""
    database = Database(fresh_database_url, role=WORKER_ROLE, pool_size=3)
    yield database
    await database.dispose()
