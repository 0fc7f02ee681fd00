"""What passes between DriveFlow and its Stripe client: operations, answers, errors; no library needed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class StripeOperation(StrEnum):
    """Calls that change something at Stripe; each is made once per row of `stripe_requests`."""

    CREATE_CHECKOUT_SESSION = "create_checkout_session"
    EXPIRE_CHECKOUT_SESSION = "expire_checkout_session"
    CREATE_PAYMENT_INTENT = "create_payment_intent"
    CANCEL_PAYMENT_INTENT = "cancel_payment_intent"
    CREATE_REFUND = "create_refund"
    CREATE_ACCOUNT = "create_account"
    CREATE_TRANSFER = "create_transfer"
    REVERSE_TRANSFER = "reverse_transfer"


CLOSING = frozenset({StripeOperation.EXPIRE_CHECKOUT_SESSION, StripeOperation.CANCEL_PAYMENT_INTENT})
"""Operations that make nothing new: repeating one is harmless under any key, and a refusal means that the
object has ended otherwise."""


class StripeKind(StrEnum):
    """Kinds of objects that are fetched, by the name that Stripe gives them in `object`."""

    PAYMENT_INTENT = "payment_intent"
    CHECKOUT_SESSION = "checkout.session"
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    ACCOUNT = "account"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class StripeRefusal:
    """Stripe's final no: a stable code if there is one, and its message."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class StripeAnswer:
    """What Stripe answered for certain: an object, a refusal, or for a refused closing both."""

    object: dict[str, Any] | None
    refusal: StripeRefusal | None = None

    @property
    def accepted(self) -> dict[str, Any]:
        """The object; raises ValueError for an answer without one."""
        if self.object is None:
            raise ValueError(f"Stripe refused: {self.refusal}")
        return self.object


class StripeFaultError(Exception):
    """Stripe did nothing because of a passing fault: too busy, locked, or a key that it does not accept."""


class UnknownOutcomeError(Exception):
    """Nobody knows whether the call was done: no answer, or an error of Stripe's own.

    `replayed` says that Stripe gave an error out of its store of idempotency keys: it will give no other one.
    """

    def __init__(self, message: str, *, replayed: bool = False) -> None:
        super().__init__(message)
        self.replayed = replayed


class MissingObjectError(Exception):
    """Stripe has no such object."""


class BadSignatureError(Exception):
    """A webhook's body was not signed by Stripe, or not just now; the message says what is wrong."""
