"""The database itself keeps the schools apart, whatever the application asks it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from driveflow.core.db import APP_ROLE, WORKER_ROLE, tenant_sql
from driveflow.models import CONTROL_PLANE, Base
from support.databases import Cluster, wait_for
from support.tenant_rows import ForeignKey, fill_school, foreign_keys, insert_row, tenant_tables

OWN_ROWS = "(org_id = (NULLIF(current_setting('app.org_id'::text, true), ''::text))::uuid)"
APPEND_ONLY = ("audit_logs", "invoices", "ledger_entries")


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[tuple[str, UUID, UUID]]:
    """A database with two schools that have a row in every table; nothing here changes it for good."""

    async def fill(url: str) -> tuple[UUID, UUID]:
        owner = await asyncpg.connect(url)
        try:
            # A month ahead, so that the points have a partition besides the default one.
            await owner.execute("SELECT make_trip_point_partitions('2026-08-01', 1)")
            return await fill_school(owner), await fill_school(owner)
        finally:
            await owner.close()

    with cluster.clone() as url:
        own, other = wait_for(fill(url))
        yield url, own, other


@pytest.fixture
async def owner(filled: tuple[str, UUID, UUID]) -> AsyncIterator[asyncpg.Connection]:
    """The database's owner; what it changes is rolled back."""
    connection = await asyncpg.connect(filled[0])
    await connection.execute("BEGIN")
    yield connection
    await connection.execute("ROLLBACK")
    await connection.close()


@pytest.fixture(params=[APP_ROLE, WORKER_ROLE])
async def role(
    request: pytest.FixtureRequest, filled: tuple[str, UUID, UUID]
) -> AsyncIterator[asyncpg.Connection]:
    """A connection in the web's role, and in the worker's; what it changes is rolled back."""
    connection = await asyncpg.connect(filled[0], server_settings={"role": request.param})
    await connection.execute("BEGIN")
    yield connection
    await connection.execute("ROLLBACK")
    await connection.close()


@contextmanager
def refused(what: str, *errors: type[asyncpg.PostgresError]) -> Iterator[None]:
    """Expect one of these errors; name what was not refused."""
    try:
        yield
    except errors:
        return
    raise AssertionError(f"{what} was not refused")


class Attempt:
    """Undoes what its block did, as a refusal must not end the transaction around it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._connection.execute("SAVEPOINT attempt")

    async def __aexit__(self, *_error: object) -> None:
        await self._connection.execute("ROLLBACK TO SAVEPOINT attempt")


async def row_of(owner: asyncpg.Connection, table: str, org_id: UUID) -> dict[str, Any]:
    """Return a school's row of a table."""
    row: dict[str, Any] = json.loads(
        await owner.fetchval(f"SELECT to_jsonb(t) FROM {table} t WHERE org_id = $1", org_id)
    )
    return row


async def partitions_of_trip_points(owner: asyncpg.Connection) -> list[str]:
    """Return the names of the partitions."""
    rows = await owner.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'trip_points'::regclass"
    )
    return [row["name"] for row in rows]


async def test_the_tables_of_the_models_and_of_the_database_are_the_same(owner: asyncpg.Connection) -> None:
    assert {*await tenant_tables(owner), *CONTROL_PLANE} == set(Base.metadata.tables)


async def test_every_tenant_table_and_partition_forces_row_level_security_with_the_policy_on_reads_and_writes(
    owner: asyncpg.Connection,
) -> None:
    wrong = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
        "AND relname <> ALL($1) AND NOT (relrowsecurity AND relforcerowsecurity)",
        [*CONTROL_PLANE, "alembic_version"],
    )
    assert wrong == []
    partitions = await partitions_of_trip_points(owner)
    assert len(partitions) >= 2
    policies = await owner.fetch(
        "SELECT tablename, permissive, roles::text[], cmd, qual, with_check FROM pg_policies "
        "WHERE policyname = 'own_school'"
    )
    assert sorted(row["tablename"] for row in policies) == sorted([*await tenant_tables(owner), *partitions])
    for table, *policy in policies:
        assert policy == ["PERMISSIVE", ["public"], "ALL", OWN_ROWS, OWN_ROWS], table


async def test_the_only_other_policy_lets_the_worker_read_which_schools_have_events(
    owner: asyncpg.Connection,
) -> None:
    others = await owner.fetch(
        "SELECT tablename, roles::text[], cmd, with_check FROM pg_policies WHERE policyname <> 'own_school'"
    )
    assert [tuple(row.values()) for row in others] == [("outbox", [WORKER_ROLE], "SELECT", None)]


async def test_every_foreign_key_between_tables_of_schools_names_the_school_on_both_sides(
    owner: asyncpg.Connection,
) -> None:
    tables = await tenant_tables(owner)
    keys = [key for key in await foreign_keys(owner) if key.table in tables and key.target in tables]
    assert len(keys) > 15
    assert not [key for key in keys if (key.columns[0], key.target_columns[0]) != ("org_id", "org_id")]


async def test_every_primary_key_and_unique_of_a_tenant_table_leads_with_the_school(
    owner: asyncpg.Connection,
) -> None:
    # One that did not would tell, by its violation, that another school has the value.
    rows = await owner.fetch(
        "SELECT indexrelid::regclass::text AS name FROM pg_index JOIN pg_class ON oid = indrelid "
        "JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] "
        "WHERE (indisunique OR indisexclusion) AND relname = ANY($1) AND attname <> 'org_id'",
        await tenant_tables(owner),
    )
    assert [row["name"] for row in rows] == []


@pytest.mark.parametrize("name", [APP_ROLE, WORKER_ROLE])
async def test_the_roles_of_web_and_worker_own_nothing_and_can_bypass_nothing(
    owner: asyncpg.Connection, name: str
) -> None:
    role = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", name)
    assert role is not None
    powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
    assert not [power for power in powers if role[power]]
    assert await owner.fetch("SELECT relname FROM pg_class WHERE relowner = $1", role["oid"]) == []
    # Neither by a detour: membership in a role that may more.
    assert await owner.fetch("SELECT roleid FROM pg_auth_members WHERE member = $1", role["oid"]) == []
    assert not await owner.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", name)


async def test_views_run_with_the_rights_of_the_caller(owner: asyncpg.Connection) -> None:
    views = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm') "
        "AND NOT coalesce(reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on'], false)"
    )
    assert [row["relname"] for row in views] == []


async def test_functions_with_the_owners_rights_are_the_two_that_the_worker_needs(
    owner: asyncpg.Connection,
) -> None:
    rows = await owner.fetch(
        "SELECT proname, has_function_privilege($1, oid, 'EXECUTE') AS web, "
        "has_function_privilege($2, oid, 'EXECUTE') AS worker, "
        "proconfig::text LIKE '%search_path%' AS pinned FROM pg_proc "
        "WHERE prosecdef AND pronamespace = 'public'::regnamespace ORDER BY 1",
        APP_ROLE,
        WORKER_ROLE,
    )
    assert [tuple(row.values()) for row in rows] == [
        ("drop_trip_point_partitions", False, True, True),
        ("make_trip_point_partitions", False, True, True),
    ]


async def test_without_a_school_no_row_is_visible_and_none_can_be_written(
    owner: asyncpg.Connection, role: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    _, own, _ = filled
    for table in await tenant_tables(owner):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 2
        sees_all = table == "outbox" and await role.fetchval("SELECT current_user") == WORKER_ROLE
        assert await role.fetchval(f"SELECT count(*) FROM {table}") == (2 if sees_all else 0), table
        row = await row_of(owner, table, own)
        async with Attempt(role):
            with refused(f"INSERT into {table}", asyncpg.InsufficientPrivilegeError):
                await insert_row(role, table, row)
        if table not in APPEND_ONLY:
            assert await role.execute(f"UPDATE {table} SET org_id = org_id") == "UPDATE 0"
            assert await role.execute(f"DELETE FROM {table}") == "DELETE 0"


async def test_an_empty_or_wrong_school_shows_nothing(role: asyncpg.Connection) -> None:
    await role.execute("SET LOCAL app.org_id = ''")
    assert await role.fetchval("SELECT count(*) FROM bookings") == 0
    await role.execute("SET LOCAL app.org_id = 'everybody'")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await role.fetchval("SELECT count(*) FROM bookings")


async def test_a_school_sees_and_changes_its_own_rows_only(
    owner: asyncpg.Connection, role: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    _, own, other = filled
    await role.execute(tenant_sql(own))
    is_worker = await role.fetchval("SELECT current_user") == WORKER_ROLE
    for table in await tenant_tables(owner):
        visible = {row["org_id"] for row in await role.fetch(f"SELECT org_id FROM {table}")}
        assert visible == ({own, other} if table == "outbox" and is_worker else {own}), table
        foreign = await row_of(owner, table, other)
        async with Attempt(role):
            with refused(f"INSERT of a foreign row into {table}", asyncpg.InsufficientPrivilegeError):
                await insert_row(role, table, foreign)
        if table in APPEND_ONLY:
            continue
        async with Attempt(role):
            with refused(f"UPDATE of org_id in {table}", asyncpg.InsufficientPrivilegeError):
                await role.execute(f"UPDATE {table} SET org_id = $1 WHERE org_id = $2", other, own)
        assert (
            await role.execute(f"UPDATE {table} SET org_id = $1 WHERE org_id = $2", own, other) == "UPDATE 0"
        )
        assert await role.execute(f"DELETE FROM {table} WHERE org_id = $1", other) == "DELETE 0"


async def test_audit_log_invoices_and_ledger_take_no_change_back(
    role: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    await role.execute(tenant_sql(filled[1]))
    for table in APPEND_ONLY:
        assert await role.fetchval(f"SELECT count(*) FROM {table}") == 1
        for statement in (f"UPDATE {table} SET org_id = org_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            async with Attempt(role):
                with refused(statement, asyncpg.InsufficientPrivilegeError):
                    await role.execute(statement)


async def test_no_table_can_be_truncated(owner: asyncpg.Connection, role: asyncpg.Connection) -> None:
    # TRUNCATE asks no policy.
    for table in (*await tenant_tables(owner), *CONTROL_PLANE):
        async with Attempt(role):
            with refused(f"TRUNCATE {table}", asyncpg.InsufficientPrivilegeError):
                await role.execute(f"TRUNCATE {table} CASCADE")


async def test_partitions_can_be_read_and_written_through_their_table_only(
    owner: asyncpg.Connection, role: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    _, own, _ = filled
    await role.execute(tenant_sql(own))
    assert await role.fetchval("SELECT tableoid::regclass::text FROM trip_points") == "trip_points_2026_08"
    for partition in await partitions_of_trip_points(owner):
        for statement in ("SELECT * FROM {}", "DELETE FROM {}", "INSERT INTO {} SELECT * FROM trip_points"):
            async with Attempt(role):
                with refused(f"{statement} on {partition}", asyncpg.InsufficientPrivilegeError):
                    await role.execute(statement.format(partition))


async def test_the_database_refuses_a_row_that_points_into_another_school(
    owner: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    # As the owner, whom no policy binds: the foreign key alone must refuse.
    _, own, other = filled
    tables = await tenant_tables(owner)
    keys = [key for key in await foreign_keys(owner) if key.table in tables and key.target in tables]
    for key in keys:
        foreign = await owner.fetchval(f"SELECT id FROM {key.target} WHERE org_id = $1", other)
        async with Attempt(owner):
            await _allow_any_person(owner, key)
            with refused(f"{key.table}.{key.column} of another school", asyncpg.ForeignKeyViolationError):
                await owner.execute(
                    f"UPDATE {key.table} SET {key.column} = $1 WHERE org_id = $2", foreign, own
                )


async def _allow_any_person(owner: asyncpg.Connection, key: ForeignKey) -> None:
    """Take away the CHECKs that tie a row to its person; they would refuse before the foreign key."""
    if key.table in {"api_keys", "calendar_feeds"}:
        for person in ("instructor", "student", "guardian"):
            await owner.execute(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.table}_{person}_check")


async def test_that_refusal_comes_from_the_foreign_key(
    owner: asyncpg.Connection, filled: tuple[str, UUID, UUID]
) -> None:
    _, own, other = filled
    foreign = await owner.fetchval("SELECT id FROM students WHERE org_id = $1", other)
    await owner.execute("ALTER TABLE bookings DROP CONSTRAINT bookings_org_id_student_id_fkey")
    assert (
        await owner.execute("UPDATE bookings SET student_id = $1 WHERE org_id = $2", foreign, own)
        == "UPDATE 1"
    )
