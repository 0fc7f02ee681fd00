"""The sandbox's memory: one SQLite file, written in one transaction per request.

Objects are kept as the JSON that Stripe's API shows, beside what only Stripe knows (`hidden`: a card's
behaviour, a session's line items). WAL with `synchronous=NORMAL` keeps every committed transaction when the
process is killed, which is what is promised; a power cut may take the last ones.
"""

import hashlib
import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ALPHABET: Final = string.digits + string.ascii_letters
PLATFORM: Final = ""
"""The owner of what belongs to the platform; a connected account's id otherwise."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL,
    hidden TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, account, seq);
CREATE INDEX IF NOT EXISTS objects_charge ON objects (kind, json_extract(body, '$.charge'));
CREATE INDEX IF NOT EXISTS objects_payment_intent ON objects (kind, json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_transfer ON objects (kind, json_extract(body, '$.transfer'));
CREATE INDEX IF NOT EXISTS objects_source ON objects (kind, json_extract(body, '$.source_transaction'));
CREATE TABLE IF NOT EXISTS idempotent_answers (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    path TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due, id) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS timers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    due INTEGER NOT NULL,
    name TEXT NOT NULL,
    object_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_due ON timers (due, id);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    area TEXT NOT NULL,
    subject TEXT NOT NULL,
    fault TEXT NOT NULL,
    remaining INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(slots=True)
class Record:
    """One object: what the API shows, and what only the sandbox knows."""

    id: str
    kind: str
    account: str
    created: int
    body: dict[str, Any]
    hidden: dict[str, Any]
    seq: int = 0


class Store:
    """The file, opened once; all its users share one connection and one thread at a time."""

    def __init__(self, path: Path, seed: int | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("PRAGMA busy_timeout = 5000")
        self.connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what the block does happen wholly or not at all."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Let the block's changes be undone alone; ends within a transaction."""
        self.connection.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO step")
            raise
        finally:
            self.connection.execute("RELEASE step")

    def count(self, name: str, by: int = 1) -> int:
        """Add to a counter and return its value."""
        self.connection.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
            (name, by, by),
        )
        return self.counter(name)

    def counter(self, name: str) -> int:
        """Return a counter's value."""
        row = self.connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def new_id(self, prefix: str, length: int = 24) -> str:
        """Return a fresh id; the same ones in the same order for the same seed, also over a restart."""
        if self._seed is None:
            return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
        digest = hashlib.sha512(f"{self._seed}:{self.count('ids')}".encode()).digest()
        return prefix + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:length])

    def add(self, record: Record) -> Record:
        """Keep a new object."""
        self.connection.execute(
            "INSERT INTO objects (id, kind, account, created, body, hidden) VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.id,
                record.kind,
                record.account,
                record.created,
                json.dumps(record.body),
                json.dumps(record.hidden),
            ),
        )
        return record

    def save(self, record: Record) -> None:
        """Keep an object's changes."""
        self.connection.execute(
            "UPDATE objects SET body = ?, hidden = ? WHERE id = ?",
            (json.dumps(record.body), json.dumps(record.hidden), record.id),
        )

    def find(self, kind: str, object_id: str) -> Record | None:
        """Return an object by its id, or None."""
        return next(iter(self.select("WHERE kind = ? AND id = ?", (kind, object_id))), None)

    def get(self, kind: str, object_id: str) -> Record:
        """Return an object that the sandbox itself refers to."""
        record = self.find(kind, object_id)
        if record is None:
            raise LookupError(f"{kind} {object_id} is not in the store")
        return record

    def having(self, kind: str, field: str, value: str) -> list[Record]:
        """Return the objects whose field has a value, oldest first."""
        return self.select(
            f"WHERE kind = ? AND json_extract(body, '$.{field}') = ? ORDER BY seq", (kind, value)
        )

    def select(self, where: str, values: tuple[Any, ...]) -> list[Record]:
        """Return the objects that a condition of this package's own text chooses."""
        rows = self.connection.execute(
            f"SELECT id, kind, account, created, body, hidden, seq FROM objects {where}",  # noqa: S608
            values,
        )
        return [
            Record(row[0], row[1], row[2], row[3], json.loads(row[4]), json.loads(row[5]), row[6])
            for row in rows
        ]
