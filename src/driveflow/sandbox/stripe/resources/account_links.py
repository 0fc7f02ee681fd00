"""Account links: the address, used once and soon over, where an account's onboarding goes on."""

from typing import Any, Final

from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.fields import Choice, Field, Shape, Text
from driveflow.sandbox.stripe.store import Record

KIND: Final = "account_link"
_LIFE_S: Final = 300
_FIELDS: Final = Choice(("currently_due", "eventually_due"))


def create(call: Call) -> dict[str, Any]:
    """Make a link."""
    params = call.params
    account = call.store.find("account", params["account"])
    if account is None:
        raise invalid(f"No such account: '{params['account']}'", code="resource_missing", param="account")
    link = call.new(
        KIND,
        "acctlink_",
        {},
        target=account.id,
        expires_at=call.now + _LIFE_S,
        used=False,
        refresh_url=params.get("refresh_url"),
        return_url=params.get("return_url"),
    )
    return {
        "object": KIND,
        "created": call.now,
        "expires_at": link.hidden["expires_at"],
        "url": f"{call.base_url}/onboarding/{link.id}",
    }


def usable(call: Call, link: Record) -> bool:
    """Return whether a link still opens its page."""
    return not link.hidden["used"] and call.now < link.hidden["expires_at"]


_CREATE: Final[dict[str, Field]] = {
    "account": Text(required=True),
    "collect": _FIELDS,
    "collection_options": Shape({"fields": _FIELDS, "future_requirements": Choice(("include", "omit"))}),
    "refresh_url": Text(),
    "return_url": Text(),
    "type": Choice(("account_onboarding", "account_update"), required=True),
}
OPERATIONS: Final = (Operation("POST", "/v1/account_links", create, _CREATE),)
