"""Other processes that share an embedded PostgreSQL server, and ways to look at it and to kill it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg

from driveflow.integrations import embedded_postgres_processes as processes
from driveflow.integrations.embedded_postgres_server import find_postmaster

CLIENT = """
import sys
from pathlib import Path
from driveflow.integrations.embedded_postgres import start
with start(Path(sys.argv[1])) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


class Client:
    """Another process that holds a claim on the server of `data_dir` until it is told to finish."""

    def __init__(self, data_dir: Path, *arguments: object, script: str = CLIENT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, data_dir, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str:
        """Wait for the server and return its address; empty if the process failed."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> None:
        """Let the process release its claim and end; it must end well."""
        _, errors = self.process.communicate()
        assert self.process.returncode == 0, errors

    def kill(self) -> None:
        """End the process with kill -9."""
        self.process.kill()
        self.process.communicate()


def query(url: str, sql: str) -> list[Any]:
    """Return the first column of what a query answers."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(url, ssl=False)
        try:
            return [row[0] for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster_pid(data_dir: Path) -> int:
    """Return the process id of the server of `data_dir`, which must run."""
    postmaster = find_postmaster((data_dir / "postgres").resolve())
    assert postmaster is not None
    return postmaster.pid


def kill_server(data_dir: Path) -> None:
    """End the server with kill -9 and wait until it is gone."""
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGKILL)
    while processes.find_process(pid) is not None:
        time.sleep(0.01)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="driveflow-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
