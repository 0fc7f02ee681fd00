"""Goes through the steps of paying for a request of the API: a transaction, a call, a transaction, until done.

The steps are `payments/starting.py`. Requests that arrive together lead to one call: the first one makes it,
the others wait for its answer a little, and only when it does not come (the process may be dead) make the same
call themselves; with its idempotency key Stripe does it once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import outbox_leases, outside
from driveflow.core.errors import ConflictError, OutsideUnavailableError
from driveflow.core.outbox_leases import LeaseLostError
from driveflow.core.outbox_queue import Event, describe
from driveflow.entrypoints.outside_route import OutsideContext
from driveflow.entrypoints.worker.outside_handlers import stripe_request_handler
from driveflow.integrations.stripe_calls import (
    MissingObjectError,
    StripeFaultError,
    StripeKind,
    UnknownOutcomeError,
)
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments.models import Payment, StripeRequest
from driveflow.payments.starting import Call, Next, Ready
from driveflow.payments.stripe_requests import StripeCall, StripeRequestHandler, call_of, is_pending

ROUNDS: Final = 6
"""More than any honest sequence needs: wait, close, begin, ready."""

PATIENCE_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.1

_NO_ANSWER: Final = (StripeFaultError, UnknownOutcomeError, MissingObjectError, TimeoutError)

log = structlog.get_logger()

Step = Callable[[AsyncSession], Awaitable[Next]]


async def go_through(context: OutsideContext, step: Step) -> Payment:
    """Repeat a step of `starting.py` until it is Ready; return the payment.

    Raises what the step raises, OutsideUnavailableError while Stripe does not answer, and ConflictError
    `payment_processing` for a payment that does not come to rest.
    """
    for _ in range(ROUNDS):
        async with context.session() as session:
            reached = await step(session)
            if isinstance(reached, Ready):
                return reached.payment
        handler = stripe_request_handler(_gateway_of(context))
        if isinstance(reached, Call):
            call = call_of(reached.request, attempt=1, now=context.now)
            await _call_leased(context, handler, reached.event, call)
        else:
            await _wait(context, handler, reached.request)
    raise ConflictError("The payment is on its way; look again in a moment.", code="payment_processing")


async def _call_leased(
    context: OutsideContext, handler: StripeRequestHandler, event: Event, call: StripeCall
) -> None:
    services = context.services
    try:
        await outside.conclude(services.database, context.actor, event, handler, call, clock=services.clock)
    except LeaseLostError:
        return  # the worker took it over and has settled it, or will
    except _NO_ANSWER as error:
        async with context.session() as session:
            await outbox_leases.give_back(
                session,
                context.actor.org_id,
                event,
                error,
                now=context.now,
                jitter=random.random(),  # noqa: S311 - spreading load
            )
        raise _unavailable(error) from error
    services.on_commit()


async def _wait(context: OutsideContext, handler: StripeRequestHandler, request: StripeRequest) -> None:
    """Wait for somebody else's call to be settled; make the same call when that takes too long."""
    for _ in range(int(PATIENCE_S / _LOOK_EVERY_S)):
        async with context.session() as session:
            if not await is_pending(session, context.actor, request.id):
                return
        await asyncio.sleep(_LOOK_EVERY_S)
    call = call_of(request, attempt=1, now=context.now)
    try:
        async with asyncio.timeout(outside.CALL_TIMEOUT_S):
            answer = await handler.call(call)
    except _NO_ANSWER as error:
        raise _unavailable(error) from error
    async with context.session() as session:
        await handler.settle_answer(session, context.actor, call, answer, now=context.now)


async def client_secret(context: OutsideContext, intent_id: str) -> str:
    """Return the secret by which a client's own page pays; it is asked of Stripe and stored nowhere."""
    try:
        intent = await _gateway_of(context).fetch(StripeKind.PAYMENT_INTENT, intent_id)
    except _NO_ANSWER as error:
        raise _unavailable(error) from error
    secret: str = intent["client_secret"]
    return secret


def _gateway_of(context: OutsideContext) -> StripeGateway:
    if context.services.stripe is None:
        raise _unavailable()
    return context.services.stripe


def _unavailable(error: Exception | None = None) -> OutsideUnavailableError:
    log.warning("no answer from Stripe", error=describe(error) if error else "no secret key")
    return OutsideUnavailableError(
        "Stripe does not answer at the moment. Nothing was paid twice or lost: try again shortly.",
        code="stripe_unavailable",
    )
