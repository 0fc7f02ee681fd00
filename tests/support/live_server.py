"""`driveflow serve` as a process of its own, on a free loopback port, to be raced and killed."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import unguarded_server

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
_ADDRESS = re.compile(r"DriveFlow answers on http://localhost:(\d+)")


@dataclass
class LiveServer:
    """A running web process and its address."""

    process: subprocess.Popen[bytes]
    base_url: str

    def kill(self) -> None:
        """End the process with kill -9."""
        self.process.kill()
        self.process.wait()


@contextmanager
def live_server(
    database_url: str, *, without_locks: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[LiveServer]:
    """Serve a migrated database until the end of the block.

    `without_locks` leaves out the locks of instructor and student; see `unguarded_server.py`. `environment`
    holds further settings.
    """
    installed = [str(Path(sys.executable).parent / "driveflow")]
    program = [sys.executable, str(Path(unguarded_server.__file__))] if without_locks else installed
    whole = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")},
        "DRIVEFLOW_DATABASE_URL": database_url,
        "DRIVEFLOW_LOG_LEVEL": "warning",
        "DRIVEFLOW_RATE_LIMIT_ADDRESS_PER_MIN": "1000000",
        "DRIVEFLOW_RATE_LIMIT_KEY_PER_MIN": "1000000",
        **(environment or {}),
    }
    with tempfile.TemporaryDirectory(prefix="driveflow-live-") as folder:
        said = Path(folder) / "said.txt"
        with said.open("wb") as log:
            process = subprocess.Popen(
                [*program, "serve", "--port", "0"], cwd=folder, env=whole, stdout=log, stderr=log
            )
        try:
            yield LiveServer(process, f"http://127.0.0.1:{_port(process, said)}")
            if process.returncode is None:
                process.terminate()
                process.wait(STOP_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], said: Path) -> int:
    """Wait until the server says that it answers; return its port."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        found = _ADDRESS.search(said.read_text())
        if found is not None:
            return int(found[1])
        assert process.poll() is None, said.read_text()
        time.sleep(0.02)
    raise AssertionError(f"the server did not start: {said.read_text()}")
