"""Serves DriveFlow for the bench: one production process, as `driveflow serve` runs it, at a fixed time.

    python -m bench.serve PORT OWNER_URL NOW

NOW (RFC 3339) is what the application's clock says: the data set's days lie around it.
"""

import sys
from datetime import datetime

from driveflow.core.collector import collector_paused

with collector_paused():
    import uvicorn

    from driveflow.core.db import APP_ROLE, Database
    from driveflow.core.settings import Settings
    from driveflow.entrypoints.app import create_app

POOL_SIZE = 10


def main() -> None:
    """Serve until SIGTERM."""
    port, url, now_text = sys.argv[1:]
    now = datetime.fromisoformat(now_text)
    settings = Settings(_env_file=None, database_url=url, pool_size=POOL_SIZE)
    database = Database(url, role=APP_ROLE, pool_size=settings.pool_size)
    app = create_app(settings, database, clock=lambda: now, access_log=False)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
