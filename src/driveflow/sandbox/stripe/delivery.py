"""Tells the endpoints what happened: signed as Stripe signs, retried, remembered over a restart.

Deliveries run by the machine's clock, not the sandbox's: their signature must be fresh where it arrives.
"""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Final

import httpx
import structlog

from driveflow.sandbox.stripe.events import endpoint
from driveflow.sandbox.stripe.settings import StripeSandboxSettings
from driveflow.sandbox.stripe.store import Store

_log = structlog.get_logger(__name__)
_BATCH: Final = 4
DELIVERED: Final = "delivered"
FAILED: Final = "failed"


def signature(payload: str, secret: str, timestamp: int) -> str:
    """Return the `Stripe-Signature` header of a body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Deliveries:
    """The background work of one sandbox's deliveries."""

    def __init__(self, store: Store, settings: StripeSandboxSettings) -> None:
        self._store = store
        self._settings = settings

    async def deliver_due(self, client: httpx.AsyncClient) -> int:
        """Try the deliveries that are due, oldest first; return how many were tried."""
        rows = self._store.connection.execute(
            "SELECT id, event_id, endpoint, attempts FROM deliveries"
            " WHERE outcome IS NULL AND due <= ? ORDER BY due, id LIMIT ?",
            (time.time(), _BATCH),
        ).fetchall()
        await asyncio.gather(*(self._try(client, *row) for row in rows))
        return len(rows)

    async def _try(
        self, client: httpx.AsyncClient, delivery_id: int, event_id: str, name: str, attempts: int
    ) -> None:
        target = endpoint(self._settings, name)
        event = self._store.get("event", event_id)
        answered = False
        if target is not None:
            payload = json.dumps(event.body, indent=2)
            try:
                answer = await client.post(
                    target.url,
                    content=payload.encode(),
                    headers={
                        "Content-Type": "application/json; charset=utf-8",
                        "Stripe-Signature": signature(payload, target.secret, int(time.time())),
                        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                    },
                )
                answered = answer.is_success
            except httpx.HTTPError as error:
                _log.info("stripe_sandbox.delivery_failed", event_id=event_id, error=type(error).__name__)
        self._settle(delivery_id, event_id, attempts, answered=answered)

    def _settle(self, delivery_id: int, event_id: str, attempts: int, *, answered: bool) -> None:
        delays = self._settings.retry_delays_s
        outcome = DELIVERED if answered else (FAILED if attempts >= len(delays) else None)
        due = time.time() + (delays[attempts] if outcome is None else 0)
        with self._store.transaction():
            self._store.connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, outcome = ?, due = ? WHERE id = ?",
                (outcome, due, delivery_id),
            )
            if answered:
                event = self._store.get("event", event_id)
                event.body["pending_webhooks"] = 0
                self._store.save(event)
