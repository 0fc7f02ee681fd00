"""Decide what an invoice or credit note must say about tax, and how much tax is in an amount.

Prices include the tax. The tax in an amount is `amount * rate / (100 % + rate)`, half a cent rounded up;
at Australia's 10 % that is one eleventh.

* A school that is registered for the tax and has its business number on file issues *tax invoices*, and
  for money that goes back *adjustment notes*. They say so in their title and show the tax and that the
  total includes it.
* A school that is not registered must not speak of the tax at all: its papers are an *invoice* and a *credit
  note*, without a line of tax.
* A school that says it is registered but has no business number on file cannot make a valid tax invoice. Its
  paper is an invoice that shows the tax, and `reason` says what is missing.
* A paper names the buyer always, which the law asks from 1,000 dollars on.
* A credit note goes by the tax status of its invoice, whatever the school has become since. Its tax is
  the difference between the tax in all that was credited with it and before it: so the notes of a payment
  that was refunded in full, in however many parts, take back exactly the tax of its invoice.

Sources: A New Tax System (Goods and Services Tax) Act 1999, section 29-70 (tax invoices: the document is
intended as one; the supplier's identity and ABN; what is supplied, quantity and price; the extent to
which it is taxable; the date of issue; the GST payable, or that the total includes it where it is one
eleventh; from $1,000 the recipient's identity or ABN), section 29-75 with the Adjustment Note Information
Requirements Determination 2022 (LI 2022/31: intended as an adjustment note and its effect, the supplier's
identity and ABN, from $1,000 the recipient's, the date of issue, the reason, the change of price and of
tax), section 9-90 (half a cent of GST goes up). The ATO says the same in plain words on its pages "Tax
invoices" and in GSTR 2013/1 and GSTR 2013/2.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driveflow.core.money import BPS_PER_WHOLE

BUYER_NAMED_FROM_CENTS: Final = 100_000
"""From this total on the buyer's identity is compulsory; we print it on every paper."""


class InvoiceKind(StrEnum):
    """What a paper is: the bill of a payment, or the record of money that went back."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class TaxStatus:
    """A school's standing with the tax: `rate_bps` basis points on top of the net price, 1000 are 10 %."""

    registered: bool
    name: str
    rate_bps: int
    business_number: str | None


@dataclass(frozen=True, slots=True)
class Taxation:
    """What a paper says of tax; `statement` is None where it must not mention any.

    `tax_cents` is 0 without registration. `buyer_required` tells whether the law insists on the buyer's
    identity.
    """

    title: str
    total_cents: int
    tax_cents: int
    statement: str | None
    buyer_required: bool
    reason: str

    @property
    def net_cents(self) -> int:
        """The amount without its tax."""
        return self.total_cents - self.tax_cents


def included_tax(total_cents: int, rate_bps: int) -> int:
    """Return the tax contained in an amount that includes it, half a cent rounded up.

    Raises ValueError for a negative amount or rate.
    """
    if total_cents < 0 or rate_bps < 0:
        raise ValueError(f"an amount and its rate must not be negative: {total_cents}, {rate_bps}")
    whole = BPS_PER_WHOLE + rate_bps
    return (2 * total_cents * rate_bps + whole) // (2 * whole)


def tax_invoice(total_cents: int, status: TaxStatus) -> Taxation:
    """Return what the invoice of a payment says of tax."""
    tax_cents = included_tax(total_cents, status.rate_bps) if status.registered else 0
    return _taxation(total_cents, tax_cents, total_cents, status, _INVOICE)


def adjustment(
    amount_cents: int, *, credited_before_cents: int, invoice_total_cents: int, status: TaxStatus
) -> Taxation:
    """Return what the credit note of a refund says of tax; `status` is that of the invoice.

    Raises ValueError when more would be credited than was invoiced.
    """
    credited_cents = credited_before_cents + amount_cents
    if amount_cents <= 0 or credited_before_cents < 0 or credited_cents > invoice_total_cents:
        raise ValueError(
            f"cannot credit {amount_cents} after {credited_before_cents} of {invoice_total_cents}"
        )
    tax_cents = 0
    if status.registered:
        tax_cents = included_tax(credited_cents, status.rate_bps) - included_tax(
            credited_before_cents, status.rate_bps
        )
    return _taxation(amount_cents, tax_cents, invoice_total_cents, status, _CREDIT_NOTE)


@dataclass(frozen=True, slots=True)
class _Wording:
    with_tax: str
    without_tax: str
    statement: str


_INVOICE: Final = _Wording("Tax invoice", "Invoice", "Total price includes")
_CREDIT_NOTE: Final = _Wording("Adjustment note", "Credit note", "The credit includes")


def _taxation(
    total_cents: int, tax_cents: int, invoiced_cents: int, status: TaxStatus, wording: _Wording
) -> Taxation:
    statement = None
    title = wording.without_tax
    if not status.registered:
        reason = f"The school is not registered for {status.name}: no tax is charged or shown."
    elif status.business_number is None:
        reason = (
            f"The school is registered for {status.name} but has no business number on file, "
            f"without which this is no {wording.with_tax.lower()}."
        )
    else:
        title = wording.with_tax
        reason = f"The school is registered for {status.name}."
    if status.registered:
        statement = f"{wording.statement} {status.name}."
    return Taxation(
        title=title,
        total_cents=total_cents,
        tax_cents=tax_cents,
        statement=statement,
        buyer_required=status.registered and invoiced_cents >= BUYER_NAMED_FROM_CENTS,
        reason=reason,
    )
