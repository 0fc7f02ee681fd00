"""Routes of payouts: what instructors get and why, and their accounts at Stripe."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.entrypoints.api.schemas import (
    Input,
    InstantOut,
    Line,
    Output,
    PageOut,
    Paging,
    school_router,
)
from driveflow.entrypoints.deps import Ctx
from driveflow.entrypoints.outside_route import OutsideCtx, outside_router
from driveflow.entrypoints.paying import account_link, reach
from driveflow.payments.starting import Call, Wait
from driveflow.payouts import onboarding, service, transferring
from driveflow.payouts.earnings import EarningKind, LineKind
from driveflow.payouts.lifecycle import PayoutStatus
from driveflow.payouts.models import Payout, PayoutLine, PayoutMethod, ReversalStatus

router = school_router()
onboarding_router = outside_router("/instructors/{instructor_id}/onboarding")


class PayoutLineOut(Output):
    """One signed part of a payout's amount, and why."""

    id: UUID
    kind: LineKind
    amount_cents: int
    booking_id: UUID | None
    memo: str
    created_at: InstantOut


class ReversalOut(Output):
    """Money taken back from a payout that was made; `refused` ones have become debts."""

    id: UUID
    refund_id: UUID | None
    amount_cents: int
    status: ReversalStatus
    memo: str | None
    created_at: InstantOut


class DebtOut(Output):
    """What this payout could not give back; `settled_cents` of it came out of later payouts."""

    id: UUID
    amount_cents: int
    settled_cents: int
    memo: str
    created_at: InstantOut


class PayoutOut(Output):
    """What an instructor is paid for a booking; `lines` add up to `amount_cents`.

    `waiting_reason` says what a payout waits for that is due; `reversed_cents` was taken back afterwards.
    """

    id: UUID
    instructor_id: UUID
    booking_id: UUID | None
    kind: EarningKind
    method: PayoutMethod
    status: PayoutStatus
    currency: str
    amount_cents: int
    reversed_cents: int
    due_at: InstantOut | None
    paid_at: InstantOut | None
    waiting_reason: str | None
    reference: str | None
    stripe_transfer_id: str | None
    created_at: InstantOut
    updated_at: InstantOut
    lines: list[PayoutLineOut] = Field(default_factory=list)


class ExplainedPayoutOut(PayoutOut):
    """A payout with what became of it later."""

    reversals: list[ReversalOut]
    debts: list[DebtOut]


class MarkPaidIn(Input):
    """How staff paid an instructor."""

    reference: Line | None = Field(default=None, description="Such as the number of a bank transfer")


class OnboardingOut(Output):
    """Where an instructor tells Stripe who they are; the link works once, and for some minutes."""

    url: str
    expires_at: InstantOut


def _shown(payout: Payout, lines: Sequence[PayoutLine]) -> PayoutOut:
    shown = [PayoutLineOut.model_validate(line) for line in lines]
    return PayoutOut.model_validate(payout).model_copy(update={"lines": shown})


async def _explained(ctx: Ctx, payout_id: UUID) -> ExplainedPayoutOut:
    found = await service.get_payout(ctx.session, ctx.actor, payout_id)
    return ExplainedPayoutOut(
        **_shown(found.payout, found.lines).model_dump(),
        reversals=[ReversalOut.model_validate(row) for row in found.reversals],
        debts=[DebtOut.model_validate(row) for row in found.debts],
    )


@router.get("/payouts", tags=["payouts"])
async def list_payouts(
    ctx: Ctx,
    paging: Paging,
    *,
    instructor_id: UUID | None = None,
    status: Annotated[PayoutStatus | None, Query()] = None,
) -> PageOut[PayoutOut]:
    """Return payouts with their lines, newest first; instructors get their own."""
    page = await service.list_payouts(
        ctx.session, ctx.actor, paging, instructor_id=instructor_id, status=status
    )
    return PageOut(
        items=[_shown(payout, lines) for payout, lines in page.items], next_cursor=page.next_cursor
    )


@router.get("/payouts/{payout_id}", tags=["payouts"])
async def get_payout(ctx: Ctx, payout_id: UUID) -> ExplainedPayoutOut:
    """Return a payout line by line, with what was taken back or is owed because of it."""
    return await _explained(ctx, payout_id)


@router.post("/payouts/{payout_id}/mark-paid", tags=["payouts"])
async def mark_paid(ctx: Ctx, payout_id: UUID, body: MarkPaidIn) -> ExplainedPayoutOut:
    """Note that staff paid the instructor; for money that did not come through Stripe. Again is a no-op."""
    await transferring.mark_paid(ctx.session, ctx.actor, payout_id, reference=body.reference, now=ctx.now)
    return await _explained(ctx, payout_id)


@onboarding_router.post("", tags=["payouts"])
async def onboard(ctx: OutsideCtx, instructor_id: UUID) -> OnboardingOut:
    """Return a fresh link to an instructor's form at Stripe; the first time an account is opened.

    409 `account_refused` in Stripe's words when it opens none. Instructors have their own account only.
    """
    ctx.keep_secret()

    async def step(session: AsyncSession) -> str | Call | Wait:
        return await onboarding.begin(
            session, ctx.actor, instructor_id, is_configured=ctx.services.stripe is not None, now=ctx.now
        )

    account: str = await reach(
        ctx,
        step,
        refused=("account_refused", "Stripe opens no account"),
        restless=("account_pending", "The account is being opened; look again in a moment."),
    )
    page = f"{ctx.services.settings.public_base}/onboarding"
    link = await account_link(ctx, account, refresh_url=f"{page}/again", return_url=f"{page}/done")
    return OnboardingOut(url=link["url"], expires_at=datetime.fromtimestamp(link["expires_at"], UTC))
