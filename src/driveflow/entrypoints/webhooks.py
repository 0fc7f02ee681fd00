"""Routes that Stripe calls: the signature is the caller's proof, the raw body what it signed.

An event is stored and answered; the worker does the rest. Anything but 200 makes Stripe send it again for
three days, so an event that belongs to nobody is kept and answered with 200 as well.
"""

import json
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, SecretStr

from driveflow.core.errors import ConflictError
from driveflow.entrypoints.api.schemas import PROBLEMS
from driveflow.entrypoints.deps import SafeRoute, services_of
from driveflow.entrypoints.error_responses import problem
from driveflow.integrations.stripe_calls import BadSignatureError
from driveflow.integrations.stripe_client import verify_signature
from driveflow.payments import webhook_intake

router = APIRouter(
    prefix="/webhooks",
    route_class=SafeRoute,
    tags=["webhooks"],
    responses={status: PROBLEMS[status] for status in (400, 409, 413, 422, 503)},
)

_DESCRIBED: dict[str, Any] = {
    "security": [],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "A Stripe event, signed in the header Stripe-Signature",
    },
}


class ReceivedOut(BaseModel):
    """What became of an event; the worker looks at a new one unless `outcome` says why not."""

    is_new: bool
    outcome: str | None


@router.post("/stripe", response_model=ReceivedOut, openapi_extra=_DESCRIBED)
async def receive_from_platform(request: Request) -> Response:
    """Take in an event of the platform's account."""
    return await _receive(request, services_of(request).settings.stripe_webhook_secrets)


@router.post("/stripe-connect", response_model=ReceivedOut, openapi_extra=_DESCRIBED)
async def receive_from_connected(request: Request) -> Response:
    """Take in an event of a connected account."""
    return await _receive(request, services_of(request).settings.stripe_connect_webhook_secrets)


async def _receive(request: Request, secrets: SecretStr | None) -> Response:
    services = services_of(request)
    if secrets is None:
        raise ConflictError("This endpoint has no signing secret yet.", code="stripe_not_configured")
    body = await request.body()
    now = services.clock()
    signing = [part.strip() for part in secrets.get_secret_value().split(",") if part.strip()]
    try:
        verify_signature(body, request.headers.get("stripe-signature"), signing, now=now)
        event = json.loads(body)
        async with services.database.session(None) as session:
            taken = await webhook_intake.take_in(session, event, now=now)
    except BadSignatureError as error:
        return problem(HTTPStatus.BAD_REQUEST, "bad_signature", str(error), request)
    except (ValueError, RecursionError):
        return problem(HTTPStatus.BAD_REQUEST, "bad_request", "The body is not a Stripe event.", request)
    services.on_commit()
    answer = ReceivedOut(is_new=taken.is_new, outcome=taken.outcome)
    return Response(answer.model_dump_json(), media_type="application/json")
