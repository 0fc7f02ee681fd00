"""Route of free slots: one of the hot jobs."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter

from driveflow.bookings.slot_search import FreeSlots, SlotQuery, find_slots
from driveflow.core import clock
from driveflow.entrypoints import hot
from driveflow.entrypoints.api.schemas import PROBLEMS, DayIn, InstantIn, Output

router = APIRouter(prefix="/orgs/{org_id}", route_class=hot.HotRoute, responses=PROBLEMS)

Bound = Annotated[InstantIn | DayIn, Field(union_mode="left_to_right")]


class SlotOut(Output):
    """A free slot."""

    instructor_id: UUID
    start_at: datetime
    end_at: datetime


class SlotsOut(Output):
    """Free slots by instructor's name, then time; `time_zone` is the school's."""

    time_zone: str
    slots: list[SlotOut]


class SlotParameters(BaseModel):
    """What is searched."""

    service_id: UUID
    since: Annotated[
        Bound, Field(alias="from", description="A local day of the school, or an instant with its offset")
    ]
    until: Annotated[Bound, Field(alias="to", description="The last local day, or an instant (exclusive)")]
    instructor_id: UUID | None = None
    student_id: Annotated[UUID | None, Field(description="Also leave out what this student has")] = None


_PARAMETERS = TypeAdapter(SlotParameters)


async def list_slots(request: Request) -> Response:
    """Return free slots of at most 31 days, of one instructor or of all."""
    entry = await hot.enter(request)
    wanted = hot.parse_query(request, _PARAMETERS)
    query = SlotQuery(wanted.service_id, wanted.since, wanted.until, wanted.instructor_id, wanted.student_id)

    async def search(connection: asyncpg.Connection) -> Response:
        found = await find_slots(connection, entry.actor, query, now=entry.now)
        return Response(_json_of(found), media_type=hot.JSON)

    return await hot.run(request, entry, search)


async def _documented(org_id: UUID, query: Annotated[SlotParameters, Query()]) -> tuple[UUID, SlotParameters]:
    return org_id, query


router.add_api_route(
    "/slots",
    list_slots,
    methods=["GET"],
    tags=["slots"],
    dependencies=[Depends(_documented)],
    response_model=SlotsOut,
)


def _json_of(found: FreeSlots) -> str:
    """Return the answer as JSON.

    Joined from texts, because a week of a school is hundreds of slots out of few different times: an object
    for each would cost more than finding them. Only ids and times go in, which need no escaping.
    """
    zone = msgspec.json.encode(found.time_zone).decode()
    duration = found.duration_min
    slots = ",".join(
        [
            f'{{"instructor_id":"{instructor_id}",{_times(start, duration)}'
            for instructor_id, starts in found.starts
            for start in starts
        ]
    )
    return f'{{"time_zone":{zone},"slots":[{slots}]}}'


@lru_cache(maxsize=200_000)
def _times(start_min: int, duration_min: int) -> str:
    start_at = clock.epoch_min_text(start_min)
    end_at = clock.epoch_min_text(start_min + duration_min)
    return f'"start_at":"{start_at}","end_at":"{end_at}"}}'
