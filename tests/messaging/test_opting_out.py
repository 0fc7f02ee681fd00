"""STOP, START, links to unsubscribe, and who still hears what."""

import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from driveflow.core.db import Database
from driveflow.entrypoints.app import create_app
from driveflow.sandbox.mailbox.server import AUTH_TOKEN
from driveflow.sandbox.mailbox.twilio_endpoint import signature
from support.post_office import PUBLIC_URL, PostOffice, messages
from support.schools import MONDAY_10_SYDNEY, Clock, Ready, School

IN_THREE_DAYS = MONDAY_10_SYDNEY + timedelta(days=3, hours=4)
ALEX = "alex@learners.example"
PHONE = "+61491570110"


@pytest.fixture
async def web(database: Database, clock: Clock, post: PostOffice) -> Any:
    app = create_app(post.settings, database, clock=clock, access_log=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test") as client,
    ):
        yield client


async def twilio(web: httpx.AsyncClient, path: str, form: dict[str, str]) -> httpx.Response:
    headers = {"X-Twilio-Signature": signature(AUTH_TOKEN, PUBLIC_URL + path, form)}
    return await web.post(path, data=form, headers=headers)


async def inbound(web: httpx.AsyncClient, text: str, sender: str = PHONE) -> None:
    form = {"From": sender, "To": "+15005550006", "Body": text, "MessageSid": "SM1"}
    answer = await twilio(web, "/webhooks/twilio-inbound", form)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "<Response/>" in answer.text


async def book(school: School, **student: str) -> tuple[Ready, dict[str, Any]]:
    ready = Ready(
        await school.add_instructor(), await school.add_student(**student), await school.add_service()
    )
    return ready, await school.book(ready, IN_THREE_DAYS)


async def status_of(school: School, recipient_id: str) -> list[tuple[str, str]]:
    rows = await messages(school, recipient_id=recipient_id)
    return [(row["channel"], row["status"]) for row in rows]


async def test_a_stop_turns_to_mail_and_a_start_turns_back(
    school: School, post: PostOffice, web: httpx.AsyncClient
) -> None:
    ready, booking = await book(school, email=ALEX, phone=PHONE, preferred_channel="sms")
    await post.work()
    await inbound(web, " stop ")
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await post.work()
    await inbound(web, "START")
    await school.book(ready, IN_THREE_DAYS)
    await post.work()
    assert await status_of(school, ready.student["id"]) == [
        ("sms", "sent"),
        ("email", "sent"),
        ("sms", "sent"),
    ]


async def test_a_stop_between_writing_and_sending_is_obeyed(
    school: School, post: PostOffice, web: httpx.AsyncClient, clock: Clock
) -> None:
    clock.now = MONDAY_10_SYDNEY + timedelta(hours=12)  # 22:00: what is written now waits
    ready, _ = await book(school, phone="+61491570111", preferred_channel="sms")
    await post.work()
    await inbound(web, "STOP", "+61491570111")
    clock.advance(hours=11)
    await post.work()
    [row] = await messages(school, recipient_id=ready.student["id"])
    assert row["status"] == "failed"
    assert "sms: opted out" in row["error"]
    assert post.texts("+61491570111") == []


async def test_a_number_that_twilio_refuses_as_stopped_is_not_tried_again(
    school: School, post: PostOffice
) -> None:
    number = "+61491570112"
    post.mailbox.store.set_stopped("sms", number, stopped=True)
    ready, booking = await book(school, phone=number, email="b@learners.example", preferred_channel="sms")
    await post.work()
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await post.work()
    first, second = await messages(school, recipient_id=ready.student["id"])
    assert (first["status"], first["error"][:6]) == ("failed", "21610:")
    assert (second["channel"], second["status"]) == ("email", "sent")


async def test_free_whatsapp_text_goes_within_a_day_of_the_readers_message_and_templates_always(
    school: School, post: PostOffice, web: httpx.AsyncClient, clock: Clock
) -> None:
    number = "+61491570113"
    ready, booking = await book(school, phone=number, preferred_channel="whatsapp", email="w@x.example")
    await post.work()
    await inbound(web, "Hello", f"whatsapp:{number}")
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    await post.work()
    clock.advance(hours=25)
    await school.book(ready, IN_THREE_DAYS)
    await post.work()
    assert [channel for channel, _ in await status_of(school, ready.student["id"])] == [
        "email",
        "whatsapp",
        "email",
    ]
    post.settings = post.settings.model_copy(
        update={"twilio_content_sids": {"booking_confirmed": "HX" + "1" * 32}}
    )
    await school.book(ready, IN_THREE_DAYS + timedelta(hours=2))
    await post.work()
    free, template = [text for text in post.texts(number, "whatsapp") if not text.inbound]
    assert "cancelled" in free.body
    assert template.content_sid == "HX" + "1" * 32
    assert '"2": "Alex Student"' in (template.content_variables or "")
    assert (await messages(school, recipient_id=ready.student["id"]))[-1]["status"] == "sent"


async def test_a_link_unsubscribes_by_its_button_only_and_from_optional_messages_only(
    school: School, post: PostOffice, web: httpx.AsyncClient, clock: Clock
) -> None:
    address = "c@learners.example"
    ready, booking = await book(school, email=address, phone="+61491570114")
    await post.work()
    clock.now = IN_THREE_DAYS - timedelta(hours=24)
    await post.work()
    [reminder] = [mail for mail in post.mails(address) if mail["List-Unsubscribe"]]
    path = str(reminder["List-Unsubscribe"]).strip("<>").removeprefix(PUBLIC_URL)
    assert not [mail for mail in post.mails(address) if mail["List-Unsubscribe"] and mail is not reminder][1:]

    page = await web.get(path)
    assert page.status_code == 200
    assert "<button" in page.text
    assert re.search(r"default-src 'none'", page.headers["content-security-policy"])
    clock.now = IN_THREE_DAYS - timedelta(hours=2)
    await post.work()
    assert len(await messages(school, template_key="reminder")) == 2  # opening the link changed nothing

    for _ in range(2):
        done = await web.post(path, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        assert "no more reminders" in done.text
    clock.now = IN_THREE_DAYS
    await school.post(f"/bookings/{booking['id']}/start", expect=200)
    clock.advance(minutes=50)
    await school.post(f"/bookings/{booking['id']}/complete", {"rating": 5}, expect=200)
    await post.work()
    assert await messages(school, template_key="lesson_summary") == []
    again = await school.book(ready, IN_THREE_DAYS + timedelta(days=2))
    await post.work()
    assert again["id"] in {
        row["related_id"] for row in await messages(school, recipient_id=ready.student["id"])
    }


@pytest.mark.parametrize("token", ["x", "é", "A" * 64, "A" * 63 + "=", "A" * 200])
async def test_a_wrong_link_finds_nothing(web: httpx.AsyncClient, token: str) -> None:
    for method in ("GET", "POST"):
        answer = await web.request(method, f"/unsubscribe/{token}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_link_with_another_secret_finds_nothing(
    school: School, post: PostOffice, web: httpx.AsyncClient
) -> None:
    await book(school, email=ALEX)
    await post.work()
    [row] = [row for row in await messages(school) if row["recipient_kind"] == "student"]
    forged = urlsafe_b64encode(school.org_id.bytes + UUID(row["id"]).bytes + bytes(16)).decode()
    assert (await web.get(f"/unsubscribe/{forged}")).status_code == 404
