"""Payment methods: Stripe's test cards, and the bank debits that take time to succeed.

Card numbers are not accepted by the API, only its test names and tokens; numbers are typed into the pay page.
"""

from typing import Any, Final

from driveflow.sandbox.stripe import cards
from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.cards import Card
from driveflow.sandbox.stripe.errors import invalid, malformed
from driveflow.sandbox.stripe.fields import Choice, Field, Metadata, Shape, Text
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "payment_method"
NOUN: Final = "PaymentMethod"
_ADDRESS_PARTS: Final = ("city", "country", "line1", "line2", "postal_code", "state")
ADDRESS: Final = Shape({name: Text() for name in _ADDRESS_PARTS})
BILLING_DETAILS: Final = Shape({"address": ADDRESS, "email": Text(), "name": Text(), "phone": Text()})
# The account numbers whose debits fail (https://docs.stripe.com/testing#au-becs-direct-debit, SEPA below it).
_FAILING_DEBITS: Final = ("111111113", "AT861904300235473202")
_EXPIRY_YEARS: Final = 6
_SECONDS_PER_YEAR: Final = 31_556_952


def empty_billing() -> dict[str, Any]:
    """Return billing details nobody gave."""
    return {
        "address": dict.fromkeys(ADDRESS.fields),
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    }


def _billing(given: dict[str, Any]) -> dict[str, Any]:
    empty = empty_billing()
    return {**empty, **given, "address": {**empty["address"], **(given.get("address") or {})}}


def make_card(
    call: Call,
    card: Card,
    *,
    expiry: tuple[int, int] | None = None,
    billing: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
) -> Record:
    """Make a payment method of a test card; `expiry` is (month, year)."""
    this_year = 1970 + call.now // _SECONDS_PER_YEAR
    month, year = expiry or (12, this_year + _EXPIRY_YEARS)
    body = {
        "allow_redisplay": "unspecified",
        "billing_details": billing or empty_billing(),
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "unchecked",
            },
            "country": card.country,
            "display_brand": card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": f"sandbox{card.last4}{card.brand}",
            "funding": card.funding,
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": metadata or {},
        "type": "card",
    }
    return call.new(_KIND, "pm_", body, card=cards.to_hidden(card))


def resolve(call: Call, name: str, param: str) -> Record:
    """Return the payment method of an id or of one of Stripe's test names.

    Raises StripeError (400) if there is none.
    """
    card = cards.TEST_PAYMENT_METHODS.get(name)
    return make_card(call, card) if card else call.find(_KIND, name, noun=NOUN, param=param)


def card_of(method: Record) -> Card | None:
    """Return the card of a payment method, None for a debit."""
    kept = method.hidden.get("card")
    return cards.from_hidden(kept) if kept else None


def create(call: Call) -> Record:
    """Make a payment method of a token or of a bank account."""
    params = call.params
    kind = params["type"]
    billing = _billing(params.get("billing_details", {}))
    if kind not in params:
        raise malformed(f"Missing required param: {kind}.", param=kind, code="parameter_missing")
    if kind == "card":
        card = cards.TEST_TOKENS.get(params["card"]["token"])
        if card is None:
            raise invalid(
                f"No such token: '{params['card']['token']}'", code="resource_missing", param="card[token]"
            )
        return make_card(call, card, billing=billing, metadata=params.get("metadata"))
    number = params[kind]["iban" if kind == "sepa_debit" else "account_number"]
    shown: dict[str, Any] = {"fingerprint": f"sandbox{number[-4:]}", "last4": number[-4:]}
    if kind == "sepa_debit":
        shown |= {
            "bank_code": number[4:9],
            "branch_code": "",
            "country": number[:2],
            "generated_from": {"charge": None, "setup_attempt": None},
        }
    else:
        shown["bsb_number"] = params[kind]["bsb_number"]
    body = {
        "allow_redisplay": "unspecified",
        "billing_details": billing,
        kind: shown,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "type": kind,
    }
    return call.new(_KIND, "pm_", body, fails=number in _FAILING_DEBITS)


def retrieve(call: Call, method_id: str) -> Record:
    """Return a payment method."""
    return call.find(_KIND, method_id, noun=NOUN)


_CREATE: Final[dict[str, Field]] = {
    "type": Choice(("au_becs_debit", "card", "sepa_debit"), required=True),
    "card": Shape({"token": Text(required=True)}),
    "au_becs_debit": Shape({"account_number": Text(required=True), "bsb_number": Text(required=True)}),
    "sepa_debit": Shape({"iban": Text(required=True)}),
    "billing_details": BILLING_DETAILS,
    "metadata": Metadata(),
}
OPERATIONS: Final = (
    Operation("POST", "/v1/payment_methods", create, _CREATE),
    Operation("GET", "/v1/payment_methods/{payment_method}", retrieve),
)
