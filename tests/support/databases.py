"""Test databases: a migrated template and its clones."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

from driveflow import migrations
from driveflow.entrypoints.migrate import migrate
from driveflow.migrations import head_revision

T = TypeVar("T")
_LOCK = 5_522_019


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own, whatever loop the caller has."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return re.sub(r"/[^/?]*(\?|$)", rf"/{name}\1", url, count=1) if re.search(r"\w/\w*(\?|$)", url) else url


class Cluster:
    """A server whose template database is migrated to the newest revision."""

    def __init__(self, admin_url: str, template: str) -> None:
        self.admin_url = admin_url
        self.template = template

    @classmethod
    @contextmanager
    def prepared(cls, admin_url: str) -> Iterator[Self]:
        """Make the template unless another process of this run has."""
        template = f"template_{_mark_of_migrations()}"
        wait_for(_make_template(admin_url, template))
        yield cls(admin_url, template)

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Yield the address of a new database with the whole schema; drop it afterwards."""
        name = "test_" + secrets.token_hex(6)
        wait_for(_execute(self.admin_url, f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"'))
        try:
            yield with_database(self.admin_url, name)
        finally:
            wait_for(_execute(self.admin_url, f'DROP DATABASE "{name}" WITH (FORCE)'))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the address of a new database without a schema; drop it afterwards."""
        name = "test_" + secrets.token_hex(6)
        wait_for(_execute(self.admin_url, f'CREATE DATABASE "{name}"'))
        try:
            yield with_database(self.admin_url, name)
        finally:
            wait_for(_execute(self.admin_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


def _mark_of_migrations() -> str:
    """Return a mark that changes with any migration, so that an old template is never used."""
    digest = hashlib.sha256(head_revision().encode())
    for path in sorted(Path(migrations.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        # Two clones of one template cannot be made at the same moment.
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_template(admin_url: str, template: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
        ready = await connection.fetchval(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", template
        )
        if ready == "ready":
            return
        await connection.execute(f'DROP DATABASE IF EXISTS "{template}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{template}"')
        await migrate(with_database(admin_url, template))
        await connection.execute(f"COMMENT ON DATABASE \"{template}\" IS 'ready'")
    finally:
        await connection.close()
