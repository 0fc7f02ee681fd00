"""Writes down that something happened, and whom it is to be told, in the transaction in which it happens."""

import time
from typing import Any, Final

from driveflow.sandbox.stripe import faults
from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.expansion import present
from driveflow.sandbox.stripe.settings import Endpoint, StripeSandboxSettings
from driveflow.sandbox.stripe.store import PLATFORM, Record

PLATFORM_ENDPOINT: Final = "platform"
CONNECT_ENDPOINT: Final = "connect"
# An event that is told in reverse order waits for the others at most so long.
_HELD_S: Final = 3600.0
# Released ones follow each other so far apart that they arrive in their new order.
_STEP_S: Final = 0.25


def endpoint(settings: StripeSandboxSettings, name: str) -> Endpoint | None:
    """Return where the events of the platform or of connected accounts go."""
    return settings.platform if name == PLATFORM_ENDPOINT else settings.connect


def emit(
    call: Call,
    kind: str,
    record: Record,
    *,
    previous: dict[str, Any] | None = None,
    account: str | None = None,
) -> Record:
    """Keep an event about an object as it is now, and its delivery if somebody listens.

    `previous` has the values before an update. Events of a connected account go to the Connect endpoint.
    """
    owner = record.account if account is None else account
    name = PLATFORM_ENDPOINT if owner == PLATFORM else CONNECT_ENDPOINT
    listened = endpoint(call.settings, name) is not None
    data: dict[str, Any] = {"object": present(call, record)}
    if previous is not None:
        data["previous_attributes"] = previous
    body: dict[str, Any] = {
        "api_version": call.api_version,
        "data": data,
        "livemode": False,
        "pending_webhooks": int(listened),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": kind,
    }
    if owner != PLATFORM:
        body["account"] = owner
    event = call.new("event", "evt_", body, account=owner)
    if listened:
        _schedule(call, event, name)
    return event


def _schedule(call: Call, event: Record, name: str) -> None:
    due = time.time()
    fault = faults.take_delivery(call.store, event.body["type"]) or {}
    copies = 1
    outcome = None
    match fault.get("kind"):
        case "drop":
            outcome = "dropped"
        case "delay":
            due += fault["ms"] / 1000
        case "duplicate":
            copies += fault.get("copies", 1)
        case "reorder":
            due += _HELD_S
    for _ in range(copies):
        call.store.connection.execute(
            "INSERT INTO deliveries (event_id, endpoint, due, outcome) VALUES (?, ?, ?, ?)",
            (event.id, name, due, outcome),
        )
    if fault.get("kind") == "reorder" and fault["left"] == 0:
        release_held(call, due - _HELD_S)


def release_held(call: Call, start: float) -> None:
    """Let the deliveries that wait to be told in reverse order go, the latest first."""
    held = call.store.connection.execute(
        "SELECT id FROM deliveries WHERE outcome IS NULL AND attempts = 0 AND due > ? ORDER BY id DESC",
        (start + _HELD_S / 2,),
    ).fetchall()
    for at, (delivery_id,) in enumerate(held):
        call.store.connection.execute(
            "UPDATE deliveries SET due = ? WHERE id = ?", (start + at * _STEP_S, delivery_id)
        )
