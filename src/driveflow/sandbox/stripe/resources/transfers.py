"""Transfers: money of the platform's balance becomes a connected account's."""

from typing import Any, Final

from driveflow.core.money import format_cents
from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Field, Integer, Metadata, Range, Text
from driveflow.sandbox.stripe.lists import Listing, embedded, page
from driveflow.sandbox.stripe.resources import balance_transactions
from driveflow.sandbox.stripe.resources.payment_methods import empty_billing
from driveflow.sandbox.stripe.store import Record

KIND: Final = "transfer"


def create(call: Call) -> Record:
    """Move money to a connected account, against a charge or out of what is available."""
    params = call.params
    currency = params["currency"].lower()
    destination = call.store.find("account", params["destination"])
    if destination is None:
        raise invalid(
            f"No such destination: '{params['destination']}'", code="resource_missing", param="destination"
        )
    if destination.body["capabilities"].get("transfers") != "active":
        raise invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: "
            "transfers, crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    source = _source(call, currency)
    amount = params.get("amount", source.body["amount"] if source else None)
    if amount is None:
        raise invalid("Missing required param: amount.", code="parameter_missing", param="amount")
    available_on = call.now
    group = params.get("transfer_group")
    if source is None:
        _check_available(call, amount, currency)
    else:
        _check_source(call, source, amount)
        movement = call.store.get("balance_transaction", source.body["balance_transaction"])
        available_on = max(call.now, movement.body["available_on"])
        group = _group(call, source, group)
    return _make(call, destination, source, amount, currency, available_on, group)


def _source(call: Call, currency: str) -> Record | None:
    charge_id = call.params.get("source_transaction")
    if charge_id is None:
        return None
    charge = call.store.find("charge", charge_id)
    if charge is None or charge.account != call.account:
        raise invalid(f"No such charge: '{charge_id}'", code="resource_missing", param="source_transaction")
    if charge.body["status"] != "succeeded":
        raise invalid(
            f"Charge {charge_id} has not succeeded and cannot be transferred.", param="source_transaction"
        )
    if charge.body["currency"] != currency:
        raise invalid(
            "The currency of source_transaction's balance transaction "
            f"({charge.body['currency']}) must be the same as the transfer currency ({currency})",
            param="currency",
        )
    return charge


def _check_source(call: Call, source: Record, amount: int) -> None:
    earlier = call.store.having(KIND, "source_transaction", source.id)
    moved = sum(transfer.body["amount"] - transfer.body["amount_reversed"] for transfer in earlier)
    if moved + amount > source.body["amount"]:
        whole = format_cents(source.body["amount"], source.body["currency"].upper(), "en_AU")
        raise invalid(
            f"Transfers using this transaction as a source must not exceed the source amount of {whole}. "
            f"(Prior transfers already using this source: {len(earlier)}.)",
            param="amount",
        )


def _check_available(call: Call, amount: int, currency: str) -> None:
    available = balance_transactions.sums(call, call.account).get(currency, (0, 0))[0]
    if amount > available:
        raise invalid(
            "You have insufficient available funds in your Stripe account. Try adding funds directly to your "
            "available balance by creating Charges using the 4000000000000077 test card. See: "
            "https://stripe.com/docs/testing#available-balance",
            code="balance_insufficient",
        )


def _group(call: Call, source: Record, group: str | None) -> str:
    """Return the group that a transfer shares with its charge; a charge without one is given one."""
    if source.body["transfer_group"] is None:
        source.body["transfer_group"] = group or f"group_{source.body['payment_intent']}"
        call.store.save(source)
    return group or str(source.body["transfer_group"])


def _make(
    call: Call,
    destination: Record,
    source: Record | None,
    amount: int,
    currency: str,
    available_on: int,
    group: str | None,
) -> Record:
    transfer_id = call.store.new_id("tr_")
    payment_id = call.store.new_id("py_")
    out = balance_transactions.book(
        call, "transfer", transfer_id, -amount, currency, available_on=available_on, account=call.account
    )
    into = balance_transactions.book(
        call, "payment", payment_id, amount, currency, available_on=available_on, account=destination.id
    )
    description = call.params.get("description")
    _payment(call, payment_id, destination, amount, currency, transfer_id, into.id)
    transfer = call.new_with_id(
        KIND,
        transfer_id,
        {
            "amount": amount,
            "amount_reversed": 0,
            "balance_transaction": out.id,
            "currency": currency,
            "description": description,
            "destination": destination.id,
            "destination_payment": payment_id,
            "livemode": False,
            "metadata": merged({}, call.params.get("metadata")),
            "reversals": embedded(f"/v1/transfers/{transfer_id}/reversals", []),
            "reversed": False,
            "source_transaction": source.id if source else None,
            "source_type": "card",
            "transfer_group": group,
        },
    )
    emit(call, "transfer.created", transfer)
    return transfer


def _payment(
    call: Call,
    payment_id: str,
    destination: Record,
    amount: int,
    currency: str,
    transfer_id: str,
    movement_id: str,
) -> None:
    """Keep what the connected account sees of a transfer: a payment from Stripe."""
    body: dict[str, Any] = {
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": movement_id,
        "billing_details": empty_billing(),
        "calculated_statement_descriptor": None,
        "captured": True,
        "currency": currency,
        "customer": None,
        "description": call.params.get("description"),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": True,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": {"type": "stripe_account", "stripe_account": {}},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": transfer_id,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }
    call.new_with_id("charge", payment_id, body, account=destination.id)


def update(call: Call, transfer_id: str) -> Record:
    """Change what a transfer says about itself."""
    transfer = call.find(KIND, transfer_id)
    previous: dict[str, Any] = {}
    if "description" in call.params:
        previous["description"] = transfer.body["description"]
        transfer.body["description"] = call.params["description"]
    if "metadata" in call.params:
        previous["metadata"] = transfer.body["metadata"]
        transfer.body["metadata"] = merged(transfer.body["metadata"], call.params["metadata"])
    call.store.save(transfer)
    emit(call, "transfer.updated", transfer, previous=previous)
    return transfer


def retrieve(call: Call, transfer_id: str) -> Record:
    """Return a transfer."""
    return call.find(KIND, transfer_id)


def list_all(call: Call) -> Listing:
    """Return a page of transfers."""
    filters = {name: call.params.get(name) for name in ("destination", "transfer_group")}
    return page(call, KIND, "/v1/transfers", equal=filters)


_UPDATE: Final[dict[str, Field]] = {"description": Text(), "metadata": Metadata()}
_CREATE: Final[dict[str, Field]] = {
    **_UPDATE,
    "amount": Integer(least=1),
    "currency": Text(required=True),
    "destination": Text(required=True),
    "source_transaction": Text(),
    "transfer_group": Text(),
}
_LIST: Final[dict[str, Field]] = {
    **PAGE,
    "created": Range(),
    "destination": Text(),
    "transfer_group": Text(),
}
OPERATIONS: Final = (
    Operation("POST", "/v1/transfers", create, _CREATE),
    Operation("GET", "/v1/transfers", list_all, _LIST),
    Operation("GET", "/v1/transfers/{transfer}", retrieve),
    Operation("POST", "/v1/transfers/{transfer}", update, _UPDATE),
)
