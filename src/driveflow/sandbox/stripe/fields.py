"""What a parameter may be, and the reading of a decoded form by it: anything else is refused as Stripe does.

A request's parameters are a `Shape`. Every value of a form is a text; it is turned into what the shape says,
and a name that the shape does not have is refused at whatever depth it stands.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from driveflow.sandbox.stripe.errors import StripeError, malformed

_INTEGER: Final = re.compile(r"-?\d{1,18}")
_MAX_METADATA_KEYS: Final = 50
_MAX_METADATA_KEY: Final = 40
_MAX_METADATA_VALUE: Final = 500


class Field(Protocol):
    """A kind of value."""

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""

    def read(self, value: Any, param: str) -> Any:
        """Return the value of a decoded form as it is meant; raise StripeError if it cannot be."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; an empty one is None, which is how Stripe's forms unset a value."""

    required: bool = False
    longest: int = 5000

    def read(self, value: Any, param: str) -> str | None:
        """Return the text."""
        if not isinstance(value, str):
            raise malformed("Invalid string: " + _shown(value), param=param)
        if len(value) > self.longest:
            raise malformed(
                f"Invalid string: {value[:6]}...{value[-6:]}; must be at most {self.longest} characters",
                param=param,
                code="parameter_invalid_string",
            )
        if not value and self.required:
            raise malformed(
                f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a "
                f"parameter; however '{param}' cannot be unset. You should remove '{param}' from your "
                "request or supply a non-empty value.",
                param=param,
                code="parameter_invalid_empty",
            )
        return value or None


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number."""

    required: bool = False
    least: int | None = None
    most: int | None = None

    def read(self, value: Any, param: str) -> int:
        """Return the number."""
        if not isinstance(value, str) or not _INTEGER.fullmatch(value):
            raise malformed(
                f"Invalid integer: {_shown(value)}", param=param, code="parameter_invalid_integer"
            )
        number = int(value)
        if self.least is not None and number < self.least:
            raise malformed(
                f"This value must be greater than or equal to {self.least}.",
                param=param,
                code="parameter_invalid_integer",
            )
        if self.most is not None and number > self.most:
            raise malformed(
                f"This value must be less than or equal to {self.most} (it currently is '{number}').",
                param=param,
                code="parameter_invalid_integer",
            )
        return number


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    required: bool = False

    def read(self, value: Any, param: str) -> bool:
        """Return whether it is true."""
        if value not in {"true", "false"}:
            raise malformed(f"Invalid boolean: {_shown(value)}", param=param)
        return bool(value == "true")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    required: bool = False

    def read(self, value: Any, param: str) -> str:
        """Return the word."""
        if value not in self.words:
            listed = [*self.words[:-2], " or ".join(self.words[-2:])]
            raise malformed(f"Invalid {param}: must be one of {', '.join(listed)}", param=param)
        return str(value)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The caller's own pairs of texts; an empty text removes all of them."""

    required: bool = False

    def read(self, value: Any, param: str) -> dict[str, str] | None:
        """Return the pairs; an empty value removes its key."""
        if value == "":
            return None
        if isinstance(value, list):  # the keys were 0, 1, 2 ...
            value = {str(at): item for at, item in enumerate(value)}
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            raise malformed("Invalid hash", param=param)
        if len(value) > _MAX_METADATA_KEYS:
            raise malformed(f"You can have at most {_MAX_METADATA_KEYS} keys in your metadata.", param=param)
        for key, text in value.items():
            if len(key) > _MAX_METADATA_KEY:
                raise malformed(
                    f"Metadata keys must be under {_MAX_METADATA_KEY} characters in length.", param=param
                )
            if len(text) > _MAX_METADATA_VALUE:
                raise malformed(
                    f"Metadata values can be at most {_MAX_METADATA_VALUE} characters long.",
                    param=f"{param}[{key}]",
                )
        return dict(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """A group of named values."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    required: bool = False

    def read(self, value: Any, param: str = "") -> dict[str, Any]:
        """Return the values that were given."""
        if not isinstance(value, Mapping):
            raise malformed("Invalid object", param=param)
        unknown = [named(param, name) for name in value if name not in self.fields]
        if unknown:
            raise _unknown(unknown)
        for name, kind in self.fields.items():
            if kind.required and name not in value:
                raise malformed(
                    f"Missing required param: {named(param, name)}.",
                    param=named(param, name),
                    code="parameter_missing",
                )
        return {name: self.fields[name].read(item, named(param, name)) for name, item in value.items()}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    item: Field
    required: bool = False
    most: int = 100

    def read(self, value: Any, param: str) -> list[Any]:
        """Return the list."""
        if not isinstance(value, list):
            raise malformed("Invalid array", param=param)
        if len(value) > self.most:
            raise malformed(f"Array can have at most {self.most} elements", param=param)
        return [self.item.read(item, f"{param}[{at}]") for at, item in enumerate(value)]


@dataclass(frozen=True, slots=True)
class Range:
    """An instant, or bounds of one: a filter of lists."""

    required: bool = False

    def read(self, value: Any, param: str) -> dict[str, int]:
        """Return the bounds by name: gt, gte, lt, lte, or all of a single instant."""
        if isinstance(value, str):
            instant = Integer().read(value, param)
            return {"gte": instant, "lte": instant}
        return _BOUNDS.read(value, param)


_BOUNDS: Final = Shape({"gt": Integer(), "gte": Integer(), "lt": Integer(), "lte": Integer()})
PAGE: Final[dict[str, Field]] = {
    "limit": Integer(least=1, most=100),
    "starting_after": Text(),
    "ending_before": Text(),
}
"""What every list accepts."""

EXPAND: Final[dict[str, Field]] = {"expand": ListOf(Text(required=True), most=20)}
"""What every request accepts."""


def named(param: str, name: str) -> str:
    """Return a parameter's name below another, as Stripe writes it."""
    return f"{param}[{name}]" if param else name


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "(a nested value)"


def _unknown(names: list[str]) -> StripeError:
    noun = "parameter" if len(names) == 1 else "parameters"
    return malformed(f"Received unknown {noun}: {', '.join(names)}", param=names[0], code="parameter_unknown")
