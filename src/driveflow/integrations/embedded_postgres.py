"""Starts, shares and stops the PostgreSQL server that DriveFlow runs when no database is configured.

`start(data_dir)` makes a cluster on first use and returns a `RunningServer`. All is in `data_dir/postgres`:

    cluster/       the data, made under another name and renamed once whole, so it is never half made
    password       of the superuser `postgres`, random, mode 0600; every connection must give it
    port           the last port, taken again when it is free, so that addresses survive a restart
    server.log     what the server says
    clients/       one file per `RunningServer`: `<pid>-<random>`, holding the start mark of that process
    start.lock     locked while one process starts, stops or counts
    server.lock    locked by the server and all its children for as long as any of them lives
    binaries-*/    as root only: a copy of the server's programs that an unprivileged user may run

The server listens on 127.0.0.1 only, without a Unix socket, in a session of its own, so Ctrl-C does not reach
it. The client that releases last stops it. A client killed with -9 is struck from the list by the next one;
if it was the last, its server goes on and the next start adopts it. After a kill -9 of the server the next
start ends what is left of it, and PostgreSQL recovers from its log.
"""

import atexit
import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from driveflow.integrations.embedded_postgres_binaries import EmbeddedPostgresError
from driveflow.integrations.embedded_postgres_processes import find_process

if sys.platform != "win32":
    import fcntl

    from driveflow.integrations.embedded_postgres_cluster import (
        DATABASE,
        SUPERUSER,
        create_database,
        open_home,
        open_private,
        url_of,
    )
    from driveflow.integrations.embedded_postgres_server import adopt_or_launch, find_postmaster, stop
else:  # importing must work: DriveFlow runs there with a configured database
    DATABASE, SUPERUSER = "driveflow", "postgres"

__all__ = ["EmbeddedPostgresError", "RunningServer", "running_url", "start"]


class RunningServer:
    """One claim on the embedded server: while it is held the server stays up, and the last release stops it.

    Made by `start`. Use it as a context manager, or call `release`; a normal exit of the process releases it
    too.
    """

    def __init__(self, home: Path, port: int, client: Path) -> None:
        self.port = port
        self._home = home
        self._client = client
        self._pid = os.getpid()
        atexit.register(self.release)

    def url(self, database: str = DATABASE, user: str = SUPERUSER) -> str:
        """Return the address of a database on this server, with the superuser's password in it."""
        return url_of(self._home, self.port, database, user)

    def release(self) -> None:
        """Give up this claim; when none is left, stop the server in fast mode: open transactions roll back.

        A second call does nothing.

        Raises:
            EmbeddedPostgresError: the server does not stop.
        """
        # A forked child holds a copy of this object; the claim is its parent's.
        if os.getpid() != self._pid:
            return
        atexit.unregister(self.release)
        # FileNotFoundError: released before, or the folder was deleted, and then PostgreSQL ends by itself.
        with contextlib.suppress(FileNotFoundError), _start_lock(self._home):
            self._client.unlink()
            if not _living_clients(self._home):
                stop(self._home)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def start(data_dir: Path) -> RunningServer:
    """Return a claim on the server of `data_dir`, making the cluster, the server and the database as needed.

    Blocks for about a second the first time and a fraction of one later; longer after a crash. Safe to call
    from several processes and threads at once; from asyncio, call it with `asyncio.to_thread`.

    Raises:
        EmbeddedPostgresError: the server cannot run; the message says what to do.
    """
    if sys.platform == "win32":
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL server runs on Linux and macOS. On Windows use WSL, or install "
            "PostgreSQL and set DRIVEFLOW_DATABASE_URL.",
        )
    try:
        home = open_home(data_dir.absolute())
        with _start_lock(home):
            clients = _living_clients(home)
            try:
                port = adopt_or_launch(home)
                if not clients:
                    create_database(home, port)
                return RunningServer(home, port, _add_client(home))
            except BaseException:
                if not clients:
                    stop(home)
                raise
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL server cannot use {data_dir}: {error}. Set DRIVEFLOW_DATA_DIR to a "
            "folder that this user may write, on a disk with free space and without the mount option noexec. "
            "In a container that runs as root, keep the capability SETUID or choose an ordinary user.",
        ) from error


def running_url(data_dir: Path, database: str = DATABASE, user: str = SUPERUSER) -> str | None:
    """Return the address of the server of `data_dir` if it accepts connections now; never start one.

    Raises:
        EmbeddedPostgresError: the data belongs to another user of this machine.
    """
    try:
        home = (data_dir / "postgres").resolve()
        postmaster = find_postmaster(home)
        return url_of(home, postmaster.port, database, user) if postmaster and postmaster.ready else None
    except PermissionError as error:
        raise EmbeddedPostgresError(f"{error}. Ask as the user who runs DriveFlow.") from error


@contextlib.contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    descriptor = open_private(home / "start.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _add_client(home: Path) -> Path:
    me = find_process(os.getpid())
    client = home / "clients" / f"{os.getpid()}-{secrets.token_hex(8)}"
    client.parent.mkdir(mode=0o700, exist_ok=True)
    client.write_text(me.start_mark if me else "")
    return client


def _living_clients(home: Path) -> list[Path]:
    """Return the claims of processes that still run, and remove those of the dead."""
    living = []
    for client in home.glob("clients/*"):
        process = find_process(int(client.name.partition("-")[0]))
        if process is not None and process.start_mark == client.read_text():
            living.append(client)
        else:
            client.unlink()
    return living
