"""An application for state machines: its own event loop, and schools with everybody in them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from driveflow.core.db import APP_ROLE, Database
from driveflow.core.settings import Settings
from driveflow.entrypoints.app import create_app
from support.booking_model import ANN, BOB, OWNER, PAT, SAM, TIM
from support.schools import Client, Clock, School, open_school


@dataclass
class World:
    """One application and database for all examples, in a loop of their own."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    http: httpx.AsyncClient
    database: Database
    owner: asyncpg.Connection
    clock: Clock
    answers: Counter[str] = field(default_factory=Counter)


@contextmanager
def open_world(database_url: str) -> Iterator[World]:
    """Yield the application on a database, and a connection that sees every row."""
    with asyncio.Runner() as runner:
        database = Database(database_url, role=APP_ROLE, pool_size=4)
        clock = Clock()
        app = create_app(
            Settings(_env_file=None, rate_limit_address_per_min=10**6, rate_limit_key_per_min=10**6),
            database,
            clock=clock,
            access_log=False,
        )
        owner = runner.run(asyncpg.connect(database_url))
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driveflow.test")
        yield World(runner.run, http, database, owner, clock)
        runner.run(http.aclose())
        runner.run(owner.close())
        runner.run(database.dispose())


@dataclass
class Cast:
    """A new school with everybody in it."""

    school: School
    clients: dict[str, Client]
    ids: dict[str, str]
    service_id: str


async def new_cast(world: World) -> Cast:
    """Open a school with two instructors, two students, a guardian, and a key for each."""
    world.clock.now = Clock().now
    school = await open_school(world.http, world.database, world.clock)
    ids = {
        ANN: (await school.add_instructor(ANN, hours=(0, 1440)))["id"],
        BOB: (await school.add_instructor(BOB, hours=(0, 1440)))["id"],
        SAM: (await school.add_student(SAM))["id"],
        TIM: (await school.add_student(TIM))["id"],
    }
    guardian = await school.add_guardian(ids[SAM], PAT)
    return Cast(
        school=school,
        clients={
            OWNER: school,
            ANN: await school.as_role("instructor", instructor_id=ids[ANN]),
            BOB: await school.as_role("instructor", instructor_id=ids[BOB]),
            SAM: await school.as_role("student", student_id=ids[SAM]),
            TIM: await school.as_role("student", student_id=ids[TIM]),
            PAT: await school.as_role("guardian", guardian_id=guardian["id"]),
        },
        ids=ids,
        service_id=(await school.add_service())["id"],
    )
