"""A worker that sends messages to the sandbox's mailbox, and what a test asks of both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from driveflow.core.db import Database
from driveflow.core.outbox import Topic
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.loop import Worker
from driveflow.entrypoints.worker.message_handlers import MessageSend
from driveflow.sandbox.mailbox.server import Mailbox, mailbox_sandbox
from driveflow.sandbox.mailbox.store import KeptText
from support.schools import Clock, School

PUBLIC_URL = "https://driveflow.example"


def settings_for(mailbox: Mailbox | None = None, **overrides: Any) -> Settings:
    """Return settings that send to the mailbox and that no environment changes."""
    values = mailbox.settings() if mailbox is not None else {}
    return Settings(_env_file=None, **{"public_url": PUBLIC_URL, **values, **overrides})


@asynccontextmanager
async def open_mailbox(folder: Path, clock: Clock) -> AsyncIterator[Mailbox]:
    """Run a mailbox whose callbacks go nowhere: tests make their own."""
    async with mailbox_sandbox(folder, public_url="http://127.0.0.1:9", clock=clock, step_s=3600) as mailbox:
        yield mailbox


class PostOffice:
    """Runs the worker of a database with given settings, by the test's clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, mailbox: Mailbox) -> None:
        self.settings = settings
        self.mailbox = mailbox
        self.clock = clock
        self._database = database

    async def work(self) -> None:
        """Handle all that is due at the clock's time."""
        handlers = {Topic.MESSAGE_SEND: MessageSend.of(self.settings)}
        worker = Worker(self._database, self.settings, clock=self.clock, outside_handlers=handlers)
        await worker.run_until_idle()

    def mails(self, to: str) -> list[EmailMessage]:
        """Return the mails to an address, the oldest first."""
        return [mail.parsed() for mail in reversed(self.mailbox.store.mails()) if mail.recipient == to]

    def subjects(self, to: str) -> list[str]:
        """Return the subjects of the mails to an address, the oldest first."""
        return [str(mail["Subject"]) for mail in self.mails(to)]

    def texts(self, number: str, channel: str = "sms") -> list[KeptText]:
        """Return the text messages to and from a number, the oldest first."""
        return self.mailbox.store.thread(channel, number)


def text_of(mail: EmailMessage) -> str:
    """Return a mail's plain text."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    """Return a mail's HTML."""
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def calendar_of(mail: EmailMessage) -> Any:
    """Return the calendar file that goes with a mail, parsed, or None."""
    from icalendar import Calendar  # noqa: PLC0415 - few tests need it

    for part in mail.iter_attachments():
        if part.get_content_type() == "text/calendar":
            return Calendar.from_ical(part.get_content())
    return None


async def messages(school: School, **query: Any) -> list[dict[str, Any]]:
    """Return the school's messages as the API has them, the oldest first."""
    page = await school.get("/messages", params={"limit": 200, **query})
    return list(reversed(page["items"]))
