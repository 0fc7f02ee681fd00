"""Sending mail over real TCP: what each behaviour of a server means."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from driveflow.core.clock import utc_now
from driveflow.integrations import smtp_sender
from driveflow.integrations.message_senders import (
    Answer,
    CalendarFile,
    Deferred,
    Mail,
    Refused,
    Sent,
    Unknown,
    as_mime,
)
from driveflow.integrations.smtp_sender import SmtpSender
from driveflow.sandbox.mailbox.smtp_sink import smtp_sink
from driveflow.sandbox.mailbox.store import MailboxStore
from support.bad_mail_server import DROP, HANG, bad_mail_server

MAIL = Mail(
    id=UUID(int=7),
    to="alex@learners.example",
    from_name='Bondi "Best" Driving',
    from_address="lessons@driveflow.example",
    reply_to="office@bondi.example",
    subject="Lesson confirmed: Dienstag für Çelik",
    text="Hello\n.\nEnd … of it\n",
    html="<p>Hello</p>",
    language="en-AU",
    date=datetime(2026, 8, 3, tzinfo=UTC),
    unsubscribe_url="https://driveflow.example/unsubscribe/" + "x" * 64,
    calendar=CalendarFile("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "PUBLISH"),
)


async def send_with(**answers: str) -> Answer:
    async with bad_mail_server(**answers) as server:
        sender = SmtpSender(SecretStr(f"smtp://127.0.0.1:{server.port}"), timeout_s=0.5)
        return await sender.send(MAIL)


async def test_a_mail_arrives_whole_at_a_real_server(tmp_path: Path) -> None:
    with MailboxStore(tmp_path / "m.sqlite3") as store:
        async with smtp_sink(store, clock=utc_now) as port:
            answer = await SmtpSender(SecretStr(f"smtp://127.0.0.1:{port}")).send(MAIL)
        assert isinstance(answer, Sent)
        [kept] = store.mails()
        message = kept.parsed()
    assert message["Message-ID"] == f"<{MAIL.id}@driveflow.example>"
    assert message["Subject"] == MAIL.subject
    assert message["List-Unsubscribe"] == f"<{MAIL.unsubscribe_url}>"
    assert message["Auto-Submitted"] == "auto-generated"
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["Hello", ".", "End … of it"]
    [attachment] = message.iter_attachments()
    assert attachment.get_content_type() == "text/calendar"
    assert attachment["Content-Type"].params["method"] == "PUBLISH"


def test_headers_are_plain_lines_that_mail_programs_read() -> None:
    raw = as_mime(MAIL).as_bytes()
    head = raw.split(b"\r\n\r\n")[0]
    assert f"List-Unsubscribe: <{MAIL.unsubscribe_url}>".encode() in head.split(b"\r\n")
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert str(message_from_bytes(raw, policy=default)["From"]).endswith("<lessons@driveflow.example>")


@pytest.mark.parametrize("field", ["subject", "from_name", "to", "reply_to"])
async def test_a_line_break_never_becomes_a_header(field: str) -> None:
    async with bad_mail_server() as server:
        sender = SmtpSender(SecretStr(f"smtp://127.0.0.1:{server.port}"))
        answer = await sender.send(replace(MAIL, **{field: "x\r\nBcc: all@x.example"}))  # type: ignore[arg-type]  # all of them are texts
        assert isinstance(answer, Refused)
        assert server.connections == 0


@pytest.mark.parametrize(
    "answers",
    [
        {"banner": "421 busy"},
        {"banner": DROP},
        {"ehlo": DROP, "helo": DROP},
        {"mail": "451 try later"},
        {"mail": DROP},
        {"rcpt": "450 greylisted"},
        {"rcpt": DROP},
        {"rcpt": HANG},
        {"message": "452 disk full"},
    ],
)
async def test_what_certainly_did_not_arrive_is_deferred(answers: dict[str, str]) -> None:
    assert isinstance(await send_with(**answers), Deferred)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"mail": "550 not you"}, "550"),
        ({"rcpt": "550 5.1.1 no such user"}, "550"),
        ({"data": "554 no"}, "554"),
        ({"message": "554 5.7.1 spam"}, "554"),
    ],
)
async def test_a_final_refusal_is_told_with_its_code(answers: dict[str, str], code: str) -> None:
    answer = await send_with(**answers)
    assert isinstance(answer, Refused)
    assert answer.code == code


@pytest.mark.parametrize("fault", [DROP, HANG])
async def test_silence_after_the_mail_was_handed_over_is_unknown(fault: str) -> None:
    assert isinstance(await send_with(message=fault), Unknown)


async def test_a_server_that_says_goodbye_badly_has_the_mail_all_the_same() -> None:
    assert isinstance(await send_with(quit=DROP), Sent)


async def test_nobody_there_is_deferred() -> None:
    answer = await SmtpSender(SecretStr("smtp://127.0.0.1:9"), timeout_s=1).send(MAIL)
    assert isinstance(answer, Deferred)


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it(tmp_path: Path) -> None:
    mail = replace(MAIL, to="ä@bücher.example")
    async with bad_mail_server() as server:
        assert isinstance(await SmtpSender(SecretStr(f"smtp://127.0.0.1:{server.port}")).send(mail), Refused)
    with MailboxStore(tmp_path / "m.sqlite3") as store:
        async with smtp_sink(store, clock=utc_now) as port:
            assert isinstance(await SmtpSender(SecretStr(f"smtp://127.0.0.1:{port}")).send(mail), Sent)
        assert store.mails()[0].recipient == "ä@xn--bcher-kva.example"


async def test_a_check_connects_and_sends_nothing(tmp_path: Path) -> None:
    with MailboxStore(tmp_path / "m.sqlite3") as store:
        async with smtp_sink(store, clock=utc_now) as port:
            sender = SmtpSender(SecretStr(f"smtp://127.0.0.1:{port}"))
            await sender.check()
            assert sender.place == f"127.0.0.1:{port}"
        assert store.mails() == []


async def test_a_password_is_shown_to_no_server_without_encryption_but_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bad_mail_server(ehlo="250-bad.example\r\n250 AUTH PLAIN", auth="235 welcome") as server:
        sender = SmtpSender(SecretStr(f"smtp://me:secret@127.0.0.1:{server.port}"), timeout_s=1)
        assert isinstance(await sender.send(MAIL), Sent)
        # Now this machine stands for a server elsewhere.
        monkeypatch.setattr(smtp_sender, "_LOOPBACK", frozenset())
        assert isinstance(await sender.send(MAIL), Deferred)
        assert len(server.received) == 1
