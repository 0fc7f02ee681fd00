"""A worker as a process of its own, with a slow handler: `python worker_process.py URL SECONDS`.

Its handler waits SECONDS, leaves a message (the effect that tests count) and says so on standard output.
"""

import asyncio
import sys
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.core.outbox import Topic
from driveflow.core.outbox_queue import Event
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.loop import run_worker
from driveflow.messaging.models import Message


def main() -> None:
    url, seconds = sys.argv[1], float(sys.argv[2])

    async def leave_message(session: AsyncSession, actor: Actor, event: Event, *, now: datetime) -> None:  # noqa: ARG001 - a handler's signature
        number = str(event.payload["number"])
        session.add(
            Message(org_id=actor.org_id, to_address="x@school.example", channel="email", template_key=number)
        )
        await session.flush()
        await asyncio.sleep(seconds)
        print(number, flush=True)  # noqa: T201 - how the test follows the worker

    settings = Settings(_env_file=None, outbox_poll_s=0.2)
    asyncio.run(run_worker(settings, url, handlers={Topic.BOOKING_CREATED: (leave_message,)}))


if __name__ == "__main__":
    main()
