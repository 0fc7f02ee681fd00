"""Route of free slots: one of the hot jobs."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from driveflow.bookings.slot_search import FreeSlots, SlotQuery, find_slots
from driveflow.core import clock
from driveflow.entrypoints import hot
from driveflow.entrypoints.api.schemas import PROBLEMS, DayIn, InstantIn, Output

router = APIRouter(prefix="/orgs/{org_id}", route_class=hot.EnteredRoute, responses=PROBLEMS)

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


class _Slot(msgspec.Struct):
    instructor_id: str
    start_at: str
    end_at: str


class _Slots(msgspec.Struct):
    time_zone: str
    slots: list[_Slot]


async def _query(
    service_id: UUID,
    since: Annotated[
        Bound, Query(alias="from", description="A local day of the school, or an instant with its offset")
    ],
    until: Annotated[Bound, Query(alias="to", description="The last local day, or an instant (exclusive)")],
    instructor_id: UUID | None = None,
    student_id: Annotated[UUID | None, Query(description="Also leave out what this student has")] = None,
) -> SlotQuery:
    return SlotQuery(service_id, since, until, instructor_id, student_id)


@router.get("/slots", tags=["slots"], response_model=SlotsOut)
async def list_slots(request: Request, org_id: UUID, query: Annotated[SlotQuery, Depends(_query)]) -> Response:  # noqa: ARG001 - `enter` checks the school
    """Return free slots of at most 31 days, of one instructor or of all."""
    entry = await hot.enter(request)

    async def search(connection: asyncpg.Connection) -> Response:
        return hot.json_response(_answer(await find_slots(connection, entry.actor, query, now=entry.now)))

    return await hot.run(request, entry, search)


def _answer(found: FreeSlots) -> _Slots:
    duration = found.duration_min
    return _Slots(
        found.time_zone,
        [
            _Slot(instructor, _text(start), _text(start + duration))
            for instructor, starts in ((str(instructor_id), starts) for instructor_id, starts in found.starts)
            for start in starts
        ],
    )


@lru_cache(maxsize=100_000)
def _text(epoch_min: int) -> str:
    return clock.from_epoch_min(epoch_min).strftime("%Y-%m-%dT%H:%M:%SZ")
