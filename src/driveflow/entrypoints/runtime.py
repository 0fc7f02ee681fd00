"""The database a process runs on: the configured one, or the embedded server started for it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy import text

import driveflow.models  # noqa: F401 - foreign keys are resolved only when every table is known
from driveflow.core.db import APP_ROLE, Database
from driveflow.core.errors import OperatorError
from driveflow.core.settings import Settings
from driveflow.integrations import embedded_postgres
from driveflow.migrations import head_revision

WATCH_S = 1.0

log = structlog.get_logger()


class StartError(OperatorError):
    """The process cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where each part connects; web and worker switch to their role on connect, whoever logs in."""

    owner: str
    app: str
    worker: str
    embedded_in: Path | None

    @property
    def embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return self.embedded_in is not None

    def web_database(self, pool_size: int) -> Database:
        """Open the pool of the web role."""
        return Database(self.app, role=APP_ROLE, pool_size=pool_size)


@contextmanager
def database_addresses(settings: Settings) -> Iterator[Addresses]:
    """Yield the addresses in use; without `database_url` the embedded server runs meanwhile."""
    if settings.database_url is not None:
        yield _addresses(settings, settings.database_url, embedded_in=None)
        return
    own_address = settings.app_database_url or settings.worker_database_url
    if own_address is not None:
        # The owner's address is needed to migrate only; a web or worker process may run without knowing it.
        yield _addresses(settings, own_address, embedded_in=None)
        return
    data_dir = settings.data_dir.resolve()
    with embedded_postgres.start(data_dir) as server:
        yield _addresses(settings, server.url(), embedded_in=data_dir)


def _addresses(settings: Settings, owner: str, *, embedded_in: Path | None) -> Addresses:
    return Addresses(
        owner=owner,
        app=settings.app_database_url or owner,
        worker=settings.worker_database_url or owner,
        embedded_in=embedded_in,
    )


@asynccontextmanager
async def embedded_server_kept_up(addresses: Addresses) -> AsyncIterator[None]:
    """Start the embedded server again when it dies while the block runs; nothing for a configured one."""
    if addresses.embedded_in is None:
        yield
        return
    with ExitStack() as claims:
        watch = asyncio.create_task(_watch(addresses.embedded_in, claims))
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


async def _watch(data_dir: Path, claims: ExitStack) -> None:
    while True:
        await asyncio.sleep(WATCH_S)
        if embedded_postgres.running_url(data_dir) is not None:
            continue
        log.warning("the embedded database is down; starting it again")
        try:
            claims.enter_context(await asyncio.to_thread(embedded_postgres.start, data_dir))
        except OperatorError as error:
            log.warning("the embedded database does not start", error=str(error))


_WHO_AM_I = """
SELECT current_user AS name, rolsuper OR rolbypassrls AS bypasses,
    EXISTS (SELECT FROM pg_class c WHERE c.relname = 'bookings' AND c.relowner = r.oid) AS owns
FROM pg_roles r WHERE rolname = current_user
"""


async def refuse_dangerous_role(database: Database) -> None:
    """Raise StartError when the role could see every school: superuser, BYPASSRLS or owner of the tables."""
    async with database.session(None) as session:
        row = (await session.execute(text(_WHO_AM_I))).one()
    if row.bypasses or row.owns:
        raise StartError(
            f"The database role {row.name} is not bound by row-level security: it is a superuser, bypasses "
            f"it, or owns the tables. Give the tables another owner, and let {APP_ROLE} be an ordinary role."
        )


async def refuse_old_schema(database: Database) -> None:
    """Raise StartError unless the database has the schema of this version."""
    async with database.session(None) as session:
        found = await session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        revision = await session.scalar(text("SELECT version_num FROM alembic_version")) if found else None
    if revision != head_revision():
        raise StartError(
            f"The database is at revision {revision or 'none'}, this version needs {head_revision()}: "
            "run `driveflow migrate`."
        )
