"""Lists as Stripe pages them: newest first, a cursor in either direction, `has_more`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.store import Record

_DEFAULT_LIMIT: Final = 10
_OPERATORS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of objects."""

    url: str
    records: list[Record]
    has_more: bool


def page(
    call: Call,
    kind: str,
    url: str,
    *,
    noun: str | None = None,
    equal: Mapping[str, Any] | None = None,
    patterns: Mapping[str, list[str]] | None = None,
) -> Listing:
    """Return the page that the request asks for of the objects whose fields have the values of `equal`.

    A filter of None is none; `patterns` has fields and the values they may have, in which `*` stands for
    anything. Raises StripeError for a cursor that names no object.
    """
    conditions = ["kind = ?", "account = ?"]
    values: list[Any] = [kind, call.account]
    for name, value in (equal or {}).items():
        if value is not None:
            conditions.append(f"json_extract(body, '$.{name}') = ?")
            values.append(value)
    for name, allowed in (patterns or {}).items():
        conditions.append("(" + " OR ".join(f"json_extract(body, '$.{name}') GLOB ?" for _ in allowed) + ")")
        values.extend(allowed)
    for bound, instant in call.params.get("created", {}).items():
        conditions.append(f"created {_OPERATORS[bound]} ?")
        values.append(instant)
    before, after = call.params.get("ending_before"), call.params.get("starting_after")
    if after:
        conditions.append("seq < ?")
        values.append(call.find(kind, after, noun=noun, param="starting_after").seq)
    if before:
        conditions.append("seq > ?")
        values.append(call.find(kind, before, noun=noun, param="ending_before").seq)
    backwards = bool(before) and not after
    limit = call.params.get("limit", _DEFAULT_LIMIT)
    order = "ASC" if backwards else "DESC"
    found = call.store.select(
        f"WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?", (*values, limit + 1)
    )
    chosen = found[:limit]
    return Listing(url, chosen[::-1] if backwards else chosen, has_more=len(found) > limit)


def embedded(url: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a whole list as it stands inside another object."""
    return {"object": "list", "data": documents, "has_more": False, "url": url}
