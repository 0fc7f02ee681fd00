"""Webhooks as Stripe sends them: bodies and their signatures."""

import json
import secrets
from datetime import datetime
from typing import Any

import httpx
import stripe

WEBHOOK_SECRET = "whsec_of_the_tests"


def signed(body: str, secret: str, at: datetime) -> str:
    """Return the signature header of a body."""
    header: str = stripe.WebhookSignature.generate_signature_header(
        body, secret, timestamp=int(at.timestamp())
    )
    return header


async def deliver(
    http: httpx.AsyncClient,
    event: dict[str, Any],
    *,
    at: datetime,
    secret: str = WEBHOOK_SECRET,
    path: str = "/webhooks/stripe",
) -> httpx.Response:
    """Deliver an event as Stripe does."""
    body = json.dumps(event)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signed(body, secret, at)}
    return await http.post(path, content=body, headers=headers)


def event_about(told: dict[str, Any], event_type: str, **more: Any) -> dict[str, Any]:
    """Return an event about an object."""
    event_id = f"evt_{secrets.token_hex(12)}"
    return {"id": event_id, "object": "event", "type": event_type, "data": {"object": told}, **more}
