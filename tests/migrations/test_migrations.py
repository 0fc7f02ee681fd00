"""Migrations: every way up with data in place, the newest way down, and who may run them."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from driveflow.core.clock import months_from
from driveflow.core.db import async_url
from driveflow.entrypoints import migrate as migrations
from driveflow.entrypoints.migrate import MigrationError, migrate, pending_changes
from driveflow.migrations import head_revision
from driveflow.trips.models import PARTITIONS_AHEAD, PARTITIONS_BACK
from support.databases import Cluster, wait_for

REVISIONS = [script.revision for script in ScriptDirectory(str(migrations._SCRIPTS)).walk_revisions()][::-1]


@pytest.fixture
def empty_url(cluster: Cluster) -> Iterator[str]:
    with cluster.empty() as url:
        yield url


async def run(url: str, *statements: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


def test_the_last_file_by_name_is_the_head_of_one_line_of_revisions() -> None:
    assert sorted(REVISIONS) == REVISIONS
    assert head_revision() == REVISIONS[-1]


async def test_migrations_make_exactly_what_the_models_say(empty_url: str) -> None:
    assert await migrate(empty_url) == head_revision() == REVISIONS[-1]
    assert await pending_changes(empty_url) == []


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_every_earlier_revision_is_upgraded_with_its_data(empty_url: str, revision: str) -> None:
    await _upgrade_to(empty_url, revision)
    await run(
        empty_url,
        "INSERT INTO orgs (id, name, slug, cancellation_tiers) "
        "VALUES ('00000000-0000-7000-8000-000000000001', 'Old School', 'old-school', '[]')",
        "INSERT INTO students (org_id, id, full_name, search_text) VALUES "
        "('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'Old Student', '')",
    )
    assert await migrate(empty_url) == head_revision()
    rows = await run(empty_url, "SELECT full_name FROM students JOIN orgs ON orgs.id = org_id")
    assert [row["full_name"] for row in rows] == ["Old Student"]


async def test_the_newest_revision_can_be_taken_back_and_made_again(empty_url: str) -> None:
    await migrate(empty_url)
    await _on_connection(empty_url, migrations.downgrade, "-1")
    rows = await run(empty_url, "SELECT version_num FROM alembic_version")
    assert rows[0]["version_num"] == REVISIONS[-2]
    assert await migrate(empty_url) == head_revision()
    assert await pending_changes(empty_url) == []


async def test_two_processes_may_migrate_at_the_same_moment(empty_url: str) -> None:
    results = await asyncio.gather(migrate(empty_url), migrate(empty_url), migrate(empty_url))
    assert set(results) == {head_revision()}


async def test_a_plain_owner_who_is_no_superuser_can_migrate(cluster: Cluster) -> None:
    with _plain_owner(cluster) as url:
        assert await migrate(url) == head_revision()
        rows = await run(
            url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'trip_points_20%' AND relkind = 'r'"
        )
        assert rows[0]["count"] == PARTITIONS_BACK + PARTITIONS_AHEAD + 1


async def test_an_owner_who_may_not_create_roles_is_told_what_to_run(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "APP_ROLE", "driveflow_role_that_is_not_there")
    with (
        _plain_owner(cluster) as url,
        pytest.raises(MigrationError, match="CREATE ROLE driveflow_app NOLOGIN"),
    ):
        await migrate(url)


async def test_partitions_are_made_ahead_and_old_ones_dropped(fresh_database_url: str) -> None:
    def names(rows: list[asyncpg.Record]) -> list[str]:
        return [row["relname"] for row in rows]

    listing = (
        "SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = oid "
        "WHERE inhparent = 'trip_points'::regclass ORDER BY relname"
    )
    await run(fresh_database_url, "SELECT make_trip_point_partitions('2031-01-15', 2)")
    made = names(await run(fresh_database_url, listing))
    assert {"trip_points_2031_01", "trip_points_2031_02", "trip_points_default"} <= set(made)
    await run(fresh_database_url, "SELECT drop_trip_point_partitions('2031-02-01')")
    left = names(await run(fresh_database_url, listing))
    assert left == ["trip_points_2031_02", "trip_points_default"]


@pytest.mark.parametrize(
    ("months", "first_day"),
    [(0, "2026-11-01"), (1, "2026-12-01"), (2, "2027-01-01"), (-10, "2026-01-01"), (-11, "2025-12-01")],
)
def test_months_are_counted_over_the_year_s_end(months: int, first_day: str) -> None:
    from datetime import date  # noqa: PLC0415 - the only test that needs it

    assert months_from(date(2026, 11, 22), months).isoformat() == first_day


async def _upgrade_to(url: str, revision: str) -> None:
    await migrate(url, target=revision)


async def _on_connection(url: str, work: object, *arguments: str) -> None:
    engine = create_async_engine(async_url(url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work, *arguments)  # type: ignore[arg-type]  # takes the sync connection
            await connection.commit()
    finally:
        await engine.dispose()


@contextmanager
def _plain_owner(cluster: Cluster) -> Iterator[str]:
    name = f"owner_{secrets.token_hex(4)}"
    admin = cluster.admin_url
    wait_for(run(admin, f"CREATE ROLE {name} LOGIN PASSWORD 'plain' NOSUPERUSER NOCREATEROLE"))
    wait_for(run(admin, f"GRANT driveflow_app, driveflow_worker TO {name}"))
    try:
        with cluster.empty() as url:
            database = urlsplit(url).path.removeprefix("/")
            wait_for(run(admin, f'ALTER DATABASE "{database}" OWNER TO {name}'))
            parts = urlsplit(url)
            yield f"postgresql://{name}:plain@{parts.hostname}:{parts.port}/{database}"
            wait_for(run(url, f"REASSIGN OWNED BY {name} TO current_user"))
    finally:
        wait_for(run(admin, f"DROP OWNED BY {name}", f"DROP ROLE {name}"))
