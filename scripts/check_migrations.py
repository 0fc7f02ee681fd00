"""Fails when the models say what no migration makes: the `alembic check` of `make check`.

Migrates a new database of the test server (embedded, or DRIVEFLOW_TEST_DATABASE_URL) and compares.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.databases import Cluster

from driveflow.entrypoints.migrate import migrate, pending_changes


def main() -> int:
    """Return 0 when models and migrations agree."""
    with ExitStack() as stack:
        url = os.environ.get("DRIVEFLOW_TEST_DATABASE_URL")
        if not url:
            from driveflow.integrations import embedded_postgres  # noqa: PLC0415 - only where it is used

            folder = Path(tempfile.gettempdir()) / f"driveflow-tests-{os.getuid()}"
            url = stack.enter_context(embedded_postgres.start(folder)).url("postgres")
        fresh = stack.enter_context(Cluster(url, "template1").empty())
        revision = asyncio.run(migrate(fresh))
        changes = asyncio.run(pending_changes(fresh))
    for change in changes:
        print(change)  # noqa: T201 - the output of this script
    print(f"Migrations ({revision}) and models {'differ' if changes else 'agree'}.")  # noqa: T201 - as above
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
