"""Killing workers while they send: every message leaves at most once, and none is lost without a trace."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest

from driveflow.core.clock import utc_now
from driveflow.core.db import APP_ROLE, WORKER_ROLE, Database
from driveflow.core.outbox import Topic
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from driveflow.entrypoints.worker.loop import Worker
from driveflow.entrypoints.worker.message_handlers import MessageSend
from driveflow.entrypoints.worker.outside import AT_ONCE
from support.bad_mail_server import HANG, BadMailServer, bad_mail_server
from support.post_office import messages
from support.schools import Clock, Ready, School, open_school

pytestmark = pytest.mark.crash

_KILLS = 4
# A killed worker leaves up to AT_ONCE messages leased for two minutes: there must be others left to send.
_MAILS = _KILLS * AT_ONCE + 2 * _KILLS
_DEADLINE_S = 60


@asynccontextmanager
async def school_in(url: str) -> AsyncIterator[School]:
    database = Database(url, role=APP_ROLE, pool_size=4)
    clock = Clock(utc_now())
    app = create_app(Settings(_env_file=None), database, clock=clock, access_log=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test") as http,
    ):
        yield await open_school(http, database, clock)
    await database.dispose()


@asynccontextmanager
async def worker(url: str, smtp_port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`driveflow worker` as a process of its own; killed at the end of the block."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")},
        "DRIVEFLOW_DATABASE_URL": url,
        "DRIVEFLOW_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "DRIVEFLOW_OUTBOX_POLL_S": "0.1",
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "driveflow"),
        "worker",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def finish(url: str, smtp_port: int, clock: Clock) -> None:
    """Let a worker do what is left once the leases of the dead have run out."""
    pool = Database(url, role=WORKER_ROLE, pool_size=4)
    settings = Settings(_env_file=None, smtp_url=f"smtp://127.0.0.1:{smtp_port}")
    later = Clock(clock.now)
    for _ in range(4):
        later.advance(minutes=3)
        handlers = {Topic.MESSAGE_SEND: MessageSend.of(settings)}
        await Worker(pool, settings, clock=later, outside_handlers=handlers).run_until_idle()
    await pool.dispose()


async def received(server: BadMailServer, count: int) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while len(server.received) < count:  # noqa: ASYNC110 - the server sets no Event
            await asyncio.sleep(0.01)


def message_ids(server: BadMailServer) -> Counter[str]:
    return Counter(str(message_from_bytes(content)["Message-ID"]).strip("<>") for content in server.received)


async def book_lessons(school: School, number: int) -> Ready:
    ready = Ready(
        await school.add_instructor(),
        await school.add_student(email="alex@learners.example"),
        await school.add_service(),
    )
    first = (school.clock.now + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(number):
        await school.book(ready, first + timedelta(days=day))
    return ready


async def test_a_worker_killed_between_sending_and_its_answer_never_sends_again(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with school_in(fresh_database_url) as school, bad_mail_server(message=HANG) as server:
        await book_lessons(school, 1)
        async with worker(fresh_database_url, server.port, tmp_path):
            await received(server, 1)
        server.answers = {}
        await finish(fresh_database_url, server.port, school.clock)
        assert len(server.received) == 1
        [row] = await messages(school, channel="email", status="unknown")
        assert "died while it was sending" in row["error"]


async def test_workers_killed_at_random_send_no_mail_twice_and_lose_none(
    fresh_database_url: str, tmp_path: Path
) -> None:
    rng = random.Random(20_261)
    async with school_in(fresh_database_url) as school, bad_mail_server() as server:
        await book_lessons(school, _MAILS)
        for number in range(_KILLS):
            async with worker(fresh_database_url, server.port, tmp_path):
                await received(server, min(number * 2 + 1, _MAILS))
                await asyncio.sleep(rng.uniform(0, 0.02))
        await finish(fresh_database_url, server.port, school.clock)
        seen = message_ids(server)
        assert set(seen.values()) == {1}
        sent = {
            row["id"]: row["status"] for row in await messages(school) if row["recipient_kind"] == "student"
        }
        assert len(sent) == _MAILS
        assert set(sent.values()) <= {"sent", "unknown"}
        arrived = {message_id.partition("@")[0] for message_id in seen}
        assert {row_id for row_id, status in sent.items() if status == "sent"} <= arrived
        assert arrived <= sent.keys()
