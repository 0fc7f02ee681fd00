"""Routes of invoices and credit notes, as JSON and as PDF."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from driveflow.entrypoints.api.accept import preferred
from driveflow.entrypoints.api.schemas import InstantOut, Output, PageOut, Paging, page_out, school_router
from driveflow.entrypoints.deps import Ctx
from driveflow.entrypoints.hot import JSON
from driveflow.invoices import service
from driveflow.invoices.document import render
from driveflow.invoices.models import Invoice
from driveflow.invoices.paper import Paper
from driveflow.invoices.taxation import InvoiceKind

router = school_router()

PDF = "application/pdf"
_PDF_CONTENT: dict[str, Any] = {PDF: {"schema": {"type": "string", "format": "binary"}}}
_ALSO_PDF: dict[int | str, dict[str, Any]] = {200: {"content": _PDF_CONTENT}}
_ONLY_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": _PDF_CONTENT, "description": "The paper as PDF"}
}


class InvoiceSummaryOut(Output):
    """An issued paper; `name` is its number as printed; amounts include tax, a credit note's are positive."""

    id: UUID
    kind: InvoiceKind
    name: str
    booking_id: UUID
    student_id: UUID
    payment_id: UUID
    refund_id: UUID | None
    currency: str
    total_cents: int
    tax_cents: int
    issued_at: InstantOut


class InvoiceOut(InvoiceSummaryOut):
    """A paper with all that is printed on it, as it was on the day of issue."""

    paper: Paper


@router.get("/invoices", tags=["invoices"])
async def list_invoices(
    ctx: Ctx,
    paging: Paging,
    *,
    kind: InvoiceKind | None = None,
    payment_id: UUID | None = None,
    booking_id: UUID | None = None,
    student_id: UUID | None = None,
) -> PageOut[InvoiceSummaryOut]:
    """Return invoices and credit notes, the latest first; students and guardians get their own."""
    page = await service.list_invoices(
        ctx.session,
        ctx.actor,
        paging,
        kind=kind,
        payment_id=payment_id,
        booking_id=booking_id,
        student_id=student_id,
    )
    return PageOut[InvoiceSummaryOut].model_validate(page_out(page, InvoiceSummaryOut))


# Before the route without the suffix, whose id would match it too.
@router.get("/invoices/{invoice_id}.pdf", tags=["invoices"], response_class=Response, responses=_ONLY_PDF)
async def get_invoice_pdf(ctx: Ctx, invoice_id: UUID) -> Response:
    """Return a paper as PDF."""
    return await _pdf(await service.get_invoice(ctx.session, ctx.actor, invoice_id))


@router.get("/invoices/{invoice_id}", tags=["invoices"], response_model=InvoiceOut, responses=_ALSO_PDF)
async def get_invoice(ctx: Ctx, invoice_id: UUID, request: Request) -> Response:
    """Return a paper as JSON, or as PDF where `Accept` likes that better."""
    row = await service.get_invoice(ctx.session, ctx.actor, invoice_id)
    return await _as_accepted(row, preferred(request.headers.get("accept", ""), (JSON, PDF)))


@router.get(
    "/payments/{payment_id}/invoice", tags=["invoices"], response_model=InvoiceOut, responses=_ALSO_PDF
)
async def get_invoice_of_payment(ctx: Ctx, payment_id: UUID, request: Request) -> Response:
    """Return the invoice of a payment as PDF, or as JSON where `Accept` likes that better.

    404 until the money is there and the worker has issued it. Its credit notes: `/invoices?payment_id=`.
    """
    row = await service.get_invoice_of_payment(ctx.session, ctx.actor, payment_id)
    return await _as_accepted(row, preferred(request.headers.get("accept", ""), (PDF, JSON)))


async def _as_accepted(row: Invoice, kind: str) -> Response:
    if kind == PDF:
        response = await _pdf(row)
    else:
        response = JSONResponse(InvoiceOut.model_validate(row).model_dump(mode="json"))
    response.headers["Vary"] = "Accept"
    return response


async def _pdf(row: Invoice) -> Response:
    # A third of a second of computing, which other requests need not wait for.
    file = await asyncio.to_thread(render, Paper.from_json(row.paper))
    return Response(
        file, media_type=PDF, headers={"Content-Disposition": f'inline; filename="{row.name}.pdf"'}
    )
