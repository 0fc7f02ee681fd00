"""Schools with a row of every kind, for tests that try the ids of one in the other."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from driveflow.core.actor import Role, system_actor
from driveflow.core.ids import new_id
from driveflow.messaging.channels import MessageChannel
from driveflow.messaging.delivery import MessageStatus
from driveflow.messaging.models import Message
from driveflow.messaging.triggers import RecipientKind, TemplateKey
from driveflow.payouts.accruing import settle_booking
from support.cast import cast_of
from support.drives import northwards
from support.papers import database_of, issue
from support.route_table import PLAIN_PARAMETERS, ROUTES, Ask
from support.schools import Client, Ready, School
from support.stripe_webhooks import deliver, event_about

ROLES = tuple(role for role in Role if role is not Role.SYSTEM)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass
class FullSchool:
    """A school with a client of each role, and an id of each kind by the name that routes give it.

    Instructor, student and guardian of the ids are those that the clients stand for.
    """

    school: School
    clients: dict[Role, Client]
    ids: dict[str, str]


async def full_schools(*schools: School) -> list[FullSchool]:
    """Fill schools of one clock; the lesson of each has just begun, its trip runs."""
    filled = [await _filled(school) for school in schools]
    schools[0].clock.advance(hours=24)
    for full in filled:
        await _start_lesson(full)
    return filled


async def _filled(school: School) -> FullSchool:
    cast = await cast_of(school)
    instructor_id = cast.instructor_row["id"]
    windows = [{"day_of_week": day, "start_minute": 480, "end_minute": 1080} for day in range(7)]
    await school.put(f"/instructors/{instructor_id}/availability", windows)
    await school.put(f"/instructors/{instructor_id}/exceptions/2026-08-07", {"is_available": False})
    service = await school.add_service()
    ready = Ready(cast.instructor_row, cast.student_row, service)
    now = school.clock.now
    to_start = await school.book(ready, now + timedelta(hours=24))
    booking = await school.book(ready, now + timedelta(hours=48))
    [card] = (await school.get("/rate-cards"))["items"]
    member = await school.post("/members", {"email": f"{uuid4().hex}@school.example", "role": "admin"})
    key = await school.post("/api-keys", {"name": "Spare", "role": "admin"})
    payment = await school.post(f"/bookings/{to_start['id']}/payment/record", {"method": "cash"})
    refund = await school.post(f"/payments/{payment['id']}/refunds", {"amount_cents": 1, "reason": "Late"})
    about = {"id": f"ch_{uuid4().hex}", "object": "charge", "metadata": {"org_id": str(school.org_id)}}
    await deliver(school.http, event_about(about, "charge.updated"), at=now)
    [event] = (await school.get("/webhook-events"))["items"]
    payout_id = await _payout(school, ready)
    message_id = await _message(school, cast.student_row["id"])
    feed = await cast.student.post("/calendar-feeds", {})
    invoice = await issue(database_of(school), school.org_id, UUID(payment["id"]), now=now)
    return FullSchool(
        school,
        {
            Role.OWNER: school,
            Role.ADMIN: cast.admin,
            Role.INSTRUCTOR: cast.instructor,
            Role.STUDENT: cast.student,
            Role.GUARDIAN: cast.guardian,
        },
        {
            "org_id": str(school.org_id),
            "owner_user_id": str(school.owner_user_id),
            "member_id": member["id"],
            "key_id": key["id"],
            "instructor_id": instructor_id,
            "student_id": cast.student_row["id"],
            "guardian_id": cast.guardian_row["id"],
            "service_id": service["id"],
            "rate_card_id": card["id"],
            "booking_id": booking["id"],
            "payment_id": payment["id"],
            "refund_id": refund["id"],
            "event_id": event["id"],
            "payout_id": payout_id,
            "message_id": message_id,
            "invoice_id": str(invoice.id),
            "feed_id": feed["id"],
            "started_booking_id": to_start["id"],
            "free_start": (now + timedelta(hours=72)).isoformat(),
        },
    )


async def _payout(school: School, ready: Ready) -> str:
    """Let the fee of a late cancellation accrue, as the worker does; return the payout's id."""
    booking = await school.book(ready, school.clock.now + timedelta(hours=3))
    await school.post(f"/bookings/{booking['id']}/payment/record", {"method": "cash"})
    cancelled = {"reason": "Ill", "for_student": True}
    await school.post(f"/bookings/{booking['id']}/cancel", cancelled, expect=200)
    assert school.database is not None
    async with school.database.session(school.org_id) as session:
        actor = system_actor(school.org_id)
        payout = await settle_booking(session, actor, UUID(booking["id"]), now=school.clock.now)
    assert payout is not None
    return str(payout.id)


async def _message(school: School, student_id: str) -> str:
    """Add a message, which no route makes."""
    assert school.database is not None
    message = Message(
        org_id=school.org_id,
        id=new_id(),
        to_address="alex@learners.example",
        channel=MessageChannel.EMAIL.value,
        template_key=TemplateKey.REMINDER.value,
        status=MessageStatus.SENT.value,
        recipient_kind=RecipientKind.STUDENT.value,
        recipient_id=UUID(student_id),
    )
    async with school.database.session(school.org_id) as session:
        session.add(message)
    return str(message.id)


async def _start_lesson(full: FullSchool) -> None:
    instructor = full.clients[Role.INSTRUCTOR]
    started = await instructor.post(f"/bookings/{full.ids['started_booking_id']}/start", expect=200)
    trip = await instructor.post(f"/lessons/{started['lesson_id']}/trips")
    await instructor.post(f"/trips/{trip['id']}/points", northwards(full.school.clock.now, 2), expect=200)
    full.ids |= {"lesson_id": started["lesson_id"], "trip_id": trip["id"]}


def path_ids(route: str) -> list[str]:
    """Return the names of the ids in a route's path, the school's left out."""
    return [name for name in _PLACEHOLDER.findall(route) if name not in {"org_id", *PLAIN_PARAMETERS}]


def named_ids(value: object) -> list[str]:
    """Return the names of the ids that a body or query refers to."""
    return [name for name in _PLACEHOLDER.findall(str(value)) if name.endswith("_id")]


async def ask(
    client: Client,
    route: str,
    ids: dict[str, str],
    named: dict[str, str] | None = None,
    *,
    wanted: Ask | None = None,
) -> httpx.Response:
    """Send a route's request of the table, or `wanted`, with these ids, `named` in body and query."""
    method, _, template = route.partition(" ")
    wanted = wanted or ROUTES[route]
    named = named or ids
    path = _PLACEHOLDER.sub(lambda match: {**PLAIN_PARAMETERS, **ids}[match[1]], template)
    # Not `Client.request`, which would take a path of the root for one below the school.
    return await client.http.request(
        method,
        path,
        params=filled_in(wanted.query, named),
        json=filled_in(wanted.body, named),
        headers={"Authorization": f"Bearer {client.key}"},
    )


def filled_in(value: Any, ids: dict[str, str]) -> Any:
    """Return JSON with the ids in place of their names."""
    if isinstance(value, dict):
        return {name: filled_in(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, ids) for item in value]
    return _PLACEHOLDER.sub(lambda match: ids[match[1]], value) if isinstance(value, str) else value
