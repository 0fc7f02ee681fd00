"""What the worker does about each outside topic: one table, with the clients that it needs.

Topics whose provider is not configured have no handler; their events wait until it is.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from driveflow.core.outbox import Topic
from driveflow.core.outside import AnyOutsideHandler
from driveflow.core.settings import Settings
from driveflow.entrypoints.worker.message_handlers import MessageSend
from driveflow.entrypoints.worker.outside import OutsideHandlers
from driveflow.integrations.stripe_client import StripeGateway, gateway_of
from driveflow.payments import settlers as payments
from driveflow.payments.stripe_events import StripeEventHandler
from driveflow.payments.stripe_requests import StripeRequestHandler
from driveflow.payouts import settlers as payouts


def stripe_request_handler(gateway: StripeGateway) -> StripeRequestHandler:
    """Return the handler of frozen calls, with the settlers of every package."""
    return StripeRequestHandler(gateway, {**payments.SETTLERS, **payouts.SETTLERS})


def stripe_event_handler(gateway: StripeGateway) -> StripeEventHandler:
    """Return the handler of what Stripe tells, with the appliers of every package."""
    return StripeEventHandler(gateway, {**payments.APPLIERS, **payouts.APPLIERS})


@asynccontextmanager
async def outside_handlers(settings: Settings) -> AsyncIterator[OutsideHandlers]:
    """Yield the handlers that the settings allow; their clients are closed at the end."""
    handlers: dict[Topic, AnyOutsideHandler] = {Topic.MESSAGE_SEND: MessageSend.of(settings)}
    async with AsyncExitStack() as clients:
        gateway = gateway_of(settings)
        if gateway is not None:
            clients.push_async_callback(gateway.close)
            handlers[Topic.STRIPE_REQUEST_DUE] = stripe_request_handler(gateway)
            handlers[Topic.STRIPE_EVENT_DUE] = stripe_event_handler(gateway)
        yield handlers
