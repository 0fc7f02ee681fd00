"""Alembic migrations; inside the package, so that an installed wheel can migrate too."""

from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


def head_revision() -> str:
    """Return the newest revision that this code knows: its file is the last by name.

    Read off the names, because importing Alembic costs a server a tenth of its start-up.
    """
    return max(path.stem for path in VERSIONS.glob("[0-9]*.py"))
