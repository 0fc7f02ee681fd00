"""The sandbox's mailbox: it keeps what it gets, shows it safely, answers and reports like Twilio."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from driveflow.core.clock import utc_now
from driveflow.core.settings import Settings
from driveflow.integrations.message_senders import CalendarFile, Mail, Sent, TextMessage
from driveflow.integrations.smtp_sender import SmtpSender
from driveflow.integrations.twilio_client import TwilioClient, is_genuine
from driveflow.sandbox.mailbox.server import AUTH_TOKEN, Mailbox, mailbox_sandbox, served

PHONE = "+61491570156"


class DriveFlowEar:
    """Stands where DriveFlow's callbacks are, and keeps what comes with a genuine signature."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    async def hear(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self.url}{request.url.path}{query}"
        if not is_genuine(SecretStr(AUTH_TOKEN), url, form, request.headers["x-twilio-signature"]):
            return Response(status_code=403)
        self.heard.append((request.url.path, form))
        return Response(status_code=204)


@pytest.fixture
async def ear() -> AsyncIterator[DriveFlowEar]:
    made = DriveFlowEar()
    async with served(Starlette(routes=[Route("/{path:path}", made.hear, methods=["POST"])]), 0) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


@pytest.fixture
async def mailbox(tmp_path: Path, ear: DriveFlowEar) -> AsyncIterator[Mailbox]:
    async with mailbox_sandbox(tmp_path, public_url=ear.url, step_s=0.01) as running:
        yield running


@pytest.fixture
async def browser(mailbox: Mailbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{mailbox.http_port}", trust_env=False, follow_redirects=True
    ) as client:
        yield client


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the mailbox sets no Event
            await asyncio.sleep(0.01)


def settings_of(mailbox: Mailbox) -> Settings:
    return Settings(_env_file=None, **mailbox.settings())


async def send_mail(mailbox: Mailbox, subject: str = "Lesson confirmed") -> None:
    url = settings_of(mailbox).smtp_url
    assert url is not None
    mail = Mail(
        id=UUID(int=1),
        to="alex@learners.example",
        from_name="Bondi",
        from_address="lessons@driveflow.example",
        reply_to=None,
        subject=subject,
        text="Hello <b>you</b>\n",
        html="<p>Hello</p><script>alert(1)</script>",
        language="en",
        date=datetime(2026, 8, 3, tzinfo=UTC),
        calendar=CalendarFile("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "PUBLISH"),
    )
    assert isinstance(await SmtpSender(url).send(mail), Sent)


async def send_text(mailbox: Mailbox, ear: DriveFlowEar, body: str = "Lesson confirmed") -> Sent:
    client = TwilioClient.of(settings_of(mailbox))
    assert client is not None
    callback = f"{ear.url}/webhooks/twilio/7?school=8"
    answer = await client.send(
        TextMessage(UUID(int=7), PHONE, whatsapp=False, body=body, status_callback=callback)
    )
    assert isinstance(answer, Sent)
    return answer


async def test_a_mail_is_listed_and_shown_with_its_html_shut_in_a_frame(
    mailbox: Mailbox, browser: httpx.AsyncClient
) -> None:
    assert "No mail yet" in (await browser.get("/")).text
    await send_mail(mailbox, "<i>Lesson</i> confirmed")
    listed = await browser.get("/")
    assert "&lt;i&gt;Lesson&lt;/i&gt; confirmed" in listed.text
    assert 'href="/mails/1"' in listed.text
    shown = await browser.get("/mails/1")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown.text
    assert "Hello &lt;b&gt;you&lt;/b&gt;" in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert "script" not in shown.headers["content-security-policy"]
    framed = await browser.get("/mails/1/html")
    assert "<p>Hello</p>" in framed.text
    assert framed.headers["content-security-policy"].startswith("sandbox ")
    file = await browser.get("/mails/1/attachments/0")
    assert file.headers["content-type"].startswith("text/calendar")
    assert file.headers["content-disposition"].startswith("attachment")
    for path in ("/mails/2", "/mails/2/html", "/mails/1/attachments/1", "/texts/sms/%2B1"):
        assert (await browser.get(path)).status_code == 404


async def test_pages_need_no_script_and_name_their_language_title_and_place(
    mailbox: Mailbox, browser: httpx.AsyncClient, ear: DriveFlowEar
) -> None:
    await send_mail(mailbox)
    await send_text(mailbox, ear)
    for path in ("/", "/mails/1", "/texts", f"/texts/sms/{PHONE.replace('+', '%2B')}"):
        page = (await browser.get(path)).text
        assert "<script" not in page
        assert '<html lang="en">' in page
        assert page.count("<h1") == 1
        assert 'aria-current="page"' in page
        assert 'name="viewport"' in page
        assert "color-scheme: light dark" in page


async def test_a_text_message_is_reported_sent_and_delivered_with_twilios_signature(
    mailbox: Mailbox, ear: DriveFlowEar
) -> None:
    answer = await send_text(mailbox, ear)
    await until(lambda: len(ear.heard) == 2)
    assert [form["MessageStatus"] for _, form in ear.heard] == ["sent", "delivered"]
    assert {form["MessageSid"] for _, form in ear.heard} == {answer.provider_id}
    assert mailbox.store.thread("sms", PHONE)[0].status == "delivered"


async def test_a_stop_typed_into_the_page_reaches_driveflow_and_stops_the_number(
    mailbox: Mailbox, ear: DriveFlowEar, browser: httpx.AsyncClient
) -> None:
    await send_text(mailbox, ear)
    page = f"/texts/sms/{PHONE.replace('+', '%2B')}"
    answer = await browser.post(f"{page}/reply", data={"body": "STOP"})
    assert answer.status_code == 200
    assert "has said STOP" in answer.text
    path, form = next((path, form) for path, form in ear.heard if path.endswith("inbound"))
    assert path == "/webhooks/twilio-inbound"
    assert (form["From"], form["Body"]) == (PHONE, "STOP")
    assert "stopped" in (await browser.get("/texts")).text
    await browser.post(f"{page}/reply", data={"body": "start"})
    assert not mailbox.store.is_stopped("sms", PHONE)
    for refused in ({"body": " "}, {}):
        assert (await browser.post(f"{page}/reply", data=refused)).status_code == 400
    foreign = await browser.post(
        f"{page}/reply", data={"body": "STOP"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    assert (await browser.get("/", headers={"Host": "evil.example"})).status_code == 400


async def test_a_reply_that_driveflow_does_not_take_is_said(tmp_path: Path, ear: DriveFlowEar) -> None:
    async with mailbox_sandbox(tmp_path, public_url="http://127.0.0.1:9", step_s=3600) as deaf:
        await send_text(deaf, ear)
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
            page = f"http://127.0.0.1:{deaf.http_port}/texts/sms/{PHONE.replace('+', '%2B')}/reply"
            answer = await client.post(page, data={"body": "Hello"})
    assert "did not take the reply (unreachable)" in answer.text


async def test_what_it_got_survives_a_restart(tmp_path: Path, ear: DriveFlowEar) -> None:
    async with mailbox_sandbox(tmp_path, public_url=ear.url, step_s=3600) as first:
        await send_mail(first)
        await send_text(first, ear)
    async with mailbox_sandbox(tmp_path, public_url=ear.url) as second:
        [mail] = second.store.mails()
        [thread] = second.store.threads()
    assert mail.subject == "Lesson confirmed"
    assert (thread.number, thread.count, thread.stopped) == (PHONE, 1, False)
    assert mail.received_at <= utc_now()
