"""Goes through the steps of paying for a request of the API: transaction, call, transaction, until done.

The steps are `payments/starting.py`. Requests that arrive together lead to one call: the first one makes it,
the others wait for its answer a little, and only when it does not come (the process may be dead) make the
same call themselves; with its idempotency key Stripe does it once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core import outbox_leases, outside
from driveflow.core.errors import ConflictError, OutsideUnavailableError
from driveflow.core.outbox_leases import LeaseLostError
from driveflow.core.outbox_queue import Event, describe
from driveflow.entrypoints.outside_route import OutsideContext
from driveflow.entrypoints.worker.outside_handlers import stripe_request_handler
from driveflow.integrations.stripe_calls import (
    CLOSING,
    MissingObjectError,
    StripeFaultError,
    StripeKind,
    UnknownOutcomeError,
)
from driveflow.integrations.stripe_client import StripeGateway
from driveflow.payments.models import Payment, StripeRequestStatus
from driveflow.payments.starting import Call, Next, Ready, Wait
from driveflow.payments.stripe_requests import StripeCall, StripeRequestHandler, call_of, outcome_of

ROUNDS: Final = 6
"""More than any honest sequence needs: wait, close, begin, ready."""

PATIENCE_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.1

_NO_ANSWER: Final = (StripeFaultError, UnknownOutcomeError, MissingObjectError, TimeoutError)

log = structlog.get_logger()

Step = Callable[[AsyncSession], Awaitable[Next]]
EndT = TypeVar("EndT")


async def go_through(context: OutsideContext, step: Step) -> Payment:
    """Repeat a step of `starting.py` until it is Ready; return the payment.

    Raises what the step raises, OutsideUnavailableError while Stripe does not answer, and ConflictError
    `payment_processing` for a payment that does not come to rest.
    """
    ready: Ready = await reach(
        context,
        step,
        refused=("payment_refused", "Stripe does not take this payment"),
        restless=("payment_processing", "The payment is on its way; look again in a moment."),
    )
    return ready.payment


async def reach(
    context: OutsideContext,
    step: Callable[[AsyncSession], Awaitable[EndT | Call | Wait]],
    *,
    refused: tuple[str, str],
    restless: tuple[str, str],
) -> EndT:
    """Repeat a step, with the calls that it asks for, until it is at its end; return that.

    `refused` and `restless` are code and sentence of the ConflictErrors for a call that Stripe refuses, and
    for steps that do not come to an end.
    """
    for _ in range(ROUNDS):
        async with context.session() as session:
            reached = await step(session)
            if not isinstance(reached, Call | Wait):
                return reached
        handler = stripe_request_handler(_gateway_of(context))
        call = call_of(reached.request, attempt=1, now=context.now)
        if isinstance(reached, Call):
            await _make(context, handler, call, reached.event)
        elif not await _settled_by_others(context, call):
            await _make(context, handler, call, None)
        await _refuse_if_refused(context, call, refused)
    code, sentence = restless
    raise ConflictError(sentence, code=code)


async def _make(
    context: OutsideContext, handler: StripeRequestHandler, call: StripeCall, event: Event | None
) -> None:
    """Make a call and settle it, with the lease of its event or without."""
    services = context.services
    try:
        if event is not None:
            await outside.conclude(
                services.database, context.actor, event, handler, call, clock=services.clock
            )
        else:
            async with asyncio.timeout(outside.CALL_TIMEOUT_S):
                answer = await handler.call(call)
            async with context.session() as session:
                await handler.settle_answer(session, context.actor, call, answer, now=context.now)
    except LeaseLostError:
        return  # the worker took it over and has settled it, or will
    except _NO_ANSWER as error:
        if event is not None:
            await _give_back(context, event, error)
        raise _unavailable(error) from error
    services.on_commit()


async def _give_back(context: OutsideContext, event: Event, error: Exception) -> None:
    async with context.session() as session:
        await outbox_leases.give_back(
            session,
            context.actor.org_id,
            event,
            error,
            now=context.now,
            jitter=random.random(),  # noqa: S311 - spreading load
        )


async def _settled_by_others(context: OutsideContext, call: StripeCall) -> bool:
    """Wait for somebody else's call to be settled; return whether it was, within PATIENCE_S."""
    for _ in range(int(PATIENCE_S / _LOOK_EVERY_S)):
        async with context.session() as session:
            status, _message = await outcome_of(session, context.actor, call.request_id)
        if status is not StripeRequestStatus.PENDING:
            return True
        await asyncio.sleep(_LOOK_EVERY_S)
    return False


async def _refuse_if_refused(context: OutsideContext, call: StripeCall, refused: tuple[str, str]) -> None:
    """Raise ConflictError for something that Stripe does not make."""
    if call.operation in CLOSING:
        return
    async with context.session() as session:
        status, message = await outcome_of(session, context.actor, call.request_id)
    if status is StripeRequestStatus.REFUSED:
        code, sentence = refused
        raise ConflictError(f"{sentence}: {message}", code=code)


async def account_link(
    context: OutsideContext, account: str, *, refresh_url: str, return_url: str
) -> dict[str, Any]:
    """Return a fresh link to the form of a connected account; it is asked of Stripe each time."""
    try:
        return await _gateway_of(context).account_link(
            account, refresh_url=refresh_url, return_url=return_url
        )
    except _NO_ANSWER as error:
        raise _unavailable(error) from error


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
