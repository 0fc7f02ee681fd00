"""The database: declarative base, tenant transactions, and errors of constraints by name.

Every transaction on a school's rows starts with `SET LOCAL app.org_id`, which row-level security reads
(schema decision 4). Two ways in, both on the same pool: `Database.session` gives an SQLAlchemy session for
the ordinary 90 % of the code; `Database.connection` gives the bare asyncpg connection for the hot jobs.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, MetaData, Text, event, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from driveflow.core.clock import utc_now
from driveflow.core.errors import ConflictError, DriveFlowError, NotFoundError
from driveflow.core.ids import new_id

APP_ROLE = "driveflow_app"
WORKER_ROLE = "driveflow_worker"

# Citus appends the shard's number to a constraint's name.
_SHARD_SUFFIX = re.compile(r"_\d+$")

# A lost cable must not hang a request for ever: the driver gives up after this long.
COMMAND_TIMEOUT_S = 15
CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 10
ROLLBACK_TIMEOUT_S = 2
RETRYABLE_SQLSTATES = frozenset({"40P01", "40001"})


class Base(DeclarativeBase):
    """Declarative base of all tables; statuses are text with a CHECK, times are timestamptz."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute
        str: Text,
        datetime: DateTime(timezone=True),
        date: Date,
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
    }


class TenantMixin:
    """Columns of a row that belongs to a school: primary key `(org_id, id)` (schema decision 1)."""

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True, sort_order=-2
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-1)


class CreatedMixin:
    """When the row was made."""

    created_at: Mapped[datetime] = mapped_column(
        default=utc_now, server_default=text("now()"), sort_order=100
    )


class TimestampsMixin(CreatedMixin):
    """When the row was made and last changed; set by the application (schema decision 13)."""

    updated_at: Mapped[datetime] = mapped_column(
        default=utc_now, onupdate=utc_now, server_default=text("now()"), sort_order=101
    )


def one_of(column: str, values: type, name: str | None = None) -> CheckConstraint:
    """Return the CHECK that a text column holds a value of a StrEnum (schema decision 5)."""
    listed = ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]  # a StrEnum iterates
    return CheckConstraint(f"{column} IN ({listed})", name=name or column)


class Database:
    """A pool of connections of one role; close it with `dispose`."""

    def __init__(
        self,
        url: str,
        *,
        role: str | None = None,
        pool_size: int = 10,
        command_timeout_s: float = COMMAND_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        pool_timeout_s: float = POOL_TIMEOUT_S,
    ) -> None:
        """Open no connection yet; `role` is assumed on connect (the owner's address and SET ROLE)."""
        self.url = url
        server_settings = {
            "application_name": "driveflow",
            "timezone": "UTC",
            "statement_timeout": "12000",
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "30000",
        }
        if role:
            server_settings["role"] = role
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_timeout_s,
            connect_args={
                "server_settings": server_settings,
                "command_timeout": command_timeout_s,
                "timeout": connect_timeout_s,
            },
        )
        self._distrusted_at = 0.0
        event.listen(self.engine.sync_engine, "connect", _note_birth)
        event.listen(self.engine.sync_engine, "checkout", self._refuse_lost)
        event.listen(self.engine.sync_engine, "handle_error", self._note_timeout)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=True)

    @asynccontextmanager
    async def session(self, org_id: UUID | None) -> AsyncIterator[AsyncSession]:
        """Yield a session in one transaction of a school; commit at the end, roll back on an error.

        `org_id` None is for the control plane (orgs, users): no tenant row is visible then.
        """
        async with self._sessions() as session, session.begin():
            if org_id is not None:
                await set_tenant(session, org_id)
            yield session

    @asynccontextmanager
    async def connection(self, org_id: UUID, *more_sql: str) -> AsyncIterator[asyncpg.Connection]:
        """Yield a bare asyncpg connection in one transaction of a school, for the hot jobs.

        BEGIN, SET LOCAL and `more_sql` (statements without parameters: locks) travel in one round trip.
        """
        pooled = await self.engine.raw_connection()
        connection: asyncpg.Connection = pooled.driver_connection  # type: ignore[assignment]
        try:
            await connection.execute(";".join(("BEGIN", tenant_sql(org_id), *more_sql)))
            yield connection
            await connection.execute("COMMIT")
        except BaseException as error:
            if isinstance(error, TimeoutError):
                self._distrust()
                connection.terminate()
            # After a cut or a cancelled statement the connection's state is unknown: do not reuse it.
            try:
                await connection.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT_S)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pooled.invalidate()
            raise
        finally:
            pooled.close()

    def _distrust(self) -> None:
        """Replace every connection of before at its next use.

        The server ends slow statements before `command_timeout_s` is over: a timeout on our side means that
        the link is dead. Then so are the other connections, each of which would cost a request that time.
        """
        self._distrusted_at = monotonic()

    def _note_timeout(self, context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            self._distrust()
            if context.connection is not None:
                _driver_of(context.connection.connection).terminate()
            # No rollback on it: that would wait as long again.
            context.is_disconnect = True

    def _refuse_lost(self, dbapi_connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        driver = _driver_of(dbapi_connection)
        if record.info["born"] < self._distrusted_at:
            driver.terminate()
        # asyncpg knows at once when its socket is gone: the pool then makes a new connection instead of
        # handing a dead one to a request.
        if driver.is_closed():
            raise DisconnectionError

    async def dispose(self) -> None:
        """Close all pooled connections."""
        await self.engine.dispose()


def async_url(url: str) -> str:
    """Return a PostgreSQL address with SQLAlchemy's name of the asyncpg driver."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+asyncpg://", url)


def tenant_sql(org_id: UUID) -> str:
    """Return the statement that sets the school of this transaction.

    A literal from a typed UUID, because Citus does not propagate `set_config` (schema decision 4).
    """
    return f"SET LOCAL app.org_id = '{UUID(int=org_id.int)}'"


async def set_tenant(session: AsyncSession, org_id: UUID) -> None:
    """Make a school's rows visible to the rest of the session's transaction."""
    await session.execute(text(tenant_sql(org_id)))


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """Return the asyncpg connection under a session, inside its transaction, for the hot statements."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    return raw.driver_connection  # type: ignore[return-value]  # SQLAlchemy types it as Any or None


@asynccontextmanager
async def savepoint(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Undo what the block did when it raises, and keep the transaction around it.

    (asyncpg's own `transaction()` refuses to nest in a BEGIN that it did not send.)
    """
    await connection.execute("SAVEPOINT step")
    try:
        yield
    except Exception:
        await connection.execute("ROLLBACK TO SAVEPOINT step")
        raise
    finally:
        if not connection.is_closed():
            await connection.execute("RELEASE SAVEPOINT step")


T = TypeVar("T", bound=TenantMixin)


async def get_or_404(
    session: AsyncSession, model: type[T], org_id: UUID, row_id: UUID, *, lock: bool = False
) -> T:
    """Return a school's row; raise NotFoundError for a missing and for a foreign one alike.

    `lock` takes the row FOR NO KEY UPDATE and reads its latest state.
    """
    query = select(model).where(model.org_id == org_id, model.id == row_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFoundError
    return row


def check_version(current: int, given: int) -> None:
    """Raise ConflictError `stale_version` unless the client saw the row's latest version."""
    if current != given:
        raise ConflictError(
            f"Somebody changed this since you read it (your version {given}, now {current}); read it again.",
            code="stale_version",
            current_version=current,
        )


@contextmanager
def constraint_as(name: str, error: DriveFlowError) -> Iterator[None]:
    """Turn the violation of the named constraint into `error`; others pass through."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as raised:
        if violated_constraint(raised) == name:
            raise error from raised
        raise


def violated_constraint(error: BaseException) -> str | None:
    """Return the name of the constraint that an error reports, without Citus's shard suffix."""
    name = getattr(_driver_error(error), "constraint_name", None)
    return _SHARD_SUFFIX.sub("", name) if name else None


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, or None."""
    return getattr(_driver_error(error), "sqlstate", None)


def _driver_error(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _driver_of(dbapi_connection: Any) -> asyncpg.Connection:
    driver: asyncpg.Connection = dbapi_connection.driver_connection
    return driver


def _note_birth(_dbapi_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["born"] = monotonic()
