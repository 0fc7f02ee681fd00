"""Messages as they leave, and what may become of one; `smtp_sender.py` and `twilio_client.py` send them.

A sender does not raise for what the other side does: each outcome is an answer, because it decides what may
happen next. Only `Deferred` may be tried again; after `Unknown` the message may have arrived.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final, Protocol
from uuid import UUID

OPTED_OUT_CODE: Final = 21610
"""Twilio's code of a number that has said STOP to it."""

# Lines are not folded below SMTP's limit of 998: Python would encode a long link in List-Unsubscribe, which
# mail programs then do not read. Bodies become quoted-printable or base64 where they are not plain ASCII.
_POLICY: Final = SMTP.clone(max_line_length=990, cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has taken the message over."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side will not take it, now or later; `opted_out` when its reader said STOP."""

    code: str
    reason: str
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """It certainly did not leave, and another try makes sense."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have left or not."""

    reason: str


Answer = Sent | Refused | Deferred | Unknown


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """A calendar file that goes along."""

    text: str
    method: str


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail to one reader."""

    id: UUID
    to: str
    from_name: str
    from_address: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    language: str
    date: datetime
    unsubscribe_url: str | None = None
    calendar: CalendarFile | None = None


@dataclass(frozen=True, slots=True)
class TextMessage:
    """An SMS or WhatsApp message; `content_sid` names an approved template, else `body` is the text."""

    id: UUID
    to: str
    whatsapp: bool
    body: str
    status_callback: str
    content_sid: str | None = None
    content_variables: Mapping[str, str] = field(default_factory=dict)


class MailSender(Protocol):
    """Who sends mail."""

    async def send(self, mail: Mail) -> Answer:
        """Send one mail; never raises for what the other side does."""


class TextSender(Protocol):
    """Who sends SMS and WhatsApp messages."""

    async def send(self, message: TextMessage) -> Answer:
        """Send one message; never raises for what the other side does."""


def as_mime(mail: Mail) -> EmailMessage:
    """Return the mail as it travels: text and HTML alternatives, the calendar file, headers.

    Its Message-ID follows from our id, so that a mail server which sees it twice can tell. Raises ValueError
    for a line break in a header.
    """
    message = EmailMessage(policy=_POLICY)
    domain = mail.from_address.rpartition("@")[2]
    message["Message-ID"] = f"<{mail.id}@{domain}>"
    message["Date"] = format_datetime(mail.date)
    message["From"] = _address(mail.from_name, mail.from_address)
    message["To"] = mail.to
    if mail.reply_to:
        message["Reply-To"] = mail.reply_to
    message["Subject"] = mail.subject
    message["Content-Language"] = mail.language
    # RFC 3834: holiday notices are not to answer this.
    message["Auto-Submitted"] = "auto-generated"
    if mail.unsubscribe_url:
        # RFC 8058: the reader's mail program posts to it when they press its button.
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    if mail.calendar is not None:
        message.add_attachment(
            mail.calendar.text,
            subtype="calendar",
            filename="lesson.ics",
            params={"method": mail.calendar.method},
        )
    return message


def _address(name: str, address: str) -> str:
    quoted = name.replace("\\", "").replace('"', "'")
    return f'"{quoted}" <{address}>' if quoted else address
