"""Decide what an instructor is owed for a booking, when it is paid out, and what is taken back.

An instructor *earns* a part of what the school keeps of a booking:

* A completed lesson: the instructor's share of the price, the snapshot of the day it was booked.
* A fee that was kept because the booking was cancelled late or missed: the same ratio of the fee. The
  platform's part is `round_half_up(fee * platform_fee / price)`, the instructor has the rest: it was the
  instructor who lost the hour. A waived fee is no fee.
* Anything else earns nothing, and so does a booking whose money never came: there are no write-offs.

It accrues when the lesson is completed (or the fee is kept) *and* the money is there, whichever is last.

Money that goes back to the customer is the school's and the instructor's loss in the same ratio. What goes
back of a cancelled booking first comes out of what was not kept. Of the rest the instructor loses
`floor(share * returned / kept)` in sum, so that the order and number of refunds make no difference, and all
of the share when all goes back (money.md, rule 3). Returned are refunds, and disputes that were lost.

A payout is held `hold_minutes` after the lesson's end, 72 hours by default; money that comes later than that
is paid out at once. It is not made while a dispute is open, nor through Stripe before the instructor's
account can receive transfers (`transfers` capability, money.md, rule 5).

What is taken back comes out of the payout while that waits; once it has been transferred, the transfer is
reversed, as far as it reaches; the rest is a debt, which is taken out of the instructor's next payouts, the
oldest debt first. An instructor never pays more back than was earned, and no payout is ever negative.

Amounts are whole cents, instants aware UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from driveflow.bookings.lifecycle import BookingStatus


class EarningKind(StrEnum):
    """What was earned: a lesson, or the fee of one that did not take place."""

    LESSON = "lesson"
    FEE = "fee"


class KycStatus(StrEnum):
    """How far an instructor's account at Stripe is; only `active` can receive transfers."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"
    RESTRICTED = "restricted"
    DISABLED = "disabled"


class LineKind(StrEnum):
    """Why an amount stands in a payout."""

    LESSON = "lesson"
    FEE = "fee"
    REFUND = "refund"
    DISPUTE = "dispute"
    FEE_WAIVED = "fee_waived"
    DEBT = "debt"


@dataclass(frozen=True, slots=True)
class Facts:
    """A booking and its money; `fee_cents` is the fee kept of a cancelled or missed one.

    `returned_cents` is the sum of refunds, `lost_cents` of lost disputes; `paid` says whether the whole price
    had come before anything went back.
    """

    status: BookingStatus
    fee_cents: int
    price_cents: int
    platform_fee_cents: int
    paid: bool
    returned_cents: int = 0
    lost_cents: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One signed amount with its reason, a sentence for a person."""

    kind: LineKind
    amount_cents: int
    reason: str


@dataclass(frozen=True, slots=True)
class Earned:
    """What instructor (`share_cents`) and school (`school_cents`) have of a booking at present.

    `lines` add up to `share_cents`.
    """

    kind: EarningKind
    share_cents: int
    school_cents: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class NothingEarned:
    """Nothing is owed for the booking, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How an amount is taken back: out of the waiting payout, by reversal, and as a debt; with the reason."""

    from_payout_cents: int
    reverse_cents: int
    debt_cents: int
    reason: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A payout is not made now; `reason` is a sentence for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Goes:
    """A payout is made now: `amount_cents` after `debts_cents`, what is taken of each debt in turn."""

    amount_cents: int
    debts_cents: tuple[int, ...]
    reason: str


_EARNING_LINES: Final = {
    EarningKind.LESSON: (LineKind.LESSON, "The instructor's share of the lesson."),
    EarningKind.FEE: (LineKind.FEE, "The instructor's part of the fee that the school kept."),
}
REFUND_REASON: Final = "The same part of what was refunded to the customer."
DISPUTE_REASON: Final = "The same part of what the customer's bank took back in a dispute."


def earned(facts: Facts) -> Earned | NothingEarned:
    """Return what instructor and school have earned by a booking as things stand; never negative."""
    if facts.status not in _EARNING_STATUSES:
        return NothingEarned(f"A booking that is {facts.status.replace('_', ' ')} earns nothing yet.")
    if not facts.paid:
        return NothingEarned("The money has not come.")
    completed = facts.status is BookingStatus.COMPLETED
    kept_cents = facts.price_cents if completed else facts.fee_cents
    if kept_cents == 0:
        return NothingEarned("Nothing was to be paid." if completed else "No fee was kept.")
    kind = EarningKind.LESSON if completed else EarningKind.FEE
    platform_cents = _round_half_up(kept_cents * facts.platform_fee_cents, facts.price_cents)
    share_cents = kept_cents - platform_cents
    not_kept_cents = facts.price_cents - kept_cents
    refunded_cents = _lost_of_kept(facts.returned_cents, not_kept_cents, kept_cents)
    gone_cents = _lost_of_kept(facts.returned_cents + facts.lost_cents, not_kept_cents, kept_cents)
    by_refund = share_cents * refunded_cents // kept_cents
    by_dispute = share_cents * gone_cents // kept_cents - by_refund
    line_kind, reason = _EARNING_LINES[kind]
    lines = (
        Line(line_kind, share_cents, reason),
        Line(LineKind.REFUND, -by_refund, REFUND_REASON),
        Line(LineKind.DISPUTE, -by_dispute, DISPUTE_REASON),
    )
    left_cents = share_cents - by_refund - by_dispute
    return Earned(
        kind,
        share_cents=left_cents,
        school_cents=kept_cents - gone_cents - left_cents,
        lines=tuple(line for line in lines if line.amount_cents),
    )


def due_at(finished_at: datetime, hold_minutes: int, now: datetime) -> datetime:
    """Return when a payout that accrues now is made: after the hold, or at once when that is over."""
    return max(finished_at + timedelta(minutes=hold_minutes), now)


def take_back(amount_cents: int, *, waiting_cents: int, transferred_cents: int) -> TakenBack:
    """Return how an amount (positive) is taken back from a payout.

    `waiting_cents` is what the payout still holds, 0 once it is made; `transferred_cents` is what of its
    transfer can still be reversed, 0 before it is made and for payouts made by hand.
    """
    from_payout = min(amount_cents, waiting_cents)
    reverse = min(amount_cents - from_payout, transferred_cents)
    debt = amount_cents - from_payout - reverse
    if debt:
        reason = "What the payout no longer covers is taken out of the next payouts."
    elif reverse:
        reason = "The payout has been made: the transfer is reversed by this part."
    else:
        reason = "The payout has not been made: it becomes smaller."
    return TakenBack(from_payout, reverse, debt, reason)


def may_pay(*, disputed: bool, by_stripe: bool, kyc: KycStatus) -> Waits | None:
    """Return why a payout that is due has to wait, or None."""
    if disputed:
        return Waits("The customer's bank disputes the payment; the payout waits until that is decided.")
    if by_stripe and kyc is not KycStatus.ACTIVE:
        return Waits(_KYC_WAITS[kyc])
    return None


def after_debts(amount_cents: int, debts_cents: Sequence[int]) -> Goes:
    """Return what is paid of an amount when open debts, the oldest first, have had their part."""
    left = amount_cents
    taken = []
    for debt_cents in debts_cents:
        part = min(debt_cents, left)
        taken.append(part)
        left -= part
    if left == amount_cents:
        reason = "There is no debt to take out."
    elif left:
        reason = "Debts from earlier bookings are taken out."
    else:
        reason = "All of it goes to debts from earlier bookings."
    return Goes(left, tuple(taken), reason)


def _lost_of_kept(returned_cents: int, not_kept_cents: int, kept_cents: int) -> int:
    """Return what of the kept money went back: the money that was not kept goes first."""
    return min(max(returned_cents - not_kept_cents, 0), kept_cents)


def _round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


_EARNING_STATUSES: Final = frozenset(
    {BookingStatus.COMPLETED, BookingStatus.CANCELLED, BookingStatus.NO_SHOW}
)
_KYC_WAITS: Final = {
    KycStatus.NONE: "The instructor has no account for payouts yet.",
    KycStatus.PENDING: "Stripe is checking the instructor's account.",
    KycStatus.RESTRICTED: "Stripe needs more information from the instructor before it pays out.",
    KycStatus.DISABLED: "Stripe has closed the instructor's account for payouts.",
}
