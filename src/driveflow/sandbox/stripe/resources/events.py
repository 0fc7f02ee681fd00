"""Events as the API shows them, newest first."""

from typing import Final

from driveflow.sandbox.stripe.call import Call, Operation
from driveflow.sandbox.stripe.errors import invalid
from driveflow.sandbox.stripe.fields import PAGE, Field, Flag, ListOf, Range, Text
from driveflow.sandbox.stripe.lists import Listing, page
from driveflow.sandbox.stripe.store import Record

_KIND: Final = "event"


def retrieve(call: Call, event_id: str) -> Record:
    """Return an event."""
    return call.find(_KIND, event_id)


def list_all(call: Call) -> Listing:
    """Return a page of events, of one type, of some types, or of types with a beginning (`charge.*`)."""
    params = call.params
    if "type" in params and "types" in params:
        raise invalid("You may pass either `type` or `types`, but not both.", param="types")
    types = params.get("types") or ([params["type"]] if params.get("type") else None)
    delivered = params.get("delivery_success")
    return page(
        call,
        _KIND,
        "/v1/events",
        equal={"pending_webhooks": None if delivered is None else int(not delivered)},
        patterns={"type": types} if types else None,
    )


_LIST: Final[dict[str, Field]] = {
    **PAGE,
    "created": Range(),
    "delivery_success": Flag(),
    "type": Text(),
    "types": ListOf(Text(required=True), most=20),
}
OPERATIONS: Final = (
    Operation("GET", "/v1/events", list_all, _LIST),
    Operation("GET", "/v1/events/{id}", retrieve),
)
