"""Stripe's test cards: their numbers, their `pm_card_...` names and what each of them does.

https://docs.stripe.com/testing lists them. A number that is not among them is declined, as Stripe's test mode
declines real cards.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Decline:
    """How an issuer says no."""

    code: str
    decline_code: str
    message: str
    network_code: str = "05"


@dataclass(frozen=True, slots=True)
class Card:
    """A test card; `refund` is succeeded, pending (succeeds later) or fails (after it seemed to succeed)."""

    number: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    decline: Decline | None = None
    authenticates: bool = False
    dispute: str | None = None
    refund: str = "succeeded"
    settles_at_once: bool = False

    @property
    def last4(self) -> str:
        """The digits that may be shown."""
        return self.number[-4:]

    @property
    def cvc_length(self) -> int:
        """How many digits the security code has."""
        return 4 if self.brand == "amex" else 3


def _declined(reason: str) -> Decline:
    return Decline("card_declined", reason, "Your card was declined.")


_GENERIC: Final = _declined("generic_decline")
_FUNDS: Final = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.", "51")
_CARDS: Final = (
    Card("4242424242424242"),
    Card("4000056655665556", funding="debit"),
    Card("5555555555554444", brand="mastercard"),
    Card("2223003122003222", brand="mastercard"),
    Card("378282246310005", brand="amex"),
    Card("4000000360000006", country="AU"),
    Card("4000005540000008", country="NZ"),
    Card("4000008260000000", country="GB"),
    Card("4000000000000077", settles_at_once=True),
    Card("4000000000000002", decline=_GENERIC),
    Card("4000000000009995", decline=_FUNDS),
    Card("4000000000009987", decline=_declined("lost_card")),
    Card("4000000000009979", decline=_declined("stolen_card")),
    Card("4000000000000069", decline=Decline("expired_card", "expired_card", "Your card has expired.", "54")),
    Card(
        "4000000000000127",
        decline=Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "N7"),
    ),
    Card(
        "4000000000000119",
        decline=Decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
            "06",
        ),
    ),
    Card("4000000000006975", decline=_declined("card_velocity_exceeded")),
    Card("4000002500003155", country="FR", authenticates=True),
    Card("4000002760003184", country="DE", authenticates=True),
    Card("4000000000003220", authenticates=True),
    Card("4000008260003178", country="GB", authenticates=True, decline=_FUNDS),
    Card("4000000000000259", dispute="fraudulent"),
    Card("4000000000002685", dispute="product_not_received"),
    Card("4000000000001976", dispute="inquiry"),
    Card("4000000000007726", refund="pending"),
    Card("4000000000005126", refund="fails"),
)
# ISO/IEC 7812 has up to 19 digits; networks use 12 at least.
_NUMBER_LENGTHS: Final = range(12, 20)
_TWO_DIGITS: Final = 10
CARDS: Final = {card.number: card for card in _CARDS}
UNKNOWN: Final = Decline(
    "card_declined", "test_mode_live_card", "Your card was declined. Only test cards pay in the sandbox."
)
_NAMES: Final = {
    "visa": "4242424242424242",
    "visa_debit": "4000056655665556",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "au": "4000000360000006",
    "nz": "4000005540000008",
    "gb": "4000008260000000",
    "us": "4242424242424242",
    "bypassPending": "4000000000000077",
    "chargeDeclined": "4000000000000002",
    "visa_chargeDeclined": "4000000000000002",
    "chargeDeclinedInsufficientFunds": "4000000000009995",
    "visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "visa_chargeDeclinedLostCard": "4000000000009987",
    "visa_chargeDeclinedStolenCard": "4000000000009979",
    "chargeDeclinedExpiredCard": "4000000000000069",
    "chargeDeclinedIncorrectCvc": "4000000000000127",
    "chargeDeclinedProcessingError": "4000000000000119",
    "visa_chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "authenticationRequiredOnSetup": "4000002500003155",
    "authenticationRequired": "4000002760003184",
    "threeDSecure2Required": "4000000000003220",
    "authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "createDispute": "4000000000000259",
    "createDisputeProductNotReceived": "4000000000002685",
    "createDisputeInquiry": "4000000000001976",
    "pendingRefund": "4000000000007726",
    "refundFail": "4000000000005126",
}
TEST_PAYMENT_METHODS: Final = {f"pm_card_{name}": CARDS[number] for name, number in _NAMES.items()}
TEST_TOKENS: Final = {f"tok_{name}": CARDS[number] for name, number in _NAMES.items()}


def behaviour(number: str) -> Card:
    """Return the test card of a number; one that declines if it is none."""
    return CARDS.get(number) or Card(number, decline=UNKNOWN)


def is_number(digits: str) -> bool:
    """Return whether digits can be a card's number (their check digit fits)."""
    if not digits.isascii() or not digits.isdecimal() or len(digits) not in _NUMBER_LENGTHS:
        return False
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if at % 2 else 1)
        total += value - 9 if value >= _TWO_DIGITS else value
    return total % 10 == 0


def to_hidden(card: Card) -> dict[str, Any]:
    """Return what the store keeps of a card."""
    return asdict(card)


def from_hidden(kept: dict[str, Any]) -> Card:
    """Return the card that the store keeps."""
    decline = kept["decline"]
    return Card(**{**kept, "decline": Decline(**decline) if decline else None})
