"""Which of this package's settlers and appliers answers for what; the worker has them beside payments'."""

from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.integrations.stripe_calls import StripeKind, StripeOperation
from driveflow.payments.stripe_events import Applier
from driveflow.payments.stripe_requests import Settler
from driveflow.payouts import repository
from driveflow.payouts.onboarding import AccountApplier, AccountSettler
from driveflow.payouts.reversing import ReversalSettler
from driveflow.payouts.transferring import TransferSettler


class TransferApplier:
    """What `transfer.reversed` means: nothing new, or that somebody took money back in Stripe's dashboard.

    The answer to our own call books a reversal. One that somebody else made is not booked by itself, because
    only its maker knows whether the instructor is still owed the money; `driveflow reconcile` names it.
    """

    async def apply(
        self,
        session: AsyncSession,
        actor: Actor,
        fetched: dict[str, Any],
        event_type: str | None,  # noqa: ARG002 - an applier's signature
        *,
        now: datetime,  # noqa: ARG002 - as above
    ) -> str:
        """Tell whether the reversals of a transfer are ours."""
        payout = await repository.payout_of_transfer(session, actor.org_id, fetched["id"])
        if payout is None:
            return "unknown"
        return "unchanged" if fetched["amount_reversed"] <= payout.reversed_cents else "reversed elsewhere"


SETTLERS: Final = MappingProxyType[StripeOperation, Settler](
    {
        StripeOperation.CREATE_ACCOUNT: AccountSettler(),
        StripeOperation.CREATE_TRANSFER: TransferSettler(),
        StripeOperation.REVERSE_TRANSFER: ReversalSettler(),
    }
)

APPLIERS: Final = MappingProxyType[StripeKind, Applier](
    {StripeKind.ACCOUNT: AccountApplier(), StripeKind.TRANSFER: TransferApplier()}
)
