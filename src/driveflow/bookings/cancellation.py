"""Decide what cancelling a booking costs, and whether it is too late to move it.

A school's policy is a list of *tiers*: from so many hours before the start on, cancelling costs so many
percent of the price. The tier of a cancellation is the first, in descending order of hours, whose notice was
kept; keeping it to the very second is enough. The last tier starts at 0 hours and also holds after the start,
so there is always one. The default: 24 hours or more before the start 0 %, less than that 50 %, less than 2
hours 100 %. A booking keeps the policy of the day it was made; a changed policy changes no booking.

* A request that nobody confirmed costs nothing, whoever cancels it.
* The school's side cancels (staff, the instructor, the system): never a fee, full refund.
* Student or guardian cancel a confirmed booking: the tier's percentage, half a cent rounded up. Owner and
  admin may waive it.
* A student who does not come costs the fee of the last tier: no notice at all, in full by default.
* A lesson cancelled after it began costs what an admin decides, from nothing to the price.

The fee is stored with the cancellation; refunding what was paid above it is a separate act of the payments.

Moving a booking inside its first deadline, that is in a tier which costs something, *counts as late*. Moving
is free, so a late move would be a way around the fee: student and guardian are refused it and shown what
cancelling would cost. Staff may always move a booking. A request can always be moved.

Instants are aware UTC, so notice is elapsed time, also across a change of clocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from driveflow.bookings.lifecycle import Who
from driveflow.core.errors import ConflictError, FieldError, InvalidInputError
from driveflow.core.money import percent_of

MAX_TIERS: Final = 10
MAX_HOURS_BEFORE: Final = 8_760
"""One year."""

_FIELD: Final = "cancellation_tiers"
_TIER_RANGES: Final = {"hours_before": MAX_HOURS_BEFORE, "fee_percent": 100}


class CancelledBy(StrEnum):
    """On whose side a cancellation is."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    INSTRUCTOR = "instructor"
    SCHOOL = "school"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Tier:
    """From `hours_before` the start on, cancelling costs `fee_percent` of the price."""

    hours_before: int
    fee_percent: int


@dataclass(frozen=True, slots=True)
class CancellationPolicy:
    """Tiers with hours strictly descending to 0 and percentages that never fall; see `parse_tiers`."""

    tiers: tuple[Tier, ...]

    def to_json(self) -> list[dict[str, int]]:
        """Return the tiers in the form that is stored and that `parse_tiers` reads."""
        return [{"hours_before": tier.hours_before, "fee_percent": tier.fee_percent} for tier in self.tiers]


DEFAULT_POLICY: Final = CancellationPolicy((Tier(24, 0), Tier(2, 50), Tier(0, 100)))


@dataclass(frozen=True, slots=True)
class CancellationQuote:
    """What a cancellation costs and why; `reason` is a sentence for a person.

    `waived_cents` is the fee that was waived. `percent` and `tier` are of the tier that applies, None where
    none does. `is_late` says that a confirmed booking is inside its first deadline, whoever cancels.
    """

    price_cents: int
    fee_cents: int
    waived_cents: int
    percent: int | None
    tier: Tier | None
    by: CancelledBy
    is_late: bool
    reason: str

    def refund_cents(self, paid_cents: int) -> int:
        """Return what goes back of an amount that was paid: all above the fee."""
        return max(0, paid_cents - self.fee_cents)


def cancelled_by(who: Who) -> CancelledBy:
    """Return on whose side somebody cancels a booking."""
    return CancelledBy.SCHOOL if who is Who.STAFF else CancelledBy(who.value)


def parse_tiers(raw: object) -> CancellationPolicy:
    """Return the policy of decoded JSON: a list of `{"hours_before": int, "fee_percent": int}`.

    Raises InvalidInputError that names every wrong field, as `cancellation_tiers.N.hours_before`: between 1
    and 10 tiers, hours (0..8760) strictly descending to 0, percentages (0..100) never falling.
    """
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_TIERS:
        raise InvalidInputError.of(_FIELD, f"Give a list of 1 to {MAX_TIERS} cancellation tiers.")
    errors = [error for index, item in enumerate(raw) for error in _tier_errors(index, item)]
    if not errors:
        policy = CancellationPolicy(tuple(Tier(item["hours_before"], item["fee_percent"]) for item in raw))
        errors = _order_errors(policy.tiers)
        if not errors:
            return policy
    raise InvalidInputError("The cancellation tiers are not valid.", *errors)


def quote(
    policy: CancellationPolicy,
    price_cents: int,
    start_at: datetime,
    now: datetime,
    *,
    by: CancelledBy,
    was_confirmed: bool,
    waived: bool = False,
) -> CancellationQuote:
    """Return what cancelling a requested or confirmed booking costs now.

    Raises ValueError for a negative price.
    """
    tier = tier_at(policy, start_at, now)
    is_late = was_confirmed and late_move(policy, start_at, now)
    if not was_confirmed:
        reason = "The booking was not confirmed yet: cancelling is free."
        return CancellationQuote(price_cents, 0, 0, None, None, by, is_late, reason)
    if by not in _PAYERS:
        reason = "The school cancels: no fee, and a full refund."
        return CancellationQuote(price_cents, 0, 0, None, None, by, is_late, reason)
    fee_cents = percent_of(price_cents, tier.fee_percent)
    reason = _sentence(policy, tier)
    if waived and fee_cents > 0:
        reason += " The school waived the fee."
        return CancellationQuote(price_cents, 0, fee_cents, tier.fee_percent, tier, by, is_late, reason)
    return CancellationQuote(price_cents, fee_cents, 0, tier.fee_percent, tier, by, is_late, reason)


def decided_fee(price_cents: int, fee_cents: int) -> CancellationQuote:
    """Return the quote for a lesson cancelled after it began, at the fee that an admin decided.

    Raises InvalidInputError (field `fee_cents`) unless the fee lies between 0 and the price.
    """
    if not 0 <= fee_cents <= price_cents:
        raise InvalidInputError.of("fee_cents", "The fee must lie between 0 and the price of the booking.")
    reason = "The lesson had begun: the school decided the fee."
    return CancellationQuote(
        price_cents, fee_cents, 0, None, None, CancelledBy.SCHOOL, is_late=True, reason=reason
    )


def no_show_fee(policy: CancellationPolicy, price_cents: int) -> int:
    """Return what a student owes who did not come, in cents. Raises ValueError for a negative price."""
    return percent_of(price_cents, policy.tiers[-1].fee_percent)


def late_move(policy: CancellationPolicy, start_at: datetime, now: datetime) -> bool:
    """Return whether moving a confirmed booking that starts then counts as late: its tier costs something."""
    return tier_at(policy, start_at, now).fee_percent > 0


def enforce_move(cancellation: CancellationQuote) -> None:
    """Refuse the late move of a student or guardian, given what cancelling would cost instead.

    Raises ConflictError (`late_move`) with the quote's `fee_cents`, `percent` and `reason` as details.
    """
    if cancellation.is_late and cancellation.by in _PAYERS:
        raise ConflictError(
            "It is too late to move this booking yourself; ask the school.",
            code="late_move",
            fee_cents=cancellation.fee_cents,
            percent=cancellation.percent,
            reason=cancellation.reason,
        )


def tier_at(policy: CancellationPolicy, start_at: datetime, now: datetime) -> Tier:
    """Return the tier that holds now for a lesson starting then."""
    notice = start_at - now
    kept = (tier for tier in policy.tiers if notice >= timedelta(hours=tier.hours_before))
    return next(kept, policy.tiers[-1])


_PAYERS: Final = frozenset({CancelledBy.STUDENT, CancelledBy.GUARDIAN})


def _sentence(policy: CancellationPolicy, tier: Tier) -> str:
    index = policy.tiers.index(tier)
    costs = f"costs {tier.fee_percent} % of the price" if tier.fee_percent else "is free"
    if len(policy.tiers) == 1:
        return f"Cancelling {costs}."
    if index == 0:
        return f"Cancelling {tier.hours_before} hours or more before the start {costs}."
    return f"Cancelling less than {policy.tiers[index - 1].hours_before} hours before the start {costs}."


def _tier_errors(index: int, item: object) -> list[FieldError]:
    if not isinstance(item, Mapping):
        return [FieldError(f"{_FIELD}.{index}", "A tier is an object with hours_before and fee_percent.")]
    errors = [
        FieldError(f"{_FIELD}.{index}.{name}", f"Give a whole number from 0 to {highest}.")
        for name, highest in _TIER_RANGES.items()
        if not _is_whole(item.get(name), highest)
    ]
    errors += [
        FieldError(f"{_FIELD}.{index}.{name}", "A tier has no such field.")
        for name in item
        if name not in _TIER_RANGES
    ]
    return errors


def _is_whole(value: object, highest: int) -> bool:
    # JSON's true and false are whole numbers to Python, not to a person.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _order_errors(tiers: tuple[Tier, ...]) -> list[FieldError]:
    errors = []
    for index, (earlier, later) in enumerate(pairwise(tiers), start=1):
        if later.hours_before >= earlier.hours_before:
            message = f"The hours must be fewer than the {earlier.hours_before} of the tier before."
            errors.append(FieldError(f"{_FIELD}.{index}.hours_before", message))
        if later.fee_percent < earlier.fee_percent:
            message = f"The fee must not be lower than the {earlier.fee_percent} % of the tier before."
            errors.append(FieldError(f"{_FIELD}.{index}.fee_percent", message))
    if tiers[-1].hours_before != 0:
        message = "The last tier must start at 0 hours, so that every cancellation has its fee."
        errors.append(FieldError(f"{_FIELD}.{len(tiers) - 1}.hours_before", message))
    return errors
