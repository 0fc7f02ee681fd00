"""What the catalogue of PostgreSQL says of the tenant tables, and a row in each, made from it.

A new table gets its row by itself; where a CHECK asks for more than its columns' types, add it to CHECKED.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from driveflow.models import CONTROL_PLANE

# Values that CHECKs ask for, by table and column.
CHECKED: dict[tuple[str, str], Any] = {
    ("api_keys", "role"): "guardian",
    ("api_keys", "instructor_id"): None,
    ("api_keys", "student_id"): None,
    ("instructor_availabilities", "end_minute"): 60,
    ("calendar_feeds", "reader"): "guardian",
    ("calendar_feeds", "instructor_id"): None,
    ("invoice_numbers", "kind"): "invoice",
    ("invoices", "kind"): "credit_note",
    ("bookings", "price_cents"): 2,
    ("messages", "channel"): "email",
    # A row that refers to its own table has nothing to refer to yet.
    ("messages", "resend_of"): None,
    ("payments", "amount_cents"): 2,
    ("payout_lines", "kind"): "lesson",
    ("services", "duration_min"): 60,
    ("stripe_requests", "operation"): "create_refund",
}
_VALUES: dict[str, Any] = {
    "bool": True,
    "bytea": "\\x00",
    "date": "2026-08-05",
    "float4": 1.0,
    "float8": 1.0,
    "int2": 1,
    "int4": 1,
    "int8": 1,
    "jsonb": {},
    "numeric": 1,
}


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key as the catalogue has it."""

    name: str
    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]

    @property
    def column(self) -> str:
        """The column that is not the school's."""
        [column] = [column for column in self.columns if column != "org_id"]
        return column


async def tenant_tables(owner: asyncpg.Connection) -> list[str]:
    """Return the tables of schools, partitions left out, in an order in which they can be filled."""
    found = await owner.fetch(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'alembic_version' ORDER BY 1"
    )
    left = [row["name"] for row in found if row["name"] not in CONTROL_PLANE]
    needed = {
        table: {key.target for key in await foreign_keys(owner) if key.table == table} for table in left
    }
    ordered: list[str] = []
    while left:
        ready = [table for table in left if not needed[table] & set(left) - {table}]
        assert ready, f"tables refer to each other in a circle: {left}"
        ordered += ready
        left = [table for table in left if table not in ready]
    return ordered


async def foreign_keys(owner: asyncpg.Connection) -> list[ForeignKey]:
    """Return the foreign keys of all tables, those of partitions left out."""
    rows = await owner.fetch(
        "SELECT conname AS name, c.relname AS table, t.relname AS target, "
        "ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY k (n, i) "
        "  JOIN pg_attribute ON attrelid = conrelid AND attnum = n ORDER BY i) AS columns, "
        "ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY k (n, i) "
        "  JOIN pg_attribute ON attrelid = confrelid AND attnum = n ORDER BY i) AS target_columns "
        "FROM pg_constraint JOIN pg_class c ON c.oid = conrelid JOIN pg_class t ON t.oid = confrelid "
        "WHERE contype = 'f' AND conparentid = 0 ORDER BY 1"
    )
    return [
        ForeignKey(
            row["name"], row["table"], tuple(row["columns"]), row["target"], tuple(row["target_columns"])
        )
        for row in rows
    ]


async def fill_school(owner: asyncpg.Connection) -> UUID:
    """Make a school with one row in every tenant table; return its id."""
    org_id = uuid4()
    await owner.execute(
        "INSERT INTO orgs (id, name, slug, cancellation_tiers) VALUES ($1, 'Full', $2, '[]')",
        org_id,
        str(org_id),
    )
    keys = await foreign_keys(owner)
    rows: dict[str, dict[str, Any]] = {}
    for table in await tenant_tables(owner):
        rows[table] = await _row(owner, table, org_id, [key for key in keys if key.table == table], rows)
        await insert_row(owner, table, rows[table])
    return org_id


async def insert_row(connection: asyncpg.Connection, table: str, row: dict[str, Any]) -> None:
    """Insert a row given as JSON; columns that it leaves out get their defaults."""
    columns = ", ".join(f'"{name}"' for name in row)
    await connection.execute(
        f"INSERT INTO {table} ({columns}) "
        f"SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::jsonb)",
        json.dumps(row),
    )


async def _row(
    owner: asyncpg.Connection,
    table: str,
    org_id: UUID,
    keys: Sequence[ForeignKey],
    rows: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    columns = await owner.fetch(
        "SELECT attname AS name, typname AS type, attnotnull AND NOT atthasdef AS needed "
        "FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid "
        "WHERE attrelid = $1::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        table,
    )
    row: dict[str, Any] = {"org_id": str(org_id)}
    for number, column in enumerate(columns):
        name = column["name"]
        target = next((key.target for key in keys if name in key.columns[1:]), None)
        if (table, name) in CHECKED:
            row[name] = CHECKED[table, name]
        elif target is not None:
            row[name] = rows[target]["id"]
        elif column["needed"] and name != "org_id":
            row[name] = _value(column["type"], number)
    return row


def _value(kind: str, number: int) -> Any:
    if kind == "uuid":
        return str(uuid4())
    if kind == "text":
        return secrets.token_hex(8)
    if kind == "timestamptz":
        # Later columns get later times: ends come after starts.
        return f"2026-08-05T{number:02}:00:00Z"
    return _VALUES[kind]
