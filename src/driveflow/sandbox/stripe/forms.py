"""Decodes the forms that Stripe's clients send: `a[b][0]=c` is `{"a": {"b": ["c"]}}`."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from driveflow.sandbox.stripe.errors import malformed

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY: Final = re.compile(r"\[([^\[\]]*)\]")
_MAX_FIELDS: Final = 1000
_MAX_DEPTH: Final = 12
_NEXT: Final = ""


def decode(text: str) -> dict[str, Any]:
    """Return the nested values of a query or a form; every leaf is a text.

    Raises StripeError (400) for what is no form.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise malformed("Invalid request: the parameters could not be decoded.") from error
    tree: dict[str, Any] = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        keys = [found[1], *_KEY.findall(found[2])] if found else []
        if not keys or len(keys) > _MAX_DEPTH:
            raise malformed(f"Invalid parameter name: {name[:100]}", param=name[:100])
        _put(tree, keys, value)
    return {name: _as_lists(value) for name, value in tree.items()}


def _put(tree: dict[str, Any], keys: list[str], value: str) -> None:
    here = tree
    for at, key in enumerate(keys):
        last = at == len(keys) - 1
        # `a[]=1&a[]=2` appends, and so does `a[][b]=1&a[][b]=2`, while `a[][b]=1&a[][c]=2` stays in one item.
        name = _position(here, keys[at + 1 :]) if key == _NEXT else key
        if last:
            here[name] = value
            return
        below = here.setdefault(name, {})
        if not isinstance(below, dict):
            raise malformed(f"Invalid parameter: {keys[0]} is both a value and a hash", param=keys[0])
        here = below


def _position(items: dict[str, Any], rest: list[str]) -> str:
    if rest and items:
        last = items.get(str(len(items) - 1))
        if isinstance(last, dict) and rest[0] not in last:
            return str(len(items) - 1)
    return str(len(items))


def _as_lists(value: Any) -> Any:
    """Turn groups whose names are 0, 1, 2 ... into lists, as a form cannot say which it means."""
    if not isinstance(value, dict):
        return value
    inner = {name: _as_lists(item) for name, item in value.items()}
    positions = [str(at) for at in range(len(inner))]
    if inner and set(inner) == set(positions):
        return [inner[at] for at in positions]
    return inner
