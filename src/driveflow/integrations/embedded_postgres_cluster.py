"""The folder of the embedded PostgreSQL server: where it is, whose it is, and how the data in it is made.

The folder belongs to the user who runs DriveFlow. PostgreSQL refuses to run as root; under root the cluster
alone belongs to an unprivileged user, `postgres` or `nobody`, and when that user cannot reach the data
directory, the folder is made in /var/lib/driveflow (or /var/tmp) and `data_dir/postgres` is a link to it. The
folders above are never given another mode.
"""

import asyncio
import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import asyncpg

from driveflow.integrations.embedded_postgres_binaries import Binaries, EmbeddedPostgresError
from driveflow.integrations.embedded_postgres_processes import may_enter

HOST = "127.0.0.1"
DATABASE = "driveflow"
SUPERUSER = "postgres"
NEW_PREFIX = "new-"  # of the folder in which a cluster is made
# Nothing secret of ours (Stripe keys, for one) reaches the server, and its messages are alike everywhere.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_FIRST_WITH_BUILTIN_LOCALES = 17
# A fresh folder with an unguessable name, made by root, goes inside the first that will do.
_SHARED_PLACES = (Path("/var/lib/driveflow"), Path("/var/tmp"))  # noqa: S108 - mkdtemp makes it safe
_SETTINGS = """
# Written by DriveFlow when it made this cluster; change what you like.
shared_buffers = '128MB'
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""


class Account(NamedTuple):
    """The user and group ids that the server runs under when root starts it."""

    uid: int
    gid: int


def open_home(data_dir: Path) -> Path:
    """Return the server's folder, `data_dir/postgres` with links followed, and make it on first use.

    Raises:
        EmbeddedPostgresError: it belongs to another user, is gone, or no place will do.
        OSError: `data_dir` cannot be written.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    entry = data_dir / "postgres"
    if entry.is_symlink() and not entry.exists():
        raise EmbeddedPostgresError(
            f"The database of {data_dir} is at {entry.readlink()}, which is gone. Put that folder back, or "
            f"remove the link {entry} to begin with an empty database.",
        )
    if not entry.exists():
        _make_home(entry)
    home = entry.resolve()
    if (owner := home.stat().st_uid) != os.geteuid():
        raise EmbeddedPostgresError(
            f"{home} belongs to user {owner} and you are user {os.geteuid()}. Run DriveFlow as that user, or "
            "set DRIVEFLOW_DATA_DIR to a folder of your own.",
        )
    return home


def _make_home(entry: Path) -> None:
    account = server_account(entry)
    if account is None or may_enter(entry.parent.resolve(), *account):
        entry.mkdir(mode=0o700, exist_ok=True)
        return
    for place in _SHARED_PLACES:
        with contextlib.suppress(OSError):
            if not place.exists():
                place.mkdir()
                place.chmod(0o755)
            if may_enter(place, *account):
                home = Path(tempfile.mkdtemp(prefix=f"driveflow-{short_hash(entry)}-", dir=place))
                try:
                    entry.symlink_to(home)
                except FileExistsError:  # another process was first
                    home.rmdir()
                return
    raise EmbeddedPostgresError(
        "Started by root, the database server runs as an unprivileged user, who cannot reach "
        f"{entry.parent}, and no other place will do ({', '.join(map(str, _SHARED_PLACES))}). Set "
        "DRIVEFLOW_DATA_DIR to a folder that all users may enter, or run DriveFlow as an ordinary user.",
    )


def server_account(home: Path) -> Account | None:
    """Return whom to run the server as, or None for the present user: only root must choose.

    An existing cluster keeps its owner, so installing a user `postgres` later changes nothing.

    Raises:
        EmbeddedPostgresError: there is nobody to choose, or the cluster belongs to root.
    """
    if os.geteuid() != 0:
        return None
    cluster = home / "cluster"
    if cluster.exists():
        owner = cluster.stat()
        if owner.st_uid == 0:
            raise EmbeddedPostgresError(
                f"{cluster} belongs to root, who may not run PostgreSQL. Give it to an unprivileged user: "
                f"`chown -R nobody {cluster}`.",
            )
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`. Run "
        "DriveFlow as an ordinary user, or set DRIVEFLOW_DATABASE_URL.",
    )


def made_by(home: Path) -> int | None:
    """Return the major version of PostgreSQL that made the cluster, or None before there is one.

    Raises:
        EmbeddedPostgresError: there is a folder, but no cluster in it.
    """
    cluster = home / "cluster"
    if not cluster.exists():
        return None
    try:
        return int((cluster / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError) as error:
        raise EmbeddedPostgresError(
            f"{cluster} is not a PostgreSQL cluster. Restore it from a backup, or move it away to begin anew."
        ) from error


def make_cluster(home: Path, binaries: Binaries, account: Account | None, lock: int) -> None:
    """Make the cluster under a passing name and rename it, so that a crash leaves nothing half made.

    `initdb` inherits the descriptor `lock`: if this process dies, the next start knows that it still writes.

    Raises:
        EmbeddedPostgresError: `initdb` failed; the message holds what it said.
    """
    for leftover in home.glob(f"{NEW_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=NEW_PREFIX, dir=home))
    try:
        password_copy = work / "password"
        password_copy.write_text(_make_password(home))
        if account is not None:
            os.chown(password_copy, *account)
            os.chown(work, *account)
        # Built-in locales sort and change case alike on every system; older versions ask the C library.
        locale = (
            ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
            if binaries.major >= _FIRST_WITH_BUILTIN_LOCALES
            else ("--locale=C.UTF-8",)
        )
        made = subprocess.run(  # noqa: S603 - a PostgreSQL program that we located
            [
                *(binaries.folder / "initdb", "-D", work / "cluster", "--encoding=UTF8", *locale),
                *("--data-checksums", "--auth=scram-sha-256"),
                *(f"--username={SUPERUSER}", f"--pwfile={password_copy}"),
            ],
            env=ENVIRONMENT,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=(lock,),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if made.returncode != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not make a database in {home}:\n{made.stdout.strip()}"
            )
        with (work / "cluster" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        (work / "cluster").rename(home / "cluster")
        _sync_folder(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def create_database(home: Path, port: int) -> None:
    """Create the database `driveflow` on a running server unless it exists.

    Raises:
        EmbeddedPostgresError: the server refused, for example because the password was changed.
    """
    # A thread of its own, because the caller's thread may already run an event loop.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(asyncio.run, _create_database(home, port)).result()


async def _create_database(home: Path, port: int) -> None:
    try:
        connection = await asyncpg.connect(url_of(home, port, "postgres", SUPERUSER), ssl=False)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} ENCODING 'UTF8' TEMPLATE template0")
        finally:
            await connection.close()
    except asyncpg.InvalidPasswordError as error:
        raise EmbeddedPostgresError(
            f"The embedded database server refuses the password in {home / 'password'}. If it was changed "
            "inside the database, write the present one into that file.",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise EmbeddedPostgresError(
            f"The embedded database server does not accept connections: {error}. Read {home / 'server.log'}.",
        ) from error


def url_of(home: Path, port: int, database: str, user: str) -> str:
    """Return the address of a database, with the superuser's password in it.

    Raises:
        EmbeddedPostgresError: the password file is missing.
    """
    try:
        password = (home / "password").read_text().strip()
    except FileNotFoundError as error:
        raise EmbeddedPostgresError(
            f"The file {home / 'password'} is missing. Restore it from your backup: it opens the database "
            "next to it.",
        ) from error
    user, password, database = (quote(part, safe="") for part in (user, password, database))
    return f"postgresql://{user}:{password}@{HOST}:{port}/{database}"


def _make_password(home: Path) -> str:
    with os.fdopen(open_private(home / "password", os.O_RDWR), "r+") as file:
        if not (password := file.read().strip()):
            password = secrets.token_urlsafe(24)
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())
    return password


def open_private(path: Path, flags: int) -> int:
    """Open or create a file that only its owner may read, and return its descriptor."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def short_hash(path: Path) -> str:
    """Return 12 characters that stand for a path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
