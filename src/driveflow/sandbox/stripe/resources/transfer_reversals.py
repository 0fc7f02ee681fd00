"""Transfer reversals: what was transferred comes back, wholly or in parts."""

from typing import Final

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import invalid, missing
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Field, Integer, Metadata, Text
from driveflow.sandbox.stripe.lists import Listing, embedded, page
from driveflow.sandbox.stripe.resources import balance_transactions, transfers
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "transfer_reversal"


def create(call: Call, transfer_id: str) -> Record:
    """Take back part or all of a transfer."""
    transfer = call.find(transfers.KIND, transfer_id)
    body = transfer.body
    left = body["amount"] - body["amount_reversed"]
    currency = body["currency"].upper()
    if left == 0:
        raise invalid(f"Transfer {transfer.id} is already fully reversed.", code="transfer_already_reversed")
    amount = call.params.get("amount", left)
    if amount > left:
        raise invalid(
            f"Reversal amount ({format_cents(amount, currency, 'en_AU')}) is greater than unreversed amount "
            f"on transfer ({format_cents(left, currency, 'en_AU')})",
            param="amount",
        )
    _check_covered(call, transfer, amount)
    reversal = _make(call, transfer, amount)
    body["amount_reversed"] += amount
    body["reversed"] = body["amount_reversed"] == body["amount"]
    made = call.store.having(_KIND, "transfer", transfer.id)
    body["reversals"] = embedded(
        f"/v1/transfers/{transfer.id}/reversals", [earlier.body for earlier in reversed(made)]
    )
    call.store.save(transfer)
    emit(call, "transfer.reversed", transfer)
    return reversal


def _check_covered(call: Call, transfer: Record, amount: int) -> None:
    """Refuse to take more than the account has, unless reserves cover it.

    What is still pending counts, as it became pending by transfers.
    """
    if call.settings.connected_reserves:
        return
    held = balance_transactions.sums(call, transfer.body["destination"])
    if amount > sum(held.get(transfer.body["currency"], (0, 0))):
        raise invalid(
            "The connected account's balance is insufficient to cover this reversal.",
            code="balance_insufficient",
        )


def _make(call: Call, transfer: Record, amount: int) -> Record:
    body = transfer.body
    reversal_id = call.store.new_id("trr_")
    refund_id = call.store.new_id("pyr_")
    payment = call.store.get("charge", body["destination_payment"])
    original = call.store.get("balance_transaction", body["balance_transaction"])
    available_on = max(call.now, original.body["available_on"])
    back = balance_transactions.book(
        call, "transfer_refund", reversal_id, amount, body["currency"], available_on=available_on
    )
    taken = balance_transactions.book(
        call,
        "payment_refund",
        refund_id,
        -amount,
        body["currency"],
        available_on=available_on,
        account=payment.account,
    )
    payment.body["amount_refunded"] += amount
    payment.body["refunded"] = payment.body["amount_refunded"] == payment.body["amount"]
    call.store.save(payment)
    call.new_with_id(
        "refund",
        refund_id,
        {
            "amount": amount,
            "balance_transaction": taken.id,
            "charge": payment.id,
            "currency": body["currency"],
            "metadata": {},
            "payment_intent": None,
            "reason": None,
            "receipt_number": None,
            "source_transfer_reversal": reversal_id,
            "status": "succeeded",
            "transfer_reversal": None,
        },
        account=payment.account,
    )
    return call.new_with_id(
        _KIND,
        reversal_id,
        {
            "amount": amount,
            "balance_transaction": back.id,
            "currency": body["currency"],
            "destination_payment_refund": refund_id,
            "metadata": merged({}, call.params.get("metadata")),
            "source_refund": None,
            "transfer": transfer.id,
        },
    )


def retrieve(call: Call, transfer_id: str, reversal_id: str) -> Record:
    """Return a reversal of a transfer."""
    reversal = call.find(_KIND, reversal_id, noun="transfer reversal")
    if reversal.body["transfer"] != transfer_id:
        raise missing("transfer reversal", reversal_id)
    return reversal


def list_all(call: Call, transfer_id: str) -> Listing:
    """Return a page of a transfer's reversals."""
    call.find(transfers.KIND, transfer_id)
    return page(call, _KIND, f"/v1/transfers/{transfer_id}/reversals", equal={"transfer": transfer_id})


_CREATE: Final[dict[str, Field]] = {
    "amount": Integer(least=1),
    "description": Text(),
    "metadata": Metadata(),
}
_PATH: Final = "/v1/transfers/{transfer}/reversals"
OPERATIONS: Final = (
    Operation("POST", _PATH, create, _CREATE),
    Operation("GET", _PATH, list_all, dict(PAGE)),
    Operation("GET", _PATH + "/{id}", retrieve),
)
