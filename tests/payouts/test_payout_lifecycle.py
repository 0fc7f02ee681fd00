"""The table of a payout's moves, and what Stripe's description of an account means."""

from typing import Any

import pytest

from driveflow.core.errors import ConflictError
from driveflow.payouts.accounts import kyc_status
from driveflow.payouts.earnings import KycStatus
from driveflow.payouts.lifecycle import FINAL, Cause, Moved, PayoutStatus, Refused, decide, enforce

P, C = PayoutStatus, Cause
# Written anew from the account of the rule, not read from its table.
ALLOWED = {
    (P.PENDING, C.TRANSFER): P.IN_TRANSIT,
    (P.PENDING, C.BY_HAND): P.PAID,
    (P.PENDING, C.BY_DEBTS): P.PAID,
    (P.PENDING, C.DISPUTED): P.FROZEN,
    (P.PENDING, C.EMPTIED): P.CANCELED,
    (P.FROZEN, C.RELEASED): P.PENDING,
    (P.FROZEN, C.EMPTIED): P.CANCELED,
    (P.IN_TRANSIT, C.ANSWERED): P.PAID,
    (P.IN_TRANSIT, C.REFUSED): P.PENDING,
    (P.IN_TRANSIT, C.REJECTED): P.FAILED,
    (P.FAILED, C.RETRIED): P.PENDING,
    (P.FAILED, C.EMPTIED): P.CANCELED,
    (P.PAID, C.TAKEN_BACK): P.REVERSED,
}


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("status", PayoutStatus)
def test_every_pair_of_status_and_cause_is_as_the_table_says(status: PayoutStatus, cause: Cause) -> None:
    decision = decide(status, cause)
    if (status, cause) in ALLOWED:
        assert enforce(decision) is ALLOWED[status, cause]
        assert isinstance(decision, Moved)
        return
    assert isinstance(decision, Refused)
    with pytest.raises(ConflictError, match=r"A payout that is .* cannot be") as refused:
        enforce(decision)
    assert refused.value.code == "invalid_transition"


def test_nothing_leaves_a_final_status() -> None:
    assert not [status for status, _ in ALLOWED if status in FINAL]


def account(
    transfers: str | None = "inactive",
    disabled_reason: str | None = None,
    *,
    submitted: bool = True,
    **due: list[str],
) -> dict[str, Any]:
    return {
        "capabilities": {"transfers": transfers} if transfers else {},
        "details_submitted": submitted,
        "requirements": {"disabled_reason": disabled_reason, **due},
    }


@pytest.mark.parametrize(
    ("described", "status"),
    [
        (account("active"), KycStatus.ACTIVE),
        (account("active", "requirements.past_due", currently_due=["external_account"]), KycStatus.ACTIVE),
        (account("inactive", "requirements.past_due", submitted=False), KycStatus.PENDING),
        (account(None, submitted=False), KycStatus.PENDING),
        (account("inactive", "requirements.pending_verification"), KycStatus.PENDING),
        (account("inactive", "under_review"), KycStatus.PENDING),
        (account("pending"), KycStatus.PENDING),
        (account("pending", currently_due=["individual.id_number"]), KycStatus.RESTRICTED),
        (account("inactive", "requirements.past_due", past_due=["individual.dob.day"]), KycStatus.RESTRICTED),
        (account("inactive", "rejected.fraud"), KycStatus.DISABLED),
        (account("inactive", "platform_paused", submitted=False), KycStatus.DISABLED),
        ({"id": "acct_1", "deleted": True}, KycStatus.NONE),
        ({"id": "acct_1"}, KycStatus.PENDING),
    ],
)
def test_an_account_is_as_far_as_its_transfers_capability(
    described: dict[str, Any], status: KycStatus
) -> None:
    assert kyc_status(described) is status
