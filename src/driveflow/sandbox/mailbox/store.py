"""What the mailbox keeps, in a SQLite file that survives restarts."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Final, Self

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY, sender TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL,
    content BLOB NOT NULL, received_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS texts (
    sid TEXT PRIMARY KEY, channel TEXT NOT NULL, number TEXT NOT NULL, our_number TEXT NOT NULL,
    inbound INTEGER NOT NULL, body TEXT NOT NULL, content_sid TEXT, content_variables TEXT,
    status TEXT NOT NULL, status_callback TEXT, received_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS texts_by_number ON texts (channel, number, received_at);
CREATE TABLE IF NOT EXISTS stopped (
    channel TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (channel, number)
);
"""
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail as it arrived."""

    id: int
    sender: str
    recipient: str
    subject: str
    content: bytes
    received_at: datetime

    def parsed(self) -> EmailMessage:
        """Return its parts."""
        return message_from_bytes(self.content, policy=default)


@dataclass(frozen=True, slots=True)
class KeptText:
    """An SMS or WhatsApp message, to somebody or, `inbound`, from somebody."""

    sid: str
    channel: str
    number: str
    our_number: str
    inbound: bool
    body: str
    content_sid: str | None
    content_variables: str | None
    status: str
    status_callback: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Thread:
    """All messages of one number on one channel, in short."""

    channel: str
    number: str
    count: int
    last_body: str
    last_at: datetime
    stopped: bool


class MailboxStore:
    """The file; its methods take milliseconds and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def keep_mail(self, sender: str, recipient: str, content: bytes, *, now: datetime) -> None:
        """Keep a mail to one recipient."""
        subject = str(message_from_bytes(content, policy=default).get("subject", ""))
        self._run(
            "INSERT INTO mails (sender, recipient, subject, content, received_at) VALUES (?, ?, ?, ?, ?)",
            (sender, recipient, subject, content, now.isoformat()),
        )

    def mails(self) -> list[KeptMail]:
        """Return the newest mails, the newest first."""
        rows = self._run("SELECT * FROM mails ORDER BY id DESC LIMIT ?", (_PAGE,))
        return [_mail(row) for row in rows]

    def mail(self, mail_id: int) -> KeptMail | None:
        """Return a mail."""
        rows = self._run("SELECT * FROM mails WHERE id = ?", (mail_id,))
        return _mail(rows[0]) if rows else None

    def keep_text(self, text: KeptText) -> None:
        """Keep an SMS or WhatsApp message."""
        self._run(
            "INSERT INTO texts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                text.sid,
                text.channel,
                text.number,
                text.our_number,
                text.inbound,
                text.body,
                text.content_sid,
                text.content_variables,
                text.status,
                text.status_callback,
                text.received_at.isoformat(),
            ),
        )

    def set_status(self, sid: str, status: str) -> None:
        """Change where a message stands."""
        self._run("UPDATE texts SET status = ? WHERE sid = ?", (status, sid))

    def text(self, sid: str) -> KeptText | None:
        """Return a message by its sid."""
        rows = self._run("SELECT * FROM texts WHERE sid = ?", (sid,))
        return _text(rows[0]) if rows else None

    def thread(self, channel: str, number: str) -> list[KeptText]:
        """Return the messages of a number, the oldest first."""
        rows = self._run(
            "SELECT * FROM texts WHERE channel = ? AND number = ? ORDER BY received_at, sid",
            (channel, number),
        )
        return [_text(row) for row in rows]

    def threads(self) -> list[Thread]:
        """Return all numbers, the one that heard or wrote last first."""
        rows = self._run(
            "SELECT channel, number, count(*) AS count, body AS last_body, max(received_at) AS last_at, "
            "EXISTS (SELECT 1 FROM stopped WHERE stopped.channel = texts.channel "
            "AND stopped.number = texts.number) AS stopped "
            "FROM texts GROUP BY channel, number ORDER BY last_at DESC LIMIT ?",
            (_PAGE,),
        )
        return [
            Thread(
                row["channel"],
                row["number"],
                row["count"],
                row["last_body"],
                datetime.fromisoformat(row["last_at"]),
                bool(row["stopped"]),
            )
            for row in rows
        ]

    def set_stopped(self, channel: str, number: str, *, stopped: bool) -> None:
        """Keep that a number wants no messages any more, or wants them again."""
        if stopped:
            self._run("INSERT OR IGNORE INTO stopped VALUES (?, ?)", (channel, number))
        else:
            self._run("DELETE FROM stopped WHERE channel = ? AND number = ?", (channel, number))

    def is_stopped(self, channel: str, number: str) -> bool:
        """Return whether a number wants no messages."""
        return bool(self._run("SELECT 1 FROM stopped WHERE channel = ? AND number = ?", (channel, number)))

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _mail(row: sqlite3.Row) -> KeptMail:
    return KeptMail(
        row["id"],
        row["sender"],
        row["recipient"],
        row["subject"],
        row["content"],
        datetime.fromisoformat(row["received_at"]).astimezone(UTC),
    )


def _text(row: sqlite3.Row) -> KeptText:
    return KeptText(
        row["sid"],
        row["channel"],
        row["number"],
        row["our_number"],
        bool(row["inbound"]),
        row["body"],
        row["content_sid"],
        row["content_variables"],
        row["status"],
        row["status_callback"],
        datetime.fromisoformat(row["received_at"]).astimezone(UTC),
    )
