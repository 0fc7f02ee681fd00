"""Decide which moves a payout's status allows; the only place that knows.

| move                   | cause |
|------------------------|-------|
| pending -> in_transit  | `transfer`: due, nothing in the way, the call to Stripe is written down |
| pending -> paid        | `by_hand`: staff paid it; `by_debts`: debts took all of it |
| pending -> frozen      | `disputed`: the customer's bank disputes the payment |
| pending -> canceled    | `emptied`: refunds or a lost dispute took all of it |
| frozen -> pending      | `released`: no dispute is open any more |
| frozen -> canceled     | `emptied` |
| in_transit -> paid     | `answered`: Stripe made the transfer |
| in_transit -> pending  | `refused`: not now; it is tried again when the account changes or after a day |
| in_transit -> failed   | `rejected`: for a reason that waiting does not mend |
| failed -> pending      | `retried`: somebody mended the reason, or the account changed |
| paid -> reversed       | `taken_back`: all that was transferred has been reversed |

`canceled` and `reversed` are final. A dispute does not hold up a transfer that is under way: what is lost is
reversed afterwards. The same move again is a no-op, any other one a conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driveflow.core.errors import ConflictError


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FROZEN = "frozen"
    FAILED = "failed"
    CANCELED = "canceled"
    REVERSED = "reversed"


class Cause(StrEnum):
    """Why a payout moves."""

    TRANSFER = "transfer"
    BY_HAND = "by_hand"
    BY_DEBTS = "by_debts"
    DISPUTED = "disputed"
    EMPTIED = "emptied"
    RELEASED = "released"
    ANSWERED = "answered"
    REFUSED = "refused"
    REJECTED = "rejected"
    RETRIED = "retried"
    TAKEN_BACK = "taken_back"


OPEN: Final = frozenset({PayoutStatus.PENDING, PayoutStatus.FROZEN, PayoutStatus.FAILED})
"""The statuses in which a payout still holds its amount: nothing has left."""

FINAL: Final = frozenset({PayoutStatus.CANCELED, PayoutStatus.REVERSED})
"""The statuses that no move leaves."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The payout's new status."""

    to: PayoutStatus


@dataclass(frozen=True, slots=True)
class Refused:
    """The payout may not move; `message` is a sentence for a person."""

    message: str


def decide(status: PayoutStatus, cause: Cause) -> Moved | Refused:
    """Return where a payout goes because of a cause; never raises."""
    to = _MOVES.get((status, cause))
    if to is None:
        return Refused(
            f"A payout that is {status.replace('_', ' ')} cannot be {_WORDS.get(cause, cause.value)}."
        )
    return Moved(to)


def enforce(decision: Moved | Refused) -> PayoutStatus:
    """Return the new status; raise ConflictError `invalid_transition` for a refusal."""
    if isinstance(decision, Refused):
        raise ConflictError(decision.message, code="invalid_transition")
    return decision.to


_WORDS: Final[Mapping[Cause, str]] = {
    Cause.TRANSFER: "transferred",
    Cause.BY_HAND: "marked as paid",
    Cause.BY_DEBTS: "used up by debts",
    Cause.TAKEN_BACK: "taken back",
}

_MOVES: Final[Mapping[tuple[PayoutStatus, Cause], PayoutStatus]] = {
    (PayoutStatus.PENDING, Cause.TRANSFER): PayoutStatus.IN_TRANSIT,
    (PayoutStatus.PENDING, Cause.BY_HAND): PayoutStatus.PAID,
    (PayoutStatus.PENDING, Cause.BY_DEBTS): PayoutStatus.PAID,
    (PayoutStatus.PENDING, Cause.DISPUTED): PayoutStatus.FROZEN,
    (PayoutStatus.PENDING, Cause.EMPTIED): PayoutStatus.CANCELED,
    (PayoutStatus.FROZEN, Cause.RELEASED): PayoutStatus.PENDING,
    (PayoutStatus.FROZEN, Cause.EMPTIED): PayoutStatus.CANCELED,
    (PayoutStatus.IN_TRANSIT, Cause.ANSWERED): PayoutStatus.PAID,
    (PayoutStatus.IN_TRANSIT, Cause.REFUSED): PayoutStatus.PENDING,
    (PayoutStatus.IN_TRANSIT, Cause.REJECTED): PayoutStatus.FAILED,
    (PayoutStatus.FAILED, Cause.RETRIED): PayoutStatus.PENDING,
    (PayoutStatus.FAILED, Cause.EMPTIED): PayoutStatus.CANCELED,
    (PayoutStatus.PAID, Cause.TAKEN_BACK): PayoutStatus.REVERSED,
}
