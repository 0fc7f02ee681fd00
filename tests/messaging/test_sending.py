"""One message once: retries, refusals, unknown outcomes, callbacks in any order, resending."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import asyncpg
import httpx
import pytest

from driveflow.core.db import Database
from driveflow.entrypoints.app import create_app
from driveflow.messaging.delivery import MAX_TRIES
from driveflow.sandbox.mailbox.server import AUTH_TOKEN
from driveflow.sandbox.mailbox.twilio_endpoint import signature
from support.bad_mail_server import DROP, bad_mail_server
from support.post_office import PUBLIC_URL, PostOffice, messages, settings_for
from support.schools import MONDAY_10_SYDNEY, Client, Clock, Ready, School

TOMORROW_10 = MONDAY_10_SYDNEY + timedelta(days=1)
ALEX = "alex@learners.example"
PHONE = "+61491570120"


@pytest.fixture
async def web(database: Database, clock: Clock, post: PostOffice) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(post.settings, database, clock=clock, access_log=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test") as client,
    ):
        yield client


async def book(school: School, **student: Any) -> tuple[Ready, dict[str, Any]]:
    ready = Ready(
        await school.add_instructor(), await school.add_student(**student), await school.add_service()
    )
    return ready, await school.book(ready, TOMORROW_10)


async def to_student(school: School, ready: Ready) -> list[dict[str, Any]]:
    return await messages(school, recipient_id=ready.student["id"])


async def callback(
    web: httpx.AsyncClient, row: dict[str, Any], school: School, status: str, **more: str
) -> httpx.Response:
    path = f"/webhooks/twilio/{row['id']}?school={school.org_id}"
    form = {"MessageSid": row["provider_id"] or "SM1", "MessageStatus": status, **more}
    return await web.post(
        path, data=form, headers={"X-Twilio-Signature": signature(AUTH_TOKEN, PUBLIC_URL + path, form)}
    )


async def again(school: School, owner: asyncpg.Connection) -> None:
    """Make every handled event of a school due once more, as an operator or a bug might."""
    await owner.execute("UPDATE outbox SET processed_at = NULL WHERE org_id = $1", school.org_id)


async def test_events_that_are_handled_again_and_again_make_one_message_each(
    school: School, post: PostOffice, owner_connection: asyncpg.Connection
) -> None:
    await book(school, email=ALEX)
    for _ in range(3):
        await post.work()
        await again(school, owner_connection)
    await post.work()
    assert len(post.mails(ALEX)) == 1
    assert len(await messages(school, channel="email", status="sent")) == 1


async def test_a_server_that_is_busy_gets_the_mail_later(
    school: School, worker_database: Database, clock: Clock, post: PostOffice
) -> None:
    ready, _ = await book(school, email=ALEX)
    async with bad_mail_server(rcpt="450 greylisted") as busy:
        settings = settings_for(smtp_url=f"smtp://127.0.0.1:{busy.port}")
        await PostOffice(worker_database, settings, clock, post.mailbox).work()
    [row] = await to_student(school, ready)
    assert (row["status"], row["tries"]) == ("queued", 1)
    assert "greylisted" in row["error"]
    await post.work()
    assert (await to_student(school, ready))[0]["status"] == "queued"  # the pause is not over
    clock.advance(minutes=1)
    await post.work()
    [row] = await to_student(school, ready)
    assert (row["status"], row["tries"], row["error"]) == ("sent", 2, None)
    assert len(post.mails(ALEX)) == 1


async def test_what_never_leaves_is_given_up_in_the_end(
    school: School, worker_database: Database, clock: Clock, post: PostOffice
) -> None:
    ready, _ = await book(school, email=ALEX)
    office = PostOffice(worker_database, settings_for(smtp_url="smtp://127.0.0.1:9"), clock, post.mailbox)
    for _ in range(MAX_TRIES + 2):
        await office.work()
        clock.advance(hours=8)
    [row] = await messages(school, recipient_id=ready.student["id"], template_key="booking_confirmed")
    assert (row["status"], row["tries"]) == ("failed", MAX_TRIES)
    assert row["error"].startswith(f"given up after {MAX_TRIES} tries")


@pytest.mark.parametrize(
    ("answers", "status"),
    [({"rcpt": "550 no such user"}, "failed"), ({"message": DROP}, "unknown")],
)
async def test_a_refused_mail_fails_and_a_lost_one_is_unknown_and_neither_is_sent_again(
    school: School,
    worker_database: Database,
    clock: Clock,
    post: PostOffice,
    answers: dict[str, str],
    status: str,
) -> None:
    ready, _ = await book(school, email=ALEX)
    async with bad_mail_server(**answers) as server:
        settings = settings_for(smtp_url=f"smtp://127.0.0.1:{server.port}")
        office = PostOffice(worker_database, settings, clock, post.mailbox)
        for _ in range(3):
            await office.work()
            clock.advance(hours=1)
    [row] = await to_student(school, ready)
    assert (row["status"], row["tries"]) == (status, 1)


async def test_a_letter_that_cannot_be_written_holds_up_nothing_else(
    school: School,
    clock: Clock,
    post: PostOffice,
    owner_connection: asyncpg.Connection,
) -> None:
    ready, booking = await book(school, email=ALEX)
    await school.post(f"/bookings/{booking['id']}/cancel", {"reason": "Ill"}, expect=200)
    # A language that nothing knows is a mistake of ours: the API refuses it.
    await owner_connection.execute("UPDATE orgs SET locale = 'xx_XX' WHERE id = $1", school.org_id)
    await post.work()
    pending = await owner_connection.fetch(
        "SELECT topic, attempts FROM outbox WHERE org_id = $1 AND processed_at IS NULL", school.org_id
    )
    assert {(row["topic"], row["attempts"]) for row in pending} == {("message.write_due", 1)}
    assert await to_student(school, ready) == []
    await owner_connection.execute("UPDATE orgs SET locale = 'en_AU' WHERE id = $1", school.org_id)
    clock.advance(minutes=1)
    await post.work()
    assert [row["template_key"] for row in await to_student(school, ready)] == ["booking_cancelled"]


async def test_without_any_channel_the_message_is_kept_as_failed(
    school: School, worker_database: Database, clock: Clock, post: PostOffice
) -> None:
    ready, _ = await book(school, email=ALEX, phone=PHONE)
    await PostOffice(worker_database, settings_for(), clock, post.mailbox).work()
    [row] = await to_student(school, ready)
    assert (row["status"], row["to_address"]) == ("failed", ALEX)
    assert row["error"] == "no channel (email: not configured; sms: not configured)"


async def test_who_prefers_none_gets_nothing(school: School, post: PostOffice) -> None:
    ready, _ = await book(school, email="n@learners.example", preferred_channel="none")
    await post.work()
    assert await to_student(school, ready) == []


async def test_a_guardian_whose_link_says_no_hears_nothing(school: School, post: PostOffice) -> None:
    ready = Ready(await school.add_instructor(), await school.add_student(), await school.add_service())
    guardian = await school.add_guardian(ready.student["id"], email="g@families.example", notify=False)
    await school.book(ready, TOMORROW_10)
    await post.work()
    assert await messages(school, recipient_id=guardian["id"]) == []
    path = f"/students/{ready.student['id']}/guardians/{guardian['id']}"
    assert (await school.patch(path, {"notify": True}))["notify"] is True
    await school.book(ready, TOMORROW_10 + timedelta(hours=2))
    await post.work()
    [row] = await messages(school, recipient_id=guardian["id"])
    assert row["status"] == "sent"


async def test_callbacks_in_any_order_and_number_end_the_same(
    school: School, post: PostOffice, web: httpx.AsyncClient
) -> None:
    ready, _ = await book(school, phone=PHONE, preferred_channel="sms")
    await post.work()
    for order in permutations(["queued", "sent", "delivered"]):
        [row] = [row for row in await to_student(school, ready) if row["status"] == "sent"] or (
            [await resent(school, ready, post)]
        )
        for status in (*order, *order):
            assert (await callback(web, row, school, status)).status_code == 204
        assert (await school.get(f"/messages/{row['id']}"))["status"] == "delivered"


async def resent(school: School, ready: Ready, post: PostOffice) -> dict[str, Any]:
    first = (await to_student(school, ready))[0]
    made = await school_with(post, school).post(f"/messages/{first['id']}/resend")
    await post.work()
    row: dict[str, Any] = await school.get(f"/messages/{made['id']}")
    return row


def school_with(post: PostOffice, school: School) -> Client:
    """Return the owner's client of an application with the post office's settings."""
    assert school.database is not None
    app = create_app(post.settings, school.database, clock=school.clock, access_log=False)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test")
    return Client(http, school.org_id, school.key)


async def test_a_failure_told_by_callback_names_its_code_and_a_stop_is_kept(
    school: School, post: PostOffice, web: httpx.AsyncClient
) -> None:
    ready, _ = await book(school, phone="+61491570121", preferred_channel="sms")
    await post.work()
    [row] = await to_student(school, ready)
    assert (await callback(web, row, school, "undelivered", ErrorCode="21610")).status_code == 204
    assert (await callback(web, row, school, "delivered")).status_code == 204
    [row] = await to_student(school, ready)
    assert (row["status"], row["error"]) == ("undelivered", "21610: undelivered")
    await school.book(ready, TOMORROW_10 + timedelta(hours=2))
    await post.work()
    assert "sms: opted out" in (await to_student(school, ready))[-1]["error"]


async def test_an_unknown_message_is_settled_by_its_callback(
    school: School, post: PostOffice, web: httpx.AsyncClient, worker_database: Database, clock: Clock
) -> None:
    ready, _ = await book(school, phone=PHONE, preferred_channel="sms")
    async with bad_mail_server(banner=DROP) as broken:
        settings = post.settings.model_copy(update={"twilio_api_base": f"http://127.0.0.1:{broken.port}"})
        await PostOffice(worker_database, settings, clock, post.mailbox).work()
    [row] = await to_student(school, ready)
    assert (row["status"], row["provider_id"]) == ("unknown", None)
    clock.advance(hours=1)
    await post.work()
    assert post.texts(PHONE) == []
    assert (await callback(web, row, school, "delivered")).status_code == 204
    [row] = await to_student(school, ready)
    assert (row["status"], row["provider_id"]) == ("delivered", "SM1")
    # Another message's sid changes nothing.
    other = {**row, "provider_id": "SM2"}
    assert (await callback(web, other, school, "failed")).status_code == 204
    assert (await to_student(school, ready))[0]["provider_id"] == "SM1"


async def test_a_callback_without_twilios_signature_or_for_nothing_is_refused(
    school: School, other_school: School, post: PostOffice, web: httpx.AsyncClient
) -> None:
    ready, _ = await book(school, phone=PHONE, preferred_channel="sms")
    await post.work()
    [row] = await to_student(school, ready)
    path = f"/webhooks/twilio/{row['id']}?school={school.org_id}"
    form = {"MessageSid": row["provider_id"], "MessageStatus": "failed"}
    for headers in ({}, {"X-Twilio-Signature": signature("wrong", PUBLIC_URL + path, form)}):
        answer = await web.post(path, data=form, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["code"] == "bad_signature"
        assert answer.headers["content-type"] == "application/problem+json"
    inbound = await web.post("/webhooks/twilio-inbound", data={"From": PHONE, "Body": "STOP"})
    assert inbound.status_code == 403
    assert (await callback(web, row, other_school, "failed")).status_code == 404
    assert (await callback(web, {**row, "provider_id": ""}, school, "")).status_code == 422
    assert (await to_student(school, ready))[0]["status"] == "sent"


async def test_callbacks_are_refused_where_twilio_is_not_configured(
    http: httpx.AsyncClient, school: School
) -> None:
    answer = await http.post(f"/webhooks/twilio/{school.org_id}?school={school.org_id}", data={"a": "b"})
    assert answer.status_code == 403


async def test_a_resend_is_a_new_message_to_the_address_of_today(school: School, post: PostOffice) -> None:
    ready, booking = await book(school, email="old@learners.example")
    await post.work()
    [first] = await to_student(school, ready)
    await school.patch(
        f"/students/{ready.student['id']}",
        {"version": 1, "email": None, "phone": PHONE, "preferred_channel": "sms"},
    )
    client = school_with(post, school)
    made = await client.post(f"/messages/{first['id']}/resend")
    assert (made["resend_of"], made["channel"], made["status"]) == (first["id"], "sms", "queued")
    await client.post(f"/messages/{made['id']}/resend", expect=409)
    await post.work()
    [text] = post.texts(PHONE)
    assert "is confirmed" in text.body
    assert made["related_id"] == booking["id"]
    trail = await school.get("/audit-log", params={"entity_id": made["id"]})
    assert [row["action"] for row in trail["items"]] == ["MESSAGE_RESENT"]


async def test_what_reaches_nobody_cannot_be_resent(school: School, post: PostOffice) -> None:
    ready, _ = await book(school, email="old@learners.example")
    await post.work()
    [first] = await to_student(school, ready)
    await school.patch(f"/students/{ready.student['id']}", {"version": 1, "email": None})
    problem = await school_with(post, school).post(f"/messages/{first['id']}/resend", expect=409)
    assert problem["code"] == "no_channel"


async def test_a_failed_message_is_resent_once_the_person_has_an_address(
    school: School, post: PostOffice
) -> None:
    ready, _ = await book(school)
    await post.work()
    [failed] = await to_student(school, ready)
    assert failed["status"] == "failed"
    await school.patch(f"/students/{ready.student['id']}", {"version": 1, "email": "new@learners.example"})
    await school_with(post, school).post(f"/messages/{failed['id']}/resend")
    await post.work()
    assert len(post.subjects("new@learners.example")) == 1
