"""The client of Twilio against a real HTTP server, and both sides against Twilio's own description."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from driveflow.core.clock import utc_now
from driveflow.integrations.message_senders import Answer, Deferred, Refused, Sent, TextMessage, Unknown
from driveflow.integrations.twilio_client import TwilioClient, TwilioError, is_genuine
from driveflow.sandbox.mailbox.server import ACCOUNT_SID, AUTH_TOKEN, Mailbox, mailbox_sandbox
from driveflow.sandbox.mailbox.twilio_endpoint import signature
from support import twilio_contract

SMS = TextMessage(
    id=UUID(int=7),
    to="+61491570156",
    whatsapp=False,
    body="Lesson confirmed",
    status_callback="https://driveflow.example/webhooks/twilio/7?school=8",
)


def client(api_base: str, *, token: str = AUTH_TOKEN, timeout_s: float = 5) -> TwilioClient:
    return TwilioClient(
        ACCOUNT_SID,
        SecretStr(token),
        sms_from="+15005550006",
        whatsapp_from="+14155238886",
        api_base=api_base,
        timeout_s=timeout_s,
    )


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    async with mailbox_sandbox(tmp_path, public_url="http://127.0.0.1:9", step_s=3600) as running:
        yield running


def base(mailbox: Mailbox) -> str:
    return f"http://127.0.0.1:{mailbox.http_port}"


@asynccontextmanager
async def canned(answer: bytes, *, drop: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one canned HTTP answer, or break off; yields the address and the bodies that came."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        bodies.append(await reader.readexactly(length))
        if not drop:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", bodies
    finally:
        server.close()


def answered(status: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body


async def test_a_text_message_arrives_and_brings_its_sid(mailbox: Mailbox) -> None:
    answer = await client(base(mailbox)).send(SMS)
    assert isinstance(answer, Sent)
    [kept] = mailbox.store.thread("sms", SMS.to)
    assert (kept.sid, kept.body, kept.status_callback) == (answer.provider_id, SMS.body, SMS.status_callback)


async def test_a_whatsapp_template_arrives_with_its_variables(mailbox: Mailbox) -> None:
    message = replace(SMS, whatsapp=True, content_sid="HX" + "a" * 32, content_variables={"1": "Bondi ä"})
    assert isinstance(await client(base(mailbox)).send(message), Sent)
    [kept] = mailbox.store.thread("whatsapp", SMS.to)
    assert (kept.content_sid, kept.content_variables) == ("HX" + "a" * 32, '{"1": "Bondi ä"}')


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (replace(SMS, to="+15005550001"), "21211"),
        (replace(SMS, to="+15005550009"), "21614"),
        (replace(SMS, to="0400"), "21211"),
        (replace(SMS, body=""), "21602"),
        (replace(SMS, body="x" * 1601), "21617"),
    ],
)
async def test_a_refusal_is_told_with_twilios_code(mailbox: Mailbox, message: TextMessage, code: str) -> None:
    answer = await client(base(mailbox)).send(message)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.opted_out) == (code, False)


async def test_a_stopped_number_and_a_wrong_token_are_refused(mailbox: Mailbox) -> None:
    mailbox.store.set_stopped("sms", SMS.to, stopped=True)
    stopped = await client(base(mailbox)).send(SMS)
    assert isinstance(stopped, Refused)
    assert (stopped.code, stopped.opted_out) == ("21610", True)
    stranger = await client(base(mailbox), token="wrong").send(SMS)
    assert isinstance(stranger, Refused)
    assert stranger.code == "20003"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("429 Too Many Requests", b'{"code": 20429, "message": "slow down", "status": 429}', Deferred),
        ("500 Internal Server Error", b'{"code": 20500, "message": "oops", "status": 500}', Unknown),
        ("503 Unavailable", b"<html>", Unknown),
        ("201 Created", b"<html>", Unknown),
        (
            "400 Bad Request",
            b'{"type": "x", "title": "Bad", "status": 400, "code": 21211, "detail": "no"}',
            Refused,
        ),
    ],
)
async def test_each_kind_of_answer_is_understood(status: str, body: bytes, kind: type[Answer]) -> None:
    async with canned(answered(status, body)) as (address, _):
        assert isinstance(await client(address).send(SMS), kind)


async def test_no_clear_answer_is_unknown_and_nobody_there_is_deferred() -> None:
    async with canned(b"", drop=True) as (address, bodies):
        assert isinstance(await client(address).send(SMS), Unknown)
        assert len(bodies) == 1
    async with canned(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{") as (address, _):
        assert isinstance(await client(address, timeout_s=0.5).send(SMS), Unknown)
    assert isinstance(await client("http://127.0.0.1:9").send(SMS), Deferred)


async def test_without_a_number_to_send_from_nothing_is_sent() -> None:
    nobody = TwilioClient(ACCOUNT_SID, SecretStr("x"), sms_from=None, whatsapp_from=None, api_base="http://x")
    assert isinstance(await nobody.send(SMS), Refused)


async def test_a_check_fetches_the_account_and_sends_nothing(mailbox: Mailbox) -> None:
    assert await client(base(mailbox)).check() == "active"
    with pytest.raises(TwilioError, match="401"):
        await client(base(mailbox), token="wrong").check()
    with pytest.raises(TwilioError):
        await client("http://127.0.0.1:9").check()
    assert mailbox.store.threads() == []


def test_the_sandbox_signs_as_twilios_library_expects() -> None:
    token, url = SecretStr("secret"), "https://driveflow.example:8443/webhooks/twilio/7?school=8"
    form = {"MessageSid": "SM1", "MessageStatus": "sent", "Body": ""}
    genuine = signature("secret", url, form)
    assert is_genuine(token, url, form, genuine)
    assert not is_genuine(token, url, {**form, "MessageStatus": "delivered"}, genuine)
    assert not is_genuine(token, url + "9", form, genuine)
    assert not is_genuine(SecretStr("other"), url, form, genuine)
    assert not is_genuine(token, url, form, "")


@pytest.mark.parametrize(
    "message",
    [SMS, replace(SMS, whatsapp=True, content_sid="HX" + "a" * 32, content_variables={"1": "x", "2": "y"})],
)
async def test_what_we_send_fits_twilios_description(message: TextMessage) -> None:
    twilio_contract.description()
    async with canned(answered("201 Created", b'{"sid": "SM1"}')) as (address, bodies):
        await client(address).send(message)
    form = twilio_contract.refuse_bad_request(bodies[0])
    assert form["StatusCallback"] == SMS.status_callback


def test_the_contract_refuses_what_twilio_does_not_know() -> None:
    twilio_contract.description()
    with pytest.raises(AssertionError, match="Idempotency"):
        twilio_contract.refuse_bad_request(b"To=%2B61491570156&Idempotency=1")


async def test_what_the_sandbox_answers_fits_twilios_description(mailbox: Mailbox) -> None:
    twilio_contract.description()
    auth = (ACCOUNT_SID, AUTH_TOKEN)
    account = f"{base(mailbox)}/2010-04-01/Accounts/{ACCOUNT_SID}"
    async with httpx.AsyncClient(auth=auth, trust_env=False) as http:
        form = {"To": SMS.to, "From": "+15005550006", "Body": "Hello"}
        made = await http.post(f"{account}/Messages.json", data=form)
        assert made.status_code == 201
        twilio_contract.check_message(made.json())
        fetched = await http.get(f"{account}/Messages/{made.json()['sid']}.json")
        twilio_contract.check_message(fetched.json())
        assert fetched.json()["sid"] == made.json()["sid"]
        twilio_contract.check_account((await http.get(f"{account}.json")).json())
        assert (await http.get(f"{account}/Messages/SM{'0' * 32}.json")).json()["code"] == 20404
        assert (await http.get(f"{account}.json", auth=("x", "y"))).json()["code"] == 20003
    assert utc_now() >= mailbox.store.thread("sms", SMS.to)[0].received_at
