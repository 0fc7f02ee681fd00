"""Fails when the models say what no migration makes: the `alembic check` of `make check`.

Migrates a new database of the test server (embedded, or DRIVEFLOW_TEST_DATABASE_URL) and compares.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from driveflow.entrypoints.migrate import migrate, pending_changes
from support.databases import Cluster


@contextmanager
def new_database() -> Iterator[str]:
    """Yield the owner's address of an empty database of the test server; drop it afterwards."""
    with ExitStack() as stack:
        url = os.environ.get("DRIVEFLOW_TEST_DATABASE_URL")
        if not url:
            from driveflow.integrations import embedded_postgres  # noqa: PLC0415 - only where it is used

            folder = Path(tempfile.gettempdir()) / f"driveflow-tests-{os.getuid()}"
            url = stack.enter_context(embedded_postgres.start(folder)).url("postgres")
        yield stack.enter_context(Cluster(url, "template1").empty())


def main() -> int:
    """Return 0 when models and migrations agree."""
    with new_database() as url:
        revision = asyncio.run(migrate(url))
        changes = asyncio.run(pending_changes(url))
    for change in changes:
        print(change)  # noqa: T201 - the output of this script
    print(f"Migrations ({revision}) and models {'differ' if changes else 'agree'}.")  # noqa: T201 - as above
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
