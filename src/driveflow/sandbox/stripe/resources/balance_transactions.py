"""The book of every balance: each movement of money, its fee, and when it can be used."""

from typing import Any, Final

from driveflow.core.money import share_of
from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.fields import PAGE, Field, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.settings import StripeSandboxSettings
from driveflow.sandbox.stripe.store import PLATFORM, Record

_KIND: Final = "balance_transaction"
_NOUN: Final = "balance transaction"
# Stripe's reporting categories of the types that are not named like them.
_CATEGORIES: Final = {
    "payment": "charge",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "transfer_refund": "transfer_reversal",
}


def card_fee(settings: StripeSandboxSettings, amount: int) -> int:
    """Return Stripe's fee for a card payment."""
    return share_of(amount, settings.fee_bps) + settings.fee_fixed_cents


def book(
    call: Call,
    kind: str,
    source: str | None,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_text: str = "Stripe processing fees",
    available_on: int | None = None,
    account: str = PLATFORM,
    description: str | None = None,
    category: str | None = None,
) -> Record:
    """Write down a movement; a negative amount leaves the account, without a source to its bank."""
    details = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": fee_text,
            "type": "stripe_fee",
        }
    ]
    body: dict[str, Any] = {
        "amount": amount,
        "available_on": call.now if available_on is None else available_on,
        "balance_type": "payments",
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": category or _CATEGORIES.get(kind, kind),
        "source": source,
        "type": kind,
    }
    return call.new(_KIND, "txn_", body, account=account)


def sums(call: Call, account: str) -> dict[str, tuple[int, int]]:
    """Return what is available and what is pending in each currency."""
    rows = call.store.connection.execute(
        "SELECT json_extract(body, '$.currency'), sum(json_extract(body, '$.net')),"
        " sum(json_extract(body, '$.net') * (json_extract(body, '$.available_on') <= ?))"
        " FROM objects WHERE kind = ? AND account = ? GROUP BY 1",
        (call.now, _KIND, account),
    )
    return {currency: (available, whole - available) for currency, whole, available in rows}


def retrieve(call: Call, transaction_id: str) -> Record:
    """Return a movement."""
    return call.find(_KIND, transaction_id, noun=_NOUN)


def list_all(call: Call) -> Listing:
    """Return a page of movements."""
    filters = {name: call.params.get(name) for name in ("type", "source", "currency")}
    return page(call, _KIND, "/v1/balance_transactions", noun=_NOUN, equal=filters)


def balance(call: Call) -> dict[str, Any]:
    """Return the balance of the account that asks."""
    held = sums(call, call.account) or {call.settings.currency: (0, 0)}

    def amounts(at: int) -> list[dict[str, Any]]:
        return [
            {"amount": pair[at], "currency": currency, "source_types": {"card": pair[at]}}
            for currency, pair in sorted(held.items())
        ]

    document: dict[str, Any] = {
        "object": "balance",
        "available": amounts(0),
        "livemode": False,
        "pending": amounts(1),
    }
    if call.account == PLATFORM:
        document["connect_reserved"] = [{"amount": 0, "currency": currency} for currency in sorted(held)]
    return document


_LIST: Final[dict[str, Field]] = {
    **PAGE,
    "created": Range(),
    "type": Text(),
    "source": Text(),
    "currency": Text(),
}
OPERATIONS: Final = (
    Operation("GET", "/v1/balance", balance),
    Operation("GET", "/v1/balance_transactions", list_all, _LIST),
    Operation("GET", "/v1/balance_transactions/{id}", retrieve),
)
