"""An instructor's account at Stripe: made once, its status followed, a fresh link to its form each time."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor, system_actor
from driveflow.core.errors import ConflictError
from driveflow.integrations.stripe_calls import StripeAnswer, StripeOperation
from driveflow.orgs import service as orgs
from driveflow.payments.models import StripeRequest, StripeRequestStatus
from driveflow.payments.starting import Call, Wait
from driveflow.payments.stripe_requests import freeze
from driveflow.payouts.accounts import kyc_status
from driveflow.payouts.earnings import KycStatus
from driveflow.payouts.transferring import release_waiting
from driveflow.people import service as people

UNKNOWN_ACCOUNT: Final = "unknown_account"
APPLIED: Final = "applied"
UNCHANGED: Final = "unchanged"


async def begin(
    session: AsyncSession, actor: Actor, instructor_id: UUID, *, is_configured: bool, now: datetime
) -> str | Call | Wait:
    """Return the id of an instructor's account at Stripe, or the call that makes it first.

    The caller makes a Call by its lease, or waits for whoever makes it. An account that Stripe refused is
    asked for again under another key. `is_configured` says whether this installation has a key of Stripe.
    Raises NotFoundError for an instructor whose account is not the actor's to manage, ConflictError
    `stripe_not_configured`.
    """
    instructor = await people.get_instructor_account(session, actor, instructor_id, lock=True)
    if not is_configured:
        raise ConflictError(
            "This installation is not connected to Stripe; its operator can set DRIVEFLOW_STRIPE_SECRET_KEY.",
            code="stripe_not_configured",
        )
    if instructor.stripe_account_id is not None:
        return instructor.stripe_account_id
    language, _, territory = (await orgs.settings_of(session, actor.org_id)).locale.rpartition("_")
    # Without a country Stripe opens the account in the platform's own.
    country = {"country": territory} if language else {}
    key = f"acct:{instructor_id}"
    while True:
        frozen = await freeze(
            session,
            actor,
            StripeOperation.CREATE_ACCOUNT,
            idempotency_key=key,
            parameters={
                "type": "express",
                **country,
                "business_type": "individual",
                "capabilities": {"transfers": {"requested": True}},
                "metadata": {"org_id": str(actor.org_id), "instructor_id": str(instructor_id)},
            },
            entity_type="Instructor",
            entity_id=instructor_id,
            now=now,
            leased=True,
        )
        if frozen.event is not None:
            return Call(frozen.request, frozen.event)
        if frozen.request.status == StripeRequestStatus.PENDING:
            return Wait(frozen.request)
        key = f"acct:{instructor_id}:{frozen.request.id}"


async def _follow(
    session: AsyncSession, actor: Actor, instructor_id: UUID, account: dict[str, Any], *, now: datetime
) -> bool:
    status = kyc_status(account)
    changed = await people.set_payout_account(
        session,
        actor,
        instructor_id,
        stripe_account_id=account["id"],
        kyc_status=status.value,
        now=now,
    )
    if changed and status is KycStatus.ACTIVE:
        await release_waiting(session, actor, instructor_id, now=now)
    return changed


class AccountSettler:
    """What Stripe's answer to a new account means."""

    async def still_wanted(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        *,
        now: datetime,  # noqa: ARG002 - a settler's signature
    ) -> bool:
        """Return whether the instructor has no account yet."""
        instructor = await people.get_instructor_account(session, actor, request.entity_id, lock=True)
        return instructor.stripe_account_id is None

    async def settle(
        self,
        session: AsyncSession,
        actor: Actor,
        request: StripeRequest,
        answer: StripeAnswer,
        *,
        now: datetime,
    ) -> None:
        """Note the account; a refusal is told to whoever asked."""
        if answer.object is not None:
            # Whoever asked may manage the account; that Stripe answered is DriveFlow's own doing.
            await _follow(session, system_actor(actor.org_id), request.entity_id, answer.object, now=now)


class AccountApplier:
    """What `account.updated` means: how far the instructor's account is now."""

    async def apply(
        self,
        session: AsyncSession,
        actor: Actor,
        fetched: dict[str, Any],
        event_type: str | None,  # noqa: ARG002 - an applier's signature
        *,
        now: datetime,
    ) -> str:
        """Note the status of an account, and try what waits for it."""
        instructor = await people.instructor_with_account(session, actor, fetched["id"])
        if instructor is None:
            return UNKNOWN_ACCOUNT
        changed = await _follow(session, actor, instructor.id, fetched, now=now)
        return APPLIED if changed else UNCHANGED
