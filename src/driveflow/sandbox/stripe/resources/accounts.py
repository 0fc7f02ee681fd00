"""Connected accounts: whom the platform pays, and what they may receive."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation, merged
from driveflow.sandbox.stripe.errors import StripeError, malformed
from driveflow.sandbox.stripe.events import emit
from driveflow.sandbox.stripe.fields import PAGE, Choice, Field, Flag, Metadata, Range, Shape, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.resources.account_body import account_body, requirements
from driveflow.sandbox.stripe.resources.payment_methods import ADDRESS
from driveflow.sandbox.stripe.store import PLATFORM, Record

KIND: Final = "account"
_CAPABILITIES: Final = ("card_payments", "transfers")


def create(call: Call) -> Record:
    """Make a connected account; it can receive nothing before its onboarding."""
    params = call.params
    if "type" in params and "controller" in params:
        raise malformed(
            "You may not provide the `type` parameter and `controller` parameters simultaneously."
        )
    kind = "express" if "controller" in params else params.get("type", "standard")
    requested = [
        name for name in _CAPABILITIES if params.get("capabilities", {}).get(name, {}).get("requested")
    ]
    # Stripe's own example of a standard account has both active from the start, and the trigger of
    # `transfer.created` in the Stripe CLI transfers to such an account at once.
    status = "active" if kind == "standard" else "inactive"
    capabilities = dict.fromkeys(_CAPABILITIES if kind == "standard" else requested, status)
    account_id = call.store.new_id("acct_", 16)
    body = account_body(call, account_id, kind, capabilities)
    return call.new_with_id(KIND, account_id, body, account=PLATFORM)


def complete_onboarding(call: Call, account: Record) -> None:
    """Let an account hand everything in: its capabilities become active; the Connect endpoint is told."""
    body = account.body
    if body["details_submitted"]:
        return
    body |= {
        "business_type": body["business_type"] or "individual",
        "capabilities": dict.fromkeys(body["capabilities"], "active"),
        "charges_enabled": "card_payments" in body["capabilities"],
        "details_submitted": True,
        "payouts_enabled": True,
        "requirements": requirements([]),
        "tos_acceptance": {"date": call.now, "ip": None, "user_agent": None},
    }
    call.store.save(account)
    _tell(call, account, {"details_submitted": False, "payouts_enabled": False})


def restrict(call: Call, account: Record) -> None:
    """Let Stripe ask an account for more: its capabilities and payouts stop."""
    body = account.body
    body |= {
        "capabilities": dict.fromkeys(body["capabilities"], "inactive"),
        "charges_enabled": False,
        "payouts_enabled": False,
        "requirements": requirements(["individual.verification.document"]),
    }
    call.store.save(account)
    _tell(call, account, {"payouts_enabled": True})


def restore(call: Call, account: Record) -> None:
    """Let an account give what it was asked for."""
    account.body["details_submitted"] = False
    complete_onboarding(call, account)


def _tell(call: Call, account: Record, previous: dict[str, Any]) -> None:
    emit(call, "account.updated", account, previous=previous, account=account.id)


def retrieve(call: Call, account_id: str) -> Record:
    """Return a connected account; an unknown one is refused as if it were another platform's."""
    account = call.store.find(KIND, account_id)
    if account is None or call.account not in {PLATFORM, account_id}:
        raise StripeError(
            403,
            f"The provided key does not have access to account '{account_id}' (or that account does not "
            "exist). Application access may have been revoked.",
            code="account_invalid",
        )
    return account


def update(call: Call, account_id: str) -> Record:
    """Change an account."""
    account = retrieve(call, account_id)
    params, body = call.params, account.body
    previous: dict[str, Any] = {}
    for name in ("email", "business_type"):
        if name in params:
            previous[name] = body[name]
            body[name] = params[name]
    if "metadata" in params:
        previous["metadata"] = body["metadata"]
        body["metadata"] = merged(body["metadata"], params["metadata"])
    if "capabilities" in params:
        previous["capabilities"] = dict(body["capabilities"])
        status = "active" if body["details_submitted"] else "inactive"
        wanted = [name for name, choice in params["capabilities"].items() if choice.get("requested")]
        body["capabilities"] = {**dict.fromkeys(wanted, status), **body["capabilities"]}
    if "business_profile" in params:
        previous["business_profile"] = body["business_profile"]
        body["business_profile"] = {**body["business_profile"], **params["business_profile"]}
    call.store.save(account)
    if previous:
        _tell(call, account, previous)
    return account


def list_all(call: Call) -> Listing:
    """Return a page of connected accounts."""
    return page(call, KIND, "/v1/accounts")


_CAPABILITY: Final = Shape({"requested": Flag()})
_UPDATE: Final[dict[str, Field]] = {
    "business_profile": Shape(
        {
            "mcc": Text(),
            "name": Text(),
            "product_description": Text(),
            "support_address": ADDRESS,
            "url": Text(),
        }
    ),
    "business_type": Choice(("company", "government_entity", "individual", "non_profit")),
    "capabilities": Shape(dict.fromkeys(_CAPABILITIES, _CAPABILITY)),
    "email": Text(),
    "metadata": Metadata(),
}
_CREATE: Final[dict[str, Field]] = {
    **_UPDATE,
    "controller": Shape(
        {
            "fees": Shape({"payer": Choice(("application",))}),
            "losses": Shape({"payments": Choice(("application",))}),
            "requirement_collection": Choice(("stripe",)),
            "stripe_dashboard": Shape({"type": Choice(("express",))}),
        }
    ),
    "country": Text(),
    "settings": Shape(
        {
            "payouts": Shape(
                {"schedule": Shape({"interval": Choice(("daily", "manual", "monthly", "weekly"))})}
            )
        }
    ),
    "type": Choice(("express", "standard")),
}
OPERATIONS: Final = (
    Operation("POST", "/v1/accounts", create, _CREATE),
    Operation("GET", "/v1/accounts", list_all, {**PAGE, "created": Range()}),
    Operation("GET", "/v1/accounts/{account}", retrieve),
    Operation("POST", "/v1/accounts/{account}", update, _UPDATE),
)
