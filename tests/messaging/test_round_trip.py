"""The whole way over real HTTP: message, signed callback, STOP typed into the sandbox's page, and back."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from driveflow.core.db import Database
from driveflow.entrypoints.app import create_app
from driveflow.sandbox.mailbox.server import mailbox_sandbox, served
from support.post_office import PostOffice, messages, settings_for
from support.schools import MONDAY_10_SYDNEY, Clock, Ready, School

PHONE = "+61491570130"
TOMORROW_10 = MONDAY_10_SYDNEY + timedelta(days=1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def with_status(school: School, status: str, **query: Any) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while not (  # noqa: ASYNC110 - the database sets no Event
            rows := await messages(school, status=status, **query)
        ):
            await asyncio.sleep(0.05)
    return rows


async def test_a_text_message_is_delivered_and_answered_with_stop(
    school: School, database: Database, worker_database: Database, clock: Clock, tmp_path: Path
) -> None:
    port = free_port()
    public_url = f"http://127.0.0.1:{port}"
    async with mailbox_sandbox(tmp_path, public_url=public_url, clock=clock, step_s=0.05) as mailbox:
        settings = settings_for(mailbox, public_url=public_url)
        app = create_app(settings, database, clock=clock, access_log=False)
        office = PostOffice(worker_database, settings, clock, mailbox)
        async with app.router.lifespan_context(app), served(app, port):
            ready = Ready(
                await school.add_instructor(),
                await school.add_student(phone=PHONE, preferred_channel="sms", email="r@learners.example"),
                await school.add_service(),
            )
            await school.book(ready, TOMORROW_10)
            await office.work()
            [row] = await with_status(school, "delivered", recipient_id=ready.student["id"])
            assert row["provider_id"] == mailbox.store.thread("sms", PHONE)[0].sid

            async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
                page = f"http://127.0.0.1:{mailbox.http_port}/texts/sms/{PHONE.replace('+', '%2B')}/reply"
                answer = await browser.post(page, data={"body": "STOP"})
            assert "did not take" not in answer.text
            await school.book(ready, TOMORROW_10 + timedelta(hours=2))
            await office.work()
            assert len(office.subjects("r@learners.example")) == 1
