"""Fixtures: a real PostgreSQL, the real application role, one school per test.

Each pytest process clones one database from a migrated template. A test that goes through the application
makes its own school in it: row-level security keeps the schools of other tests out of sight, as in
production. A test that needs a whole database for itself takes `fresh_database_url`.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.databases import Cluster
from support.figures import print_figures
from support.schools import Clock, School, open_school
from support.stripe_webhooks import WEBHOOK_SECRET

hypothesis_settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile(
    "soak", parent=hypothesis_settings.get_profile("ci"), max_examples=20_000
)
hypothesis_settings.load_profile(os.environ.get("DRIVEFLOW_TEST_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Let tests reach the loopback only."""
    config.option.allow_hosts = "127.0.0.1,localhost,::1"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests measured."""
    print_figures(terminalreporter)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server with a migrated template database."""
    with ExitStack() as stack:
        given = os.environ.get("DRIVEFLOW_TEST_DATABASE_URL")
        if given:
            url = given
        else:
            from driveflow.integrations import embedded_postgres  # noqa: PLC0415 - only where it is used

            folder = Path(tempfile.gettempdir()) / f"driveflow-tests-{os.getuid()}"
            url = stack.enter_context(embedded_postgres.start(folder)).url("postgres")
        yield stack.enter_context(Cluster.prepared(url))


@pytest.fixture(scope="session")
def database_url(cluster: Cluster) -> Iterator[str]:
    """The owner's address of this process's database."""
    with cluster.clone() as url:
        yield url


@pytest.fixture
def fresh_database_url(cluster: Cluster) -> Iterator[str]:
    """The owner's address of a database of this test alone."""
    with cluster.clone() as url:
        yield url


# One event loop, one pool and one application serve all tests of a process, as in production: making them
# anew costs more than most tests.
@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of the application's role."""
    pool = Database(database_url, role=APP_ROLE, pool_size=10)
    yield pool
    await pool.dispose()


@pytest.fixture(scope="session")
async def worker_database(database_url: str) -> AsyncIterator[Database]:
    """A pool of the worker's role."""
    pool = Database(database_url, role=WORKER_ROLE, pool_size=4)
    yield pool
    await pool.dispose()


@pytest.fixture(scope="session")
async def owner_connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the database's owner, which sees every school; for looking, not for testing."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def app_clock() -> Clock:
    """The application's time for all tests."""
    return Clock()


@pytest.fixture(autouse=True)
def clock(app_clock: Clock) -> Clock:
    """The application's time, set back for each test; stands still until the test moves it."""
    app_clock.now = Clock().now
    return app_clock


@pytest.fixture(scope="session")
async def http(database: Database, app_clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application without a key."""
    app = create_app(
        Settings(
            _env_file=None,
            rate_limit_address_per_min=1_000_000,
            rate_limit_key_per_min=1_000_000,
            stripe_webhook_secrets=WEBHOOK_SECRET,
        ),
        database,
        clock=app_clock,
        access_log=False,
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://driveflow.test"
        ) as client,
    ):
        yield client


@pytest.fixture
async def school(http: httpx.AsyncClient, database: Database, clock: Clock) -> School:
    """A new school with its owner's key."""
    return await open_school(http, database, clock)


@pytest.fixture
async def other_school(http: httpx.AsyncClient, database: Database, clock: Clock) -> School:
    """A second school, for looking over the fence."""
    return await open_school(http, database, clock)
