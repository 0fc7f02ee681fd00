"""The PostgreSQL server of a bench run: a given one, else a temporary Debian one, else the embedded one.

All of them keep their default durability (fsync and synchronous_commit on) and default sizes. The temporary
server's data stay under bench/.work between runs, so that only the first run loads data.
"""

import asyncio
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from bench.processes import postmaster_of

DEBIAN_ROOT = Path("/usr/lib/postgresql")
SERVER_USER = "postgres"


class MissingError(Exception):
    """Something the bench needs is missing; the message says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: a superuser's address, and the postmaster's process if it runs on this machine."""

    admin_url: str
    version: str
    kind: str
    pid: int | None

    def url(self, database: str) -> str:
        """Return the superuser's address of another database of this server."""
        return re.sub(r"^(\w+://[^/]+)(/[^?]*)?", rf"\1/{database}", self.admin_url)


def program(name: str) -> str:
    """Return the path of a PostgreSQL program; raises MissingError."""
    on_path = shutil.which(name)
    installed = [*([on_path] if on_path else []), *(str(path) for path in _debian_programs(name))]
    if not installed:
        raise MissingError(f"{name} is missing: apt-get install postgresql (psql and pgbench come with it)")
    return installed[0]


def psql(url: str, *arguments: str) -> str:
    """Run psql on a database and return what it prints; raises CalledProcessError."""
    command = [program("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def running(work: Path) -> Iterator[Server]:
    """Yield the server to measure on; stop it afterwards if this call started it.

    Raises MissingError when there is no server to be had.
    """
    given = os.environ.get("BENCH_DATABASE_URL")
    if given:
        yield _described(given, "given by BENCH_DATABASE_URL")
    elif _debian_programs("postgres"):
        with _debian(work / "postgres") as url:
            yield _described(url, "started for the bench from the system's packages, default settings")
    else:
        from driveflow.integrations import embedded_postgres  # noqa: PLC0415 - only where it is used

        with embedded_postgres.start(work / "embedded") as embedded:
            yield _described(embedded.url("postgres"), "the embedded one")


@contextmanager
def _debian(folder: Path) -> Iterator[str]:
    initdb, pg_ctl = (str(_debian_programs(name)[0]) for name in ("initdb", "pg_ctl"))
    cluster, password_file = folder / "cluster", folder / "password"
    # PostgreSQL refuses to run as root; Debian's package comes with a user for it.
    account: dict[str, Any] = {}
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        owner = pwd.getpwnam(SERVER_USER)
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": [], "cwd": "/"}
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    if not password_file.exists():
        shutil.rmtree(cluster, ignore_errors=True)
        password = secrets.token_hex(16)
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if account:
            os.chown(password_file, account["user"], account["group"])
        command = [initdb, "-D", str(cluster), "-U", SERVER_USER, "--pwfile", str(password_file)]
        try:
            _quietly([*command, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"], account)
        except MissingError:
            password_file.unlink()
            raise
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    log = str(folder / "server.log")
    _quietly([pg_ctl, "-D", str(cluster), "-w", "-l", log, "-o", options, "start"], account)
    try:
        yield f"postgresql://{SERVER_USER}:{password_file.read_text()}@127.0.0.1:{port}/postgres"
    finally:
        _quietly([pg_ctl, "-D", str(cluster), "-w", "-m", "fast", "stop"], account)


def _quietly(command: list[str], account: dict[str, Any]) -> None:
    # Not a pipe: the server would inherit it and keep it open for as long as it runs.
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account,
    )
    if done.returncode:
        raise MissingError(
            f"{Path(command[0]).name} failed with exit code {done.returncode}. The temporary server's folder "
            "must be reachable by its user; or set BENCH_DATABASE_URL to a superuser's address elsewhere. "
            f"The command: {' '.join(command)}"
        )


def _described(url: str, kind: str) -> Server:
    version, backend = asyncio.run(_ask(url))
    return Server(url, version, kind, backend)


async def _ask(url: str) -> tuple[str, int | None]:
    connection = await asyncpg.connect(url)
    try:
        version = str(await connection.fetchval("SHOW server_version"))
        return version, postmaster_of(await connection.fetchval("SELECT pg_backend_pid()"))
    finally:
        await connection.close()


def _debian_programs(name: str) -> list[Path]:
    """Return an installed program of each major version, the newest first."""
    return sorted(DEBIAN_ROOT.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
