"""Alembic's environment: runs on the connection that `entrypoints/migrate.py` hands over."""

from alembic import context
from alembic.util import CommandError

from driveflow.entrypoints.migrate import in_models
from driveflow.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise CommandError("Use `driveflow migrate` (and `driveflow migrate --check`): it connects as the owner.")

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_object=in_models,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
