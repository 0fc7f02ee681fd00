"""Row-level security and rights of a new table, for migrations.

Migrations that have run rely on these functions: never change what they do, add another one.
"""

from alembic import op

ROLES = "driveflow_app, driveflow_worker"
OWN_ROWS = "org_id = nullif(current_setting('app.org_id', true), '')::uuid"
_ALL_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"


def secure_tenant_table(table: str, *, append_only: bool = False) -> None:
    """Let both roles see and write the rows of the transaction's school only (schema decision 4)."""
    secure_partition(table)
    rights = "SELECT, INSERT" if append_only else _ALL_RIGHTS
    op.execute(f"GRANT {rights} ON {table} TO {ROLES}")


def secure_partition(table: str) -> None:
    """Give a partition its parent's policy, and nobody a right: its rows are reached through the parent."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own_school ON {table} USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS})")


def grant_control_plane(table: str) -> None:
    """Let both roles read and write a table that belongs to no school."""
    op.execute(f"GRANT {_ALL_RIGHTS} ON {table} TO {ROLES}")
