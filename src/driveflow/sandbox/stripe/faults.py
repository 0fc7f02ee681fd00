"""Misbehaviour on demand: what the next matching requests and deliveries suffer.

A fault of requests names a method and the beginning of a path; a fault of deliveries the beginning of an
event's type. Each is used up by what it hits, and kept in the store, so that a restart forgets none.

Requests: `lost` (done, but the connection closes without the answer), `conflict` (409), `rate_limit` (429),
`error` (500 before anything is done), `error_after` (500 after everything is done, stored under the
idempotency key and replayed, as Stripe does), `slow` (`ms` before it begins), `slow_after` (`ms` after).
Deliveries: `drop`, `delay` (`ms`), `duplicate` (`copies` more), `reorder` (the hit ones come in reverse).
"""

import json
from typing import Any, Final

from driveflow.sandbox.stripe.errors import StripeError
from driveflow.sandbox.stripe.store import Store

REQUEST_FAULTS: Final = (
    "lost",
    "conflict",
    "rate_limit",
    "error",
    "error_after",
    "slow",
    "slow_after",
)
DELIVERY_FAULTS: Final = ("drop", "delay", "duplicate", "reorder")
_ERROR_MESSAGE: Final = (
    "An unknown error occurred. If this persists, please contact support. (The sandbox was told to fail.)"
)


def add(store: Store, area: str, subject: str, fault: dict[str, Any], times: int) -> None:
    """Keep a fault for the next `times` matches."""
    store.connection.execute(
        "INSERT INTO faults (area, subject, fault, remaining) VALUES (?, ?, ?, ?)",
        (area, subject, json.dumps(fault), times),
    )


def clear(store: Store) -> None:
    """Forget all faults."""
    store.connection.execute("DELETE FROM faults")


def take_request(store: Store, method: str, path: str) -> dict[str, Any] | None:
    """Use up and return the fault that a request suffers, if any."""
    return _take(store, "request", f"{method} {path}")


def take_delivery(store: Store, event_type: str) -> dict[str, Any] | None:
    """Use up and return the fault that an event's delivery suffers, if any; `left` says how many remain."""
    return _take(store, "delivery", event_type)


def _take(store: Store, area: str, subject: str) -> dict[str, Any] | None:
    row = store.connection.execute(
        "SELECT id, fault, remaining FROM faults WHERE area = ? AND remaining > 0"
        " AND substr(?, 1, length(subject)) = subject ORDER BY id LIMIT 1",
        (area, subject),
    ).fetchone()
    if row is None:
        return None
    store.connection.execute("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", (row[0],))
    return {**json.loads(row[1]), "left": row[2] - 1}


def refuse(fault: dict[str, Any]) -> None:
    """Raise the answer (StripeError) of a fault that keeps the request from being executed."""
    headers = {}
    if "should_retry" in fault:
        headers["Stripe-Should-Retry"] = "true" if fault["should_retry"] else "false"
    match fault.get("kind"):
        case "conflict":
            raise StripeError(
                409,
                "This object cannot be accessed right now because another API request or Stripe process is "
                "currently accessing it. If you see this error intermittently, retry the request.",
                code="lock_timeout",
                stored=False,
                headers=headers,
            )
        case "rate_limit":
            raise StripeError(
                429,
                "Request rate limit exceeded. Learn more about rate limits here "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                stored=False,
                headers=headers,
            )
        case "error":
            raise StripeError(500, _ERROR_MESSAGE, kind="api_error", stored=False, headers=headers)


def error_after() -> StripeError:
    """Return the answer of a request that was executed and then failed."""
    return StripeError(500, _ERROR_MESSAGE, kind="api_error", headers={"Stripe-Should-Retry": "false"})
