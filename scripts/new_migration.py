"""Writes a revision from what the models say and the newest schema lacks.

`python scripts/new_migration.py students_nickname "Give students a nickname"` migrates a new database of the
test server, compares, and writes `<day>_<number>_students_nickname.py` among the revisions. Read it: it knows
tables, columns, keys and indexes; new CHECKs of old tables, row-level security, rights and the moving of data
are yours to add.
"""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from check_migrations import new_database
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from driveflow import migrations
from driveflow.core.db import async_url
from driveflow.entrypoints.migrate import migrate

_FOLDER = Path(migrations.__file__).parent


def main() -> None:
    """Write the revision named on the command line."""
    if len(sys.argv) != 3:  # noqa: PLR2004 - the script, a name, a message
        sys.exit(__doc__)
    name, message = sys.argv[1:]
    day = f"{datetime.now(UTC):%Y%m%d}"
    number = len(list((_FOLDER / "versions").glob(f"{day}_*.py"))) + 1
    revision = f"{day}_{number:02}_{name}"
    with new_database() as url:
        asyncio.run(migrate(url))
        asyncio.run(_write(url, revision, message))
    ruff = Path(sys.executable).parent / "ruff"
    written = _FOLDER / "versions" / f"{revision}.py"
    subprocess.run([ruff, "format", "--quiet", written], check=True)  # noqa: S603 - our own tool on our own file


async def _write(url: str, revision: str, message: str) -> None:
    engine = create_async_engine(async_url(url), poolclass=pool.NullPool)

    def generate(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.set_main_option("file_template", "%%(rev)s")
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=revision)

    async with engine.connect() as connection:
        await connection.run_sync(generate)
    await engine.dispose()


if __name__ == "__main__":
    main()
