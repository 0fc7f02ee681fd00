"""Bringing a database to the newest schema: roles, Alembic's revisions, partitions, PostGIS.

Runs as the owner. The application's roles own nothing; where the owner may not create them, the SQL for the
administrator is in the error (schema decision 14).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from driveflow.core.clock import months_from
from driveflow.core.db import APP_ROLE, WORKER_ROLE, async_url, sqlstate
from driveflow.core.errors import OperatorError
from driveflow.migrations import head_revision
from driveflow.models import Base
from driveflow.trips.models import PARTITIONS_AHEAD, PARTITIONS_BACK

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic is imported where it is used: most starts find nothing to migrate.
# ruff: noqa: PLC0415

_SCRIPTS = Path(__file__).parent.parent / "migrations"
_INSUFFICIENT_PRIVILEGE = "42501"
_LOCK_KEY = 7_305_118  # any fixed number: two processes that migrate at once take turns


class MigrationError(OperatorError):
    """The database cannot be brought to the newest schema; the message says what to do."""


async def migrate(url: str, *, target: str = "head") -> str:
    """Bring the database at `url` (the owner's address) to `target`; return the revision it then has.

    Only the newest schema gets its partitions and PostGIS's column: earlier ones are a step on the way.

    Safe to run again and from several processes at once. Raises MigrationError.
    """
    engine = create_async_engine(async_url(url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK_KEY})"))
            await connection.commit()
            await _create_roles(connection)
            revision = await connection.run_sync(current_revision)
            if target != "head" or revision != head_revision():
                await connection.run_sync(_upgrade, target)
                await connection.commit()
                revision = await connection.run_sync(current_revision)
            if target == "head":
                await _prepare(connection)
            return revision or ""
    finally:
        await engine.dispose()


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database, or None before the first migration."""
    found = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if found else None


async def pending_changes(url: str) -> list[Any]:
    """Return what the models say and the migrations lack; empty when they agree (`alembic check`)."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_async_engine(async_url(url), poolclass=pool.NullPool)

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"include_object": in_models, "compare_server_default": True}
        )
        changes: list[Any] = compare_metadata(context, Base.metadata)
        return changes

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


def in_models(_item: object, name: str | None, kind: str, reflected: bool, _to: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Tell Alembic to pass over what is not declared in the models: partitions and PostGIS's column."""
    if not reflected:
        return True
    if kind == "table":
        return name in Base.metadata.tables
    return not (kind == "column" and name == "geom") and "geom" not in (name or "")


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(connection: Connection) -> None:
    from alembic.script import ScriptDirectory

    revision = current_revision(connection)
    known = {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}
    if revision is not None and revision not in known:
        raise MigrationError(
            f"The database is at revision {revision}, which this version of DriveFlow does not know: "
            "install the version that made it, or a later one."
        )


def _upgrade(connection: Connection, target: str) -> None:
    from alembic import command

    _refuse_unknown(connection)
    connection.execute(text("SET lock_timeout = '10s'"))
    command.upgrade(_config(connection), target)


def downgrade(connection: Connection, target: str) -> None:
    """Take the schema back to `target`; for tests and emergencies."""
    from alembic import command

    command.downgrade(_config(connection), target)


ROLES_SQL = "\n".join(
    f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS;" for role in (APP_ROLE, WORKER_ROLE)
)


async def _create_roles(connection: AsyncConnection) -> None:
    for role in (APP_ROLE, WORKER_ROLE):
        found = await connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
        if found.first() is not None:
            continue
        try:
            await connection.execute(
                text(
                    "DO $$ BEGIN "
                    f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS; "
                    "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                )
            )
        except DBAPIError as error:
            if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
                raise
            raise MigrationError(
                f"The owner may not create the roles. Let the administrator run:\n{ROLES_SQL}\n"
                f"GRANT {APP_ROLE}, {WORKER_ROLE} TO the owner;"
            ) from error
    # A plain owner must be a member of the roles to switch to them (SET ROLE); a superuser always may.
    for role in (APP_ROLE, WORKER_ROLE):
        await connection.execute(
            text(
                f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN "
                f"EXECUTE format('GRANT {role} TO %I', current_user); END IF; "
                "EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
            )
        )
    await connection.commit()


async def _prepare(connection: AsyncConnection) -> None:
    today = datetime.now(UTC).date()
    first = months_from(today, -PARTITIONS_BACK)
    await connection.execute(
        text("SELECT make_trip_point_partitions(CAST(:first AS date), CAST(:months AS integer))"),
        {"first": first, "months": PARTITIONS_BACK + PARTITIONS_AHEAD + 1},
    )
    await connection.commit()
    await _add_postgis(connection)


async def _add_postgis(connection: AsyncConnection) -> None:
    """Add the generated geometry of trip points where PostGIS is available (schema decision 12)."""
    available = await connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"))
    if available.first() is None:
        return
    try:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
        await connection.execute(
            text(
                "ALTER TABLE trip_points ADD COLUMN IF NOT EXISTS geom geometry(Point, 4326) "
                "GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(lng::float8, lat::float8), 4326)) STORED"
            )
        )
        await connection.execute(
            text("CREATE INDEX IF NOT EXISTS trip_points_geom_idx ON trip_points USING gist (geom)")
        )
        await connection.commit()
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        await connection.rollback()  # everything works without PostGIS
