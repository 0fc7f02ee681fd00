"""Routes of payments, refunds, the ledger and Stripe's webhooks as they were stored."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from driveflow.core.actor import Actor
from driveflow.entrypoints import payment_pages
from driveflow.entrypoints.api.schemas import (
    Input,
    InstantIn,
    InstantOut,
    Line,
    Output,
    PageOut,
    Paging,
    page_out,
    school_router,
)
from driveflow.entrypoints.deps import CREATED, Ctx
from driveflow.entrypoints.outside_route import OutsideCtx, outside_router
from driveflow.entrypoints.paying import client_secret, go_through
from driveflow.payments import ledger, refunds, service, starting, webhook_intake
from driveflow.payments.ledger import Account, EntryQuery
from driveflow.payments.lifecycle import OPEN, PaymentMethod, PaymentStatus
from driveflow.payments.models import Payment
from driveflow.payments.paying import PaymentMode
from driveflow.payments.service import PaymentQuery

paying_router = outside_router("/bookings/{booking_id}/payment")
router = school_router("/payments")
refunds_router = school_router("/refunds")
ledger_router = school_router("/ledger")
webhooks_router = school_router("/webhook-events")

Positive = Annotated[int, Field(ge=1, le=100_000_000)]


class StartIn(Input):
    """How to pay: on Stripe's page, or on a page of the client's own."""

    mode: PaymentMode = PaymentMode.CHECKOUT


class RecordIn(Input):
    """A payment that the school got itself."""

    method: Literal["cash", "bank_transfer", "elsewhere"]
    reference: Line | None = None


class RefundIn(Input):
    """What goes back to the customer, and why."""

    amount_cents: Positive
    reason: Annotated[Line, Field(min_length=1)]


class PaymentOut(Output):
    """A booking's payment; the split and Stripe's fee are shown to staff only."""

    id: UUID
    booking_id: UUID
    student_id: UUID | None
    status: PaymentStatus
    method: PaymentMethod
    currency: str
    amount_cents: int
    refunded_cents: int
    platform_fee_cents: int | None = None
    instructor_share_cents: int | None = None
    stripe_fee_cents: int | None = None
    attempt: int
    checkout_url: str | None
    open_until: InstantOut | None
    paid_at: InstantOut | None
    reference: str | None
    failure_code: str | None
    failure_message: str | None
    dispute_status: str | None
    created_at: InstantOut


class StartedOut(Output):
    """An open payment, with the page's address or the secret for a page of the client's own."""

    payment: PaymentOut
    checkout_url: str | None = None
    client_secret: str | None = None


class RefundOut(Output):
    """Money on its way back, or there."""

    id: UUID
    payment_id: UUID
    status: str
    method: PaymentMethod
    currency: str
    amount_cents: int
    cause: str
    reason: str | None
    attempt: int
    failure_reason: str | None
    settled_at: InstantOut | None
    created_at: InstantOut


class EntryOut(Output):
    """A move of money from the credited to the debited account."""

    id: UUID
    debit_account: str
    credit_account: str
    currency: str
    amount_cents: int
    memo: str | None
    booking_id: UUID | None
    entity_type: str | None
    entity_id: UUID | None
    created_at: InstantOut


class BalanceOut(Output):
    """Debits minus credits of an account."""

    account: str
    currency: str
    balance_cents: int


class BalancesOut(Output):
    """All balances; those of a currency add up to 0."""

    balances: list[BalanceOut]


class WebhookEventOut(Output):
    """An event of Stripe's as it was stored; `outcome` is null until the worker has looked."""

    id: UUID
    provider: str
    event_id: str
    event_type: str
    account: str | None
    outcome: str | None
    received_at: InstantOut
    processed_at: InstantOut | None


def shown(payment: Payment, actor: Actor) -> PaymentOut:
    """Return a payment as the actor may see it."""
    is_open = payment.status in OPEN
    answer = PaymentOut(
        id=payment.id,
        booking_id=payment.booking_id,
        student_id=payment.student_id,
        status=PaymentStatus(payment.status),
        method=PaymentMethod(payment.method),
        currency=payment.currency,
        amount_cents=payment.amount_cents,
        refunded_cents=payment.refunded_cents,
        attempt=payment.attempt,
        checkout_url=payment.checkout_url if is_open else None,
        open_until=payment.checkout_expires_at if is_open else None,
        paid_at=payment.paid_at,
        reference=payment.reference,
        failure_code=payment.failure_code,
        failure_message=payment.failure_message,
        dispute_status=payment.dispute_status,
        created_at=payment.created_at,
    )
    if service.sees_split(actor):
        answer.platform_fee_cents = payment.platform_fee_cents
        answer.instructor_share_cents = payment.instructor_share_cents
        answer.stripe_fee_cents = payment.stripe_fee_cents
    return answer


@paying_router.post("", tags=["payments"])
async def start_payment(ctx: OutsideCtx, booking_id: UUID, body: StartIn | None = None) -> StartedOut:
    """Start paying a booking through Stripe, or go on with what was started.

    Asking again gives the same page again; asking for the other mode closes it first.
    """
    mode = body.mode if body is not None else PaymentMode.CHECKOUT
    pages = payment_pages.pages_of(ctx.services.settings.public_base)

    async def step(session: AsyncSession) -> starting.Next:
        return await starting.start(
            session,
            ctx.actor,
            booking_id,
            mode,
            pages,
            is_configured=ctx.services.stripe is not None,
            now=ctx.now,
        )

    payment = await go_through(ctx, step)
    answer = StartedOut(payment=shown(payment, ctx.actor), checkout_url=payment.checkout_url)
    if mode is PaymentMode.INTENT and payment.stripe_payment_intent_id is not None:
        ctx.keep_secret()
        answer.client_secret = await client_secret(ctx, payment.stripe_payment_intent_id)
    return answer


@paying_router.post("/record", tags=["payments"], status_code=CREATED)
async def record_payment(ctx: OutsideCtx, booking_id: UUID, body: RecordIn) -> PaymentOut:
    """Record a payment that the school got itself; an open page at Stripe is closed first."""

    async def step(session: AsyncSession) -> starting.Next:
        return await starting.record(
            session, ctx.actor, booking_id, PaymentMethod(body.method), body.reference, now=ctx.now
        )

    return shown(await go_through(ctx, step), ctx.actor)


@router.get("", tags=["payments"], response_model=PageOut[PaymentOut])
async def list_payments(
    ctx: Ctx,
    paging: Paging,
    booking_id: UUID | None = None,
    student_id: UUID | None = None,
    status: PaymentStatus | None = None,
    method: PaymentMethod | None = None,
    from_at: Annotated[InstantIn | None, Query(alias="from")] = None,
    to_at: Annotated[InstantIn | None, Query(alias="to")] = None,
) -> dict[str, Any]:
    """Return payments, newest first."""
    wanted = PaymentQuery(booking_id, student_id, status, method, from_at, to_at)
    page = await service.list_payments(ctx.session, ctx.actor, wanted, paging)
    return {"items": [shown(row, ctx.actor) for row in page.items], "next_cursor": page.next_cursor}


@router.get("/{payment_id}", tags=["payments"])
async def get_payment(ctx: Ctx, payment_id: UUID) -> PaymentOut:
    """Return a payment."""
    return shown(await refunds.load_payment(ctx.session, ctx.actor, payment_id), ctx.actor)


@router.get("/{payment_id}/refunds", tags=["payments"], response_model=PageOut[RefundOut])
async def list_refunds(ctx: Ctx, payment_id: UUID, paging: Paging) -> dict[str, Any]:
    """Return a payment's refunds, oldest first."""
    page = await refunds.list_refunds(ctx.session, ctx.actor, payment_id, paging)
    return page_out(page, RefundOut)


@router.post("/{payment_id}/refunds", tags=["payments"], status_code=CREATED)
async def refund_payment(ctx: Ctx, payment_id: UUID, body: RefundIn) -> RefundOut:
    """Give back a part of a payment, or all of it; what was paid in cash counts as handed over."""
    refund = await refunds.refund_by_staff(
        ctx.session,
        ctx.actor,
        payment_id,
        amount_cents=body.amount_cents,
        reason=body.reason,
        now=ctx.now,
    )
    return RefundOut.model_validate(refund)


@refunds_router.post("/{refund_id}/retry", tags=["payments"])
async def retry_refund(ctx: Ctx, refund_id: UUID) -> RefundOut:
    """Send a refund again that failed at the bank, or note that one of cash was handed over."""
    return RefundOut.model_validate(await refunds.try_again(ctx.session, ctx.actor, refund_id, now=ctx.now))


@ledger_router.get("", tags=["ledger"], response_model=PageOut[EntryOut])
async def list_entries(
    ctx: Ctx,
    paging: Paging,
    account: Account | None = None,
    booking_id: UUID | None = None,
    entity_id: UUID | None = None,
    from_at: Annotated[InstantIn | None, Query(alias="from")] = None,
    to_at: Annotated[InstantIn | None, Query(alias="to")] = None,
) -> dict[str, Any]:
    """Return the ledger's entries, newest first."""
    wanted = EntryQuery(account, booking_id, entity_id, from_at, to_at)
    return page_out(await ledger.list_entries(ctx.session, ctx.actor, wanted, paging), EntryOut)


@ledger_router.get("/balances", tags=["ledger"])
async def list_balances(ctx: Ctx) -> BalancesOut:
    """Return the balance of each account that was ever used."""
    found = await ledger.list_balances(ctx.session, ctx.actor)
    return BalancesOut(balances=[BalanceOut.model_validate(balance) for balance in found])


@webhooks_router.get("", tags=["operations"], response_model=PageOut[WebhookEventOut])
async def list_webhook_events(ctx: Ctx, paging: Paging) -> dict[str, Any]:
    """Return the school's webhooks, newest first."""
    return page_out(await webhook_intake.list_events(ctx.session, ctx.actor, paging), WebhookEventOut)


@webhooks_router.post("/{event_id}/replay", tags=["operations"])
async def replay_webhook_event(ctx: Ctx, event_id: UUID) -> WebhookEventOut:
    """Have the worker look again at what an event is about."""
    stored = await webhook_intake.replay_for(ctx.session, ctx.actor, event_id, now=ctx.now)
    return WebhookEventOut.model_validate(stored)
