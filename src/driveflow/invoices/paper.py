"""What is printed on an invoice or credit note, as it is frozen in the database.

A paper holds everything that its PDF shows, so that a school that moves, a student who marries or a new
rate of tax changes no paper that was issued. `to_json` and `from_json` are each other's inverse.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from driveflow.invoices.taxation import InvoiceKind, TaxStatus


@dataclass(frozen=True, slots=True)
class Seller:
    """The school on the day of issue."""

    name: str
    address: str | None
    phone: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who paid, and the student whose lesson it is where that is somebody else."""

    name: str
    email: str | None
    student_name: str | None


@dataclass(frozen=True, slots=True)
class Supply:
    """The lesson that was sold; times are UTC, shown in the school's zone."""

    description: str
    start_at: datetime
    duration_min: int


@dataclass(frozen=True, slots=True)
class Received:
    """How and when the money came."""

    method: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Adjusts:
    """What a credit note takes back: of which invoice, from which price to which, and why."""

    number: str
    title: str
    issued_at: datetime
    price_before_cents: int
    price_after_cents: int
    reason: str


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice or credit note; amounts in minor units of `currency`, tax included."""

    kind: InvoiceKind
    number: str
    title: str
    reason: str
    issued_at: datetime
    time_zone: str
    locale: str
    currency: str
    total_cents: int
    tax_cents: int
    statement: str | None
    tax: TaxStatus
    seller: Seller
    buyer: Buyer
    supply: Supply
    received: Received | None = None
    adjusts: Adjusts | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the paper as the database keeps it."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Paper":
        """Return the paper that `to_json` made this of."""
        return msgspec.convert(kept, cls)
