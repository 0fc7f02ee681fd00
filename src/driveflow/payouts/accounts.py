"""Decide how far an instructor's account at Stripe is, from what Stripe says of it.

Only the capability `transfers` decides whether money can be sent (Stripe: Connect, account capabilities). The
rest tells a person what to do about it:

* `active`: `transfers` is active, whatever else Stripe would still like to know;
* `disabled`: Stripe rejected the account or it is closed; its `disabled_reason` begins with `rejected.` or is
  `listed`, `platform_paused` or `other`;
* `pending`: the form is not finished, or Stripe is checking what it was given;
* `restricted`: the form is finished, but something is missing, wrong or overdue;
* `none`: there is no account, or it was deleted.
"""

from collections.abc import Mapping
from typing import Any, Final

from driveflow.payouts.earnings import KycStatus

_CLOSED: Final = frozenset({"listed", "platform_paused", "other"})
_CHECKING: Final = frozenset({"requirements.pending_verification", "under_review"})


def kyc_status(account: Mapping[str, Any]) -> KycStatus:
    """Return the status of an account as Stripe's API describes it (`account.updated`)."""
    if account.get("deleted"):
        return KycStatus.NONE
    transfers = (account.get("capabilities") or {}).get("transfers")
    requirements = account.get("requirements") or {}
    disabled_reason = requirements.get("disabled_reason") or ""
    if transfers == "active":
        return KycStatus.ACTIVE
    if disabled_reason.startswith("rejected.") or disabled_reason in _CLOSED:
        return KycStatus.DISABLED
    missing = [*(requirements.get("currently_due") or ()), *(requirements.get("past_due") or ())]
    being_checked = disabled_reason in _CHECKING or (transfers == "pending" and not missing)
    if being_checked or not account.get("details_submitted"):
        return KycStatus.PENDING
    return KycStatus.RESTRICTED
