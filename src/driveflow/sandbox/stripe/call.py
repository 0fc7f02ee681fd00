"""What a request's handler is given: the open transaction, its parameters and the time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from driveflow.sandbox.stripe.errors import missing
from driveflow.sandbox.stripe.fields import EXPAND, Field, Shape
from driveflow.sandbox.stripe.settings import API_VERSION, StripeSandboxSettings
from driveflow.sandbox.stripe.store import PLATFORM, Record, Store

CLOCK_OFFSET: Final = "clock_offset_s"


@dataclass(slots=True)
class Call:
    """One request, or one act of the sandbox itself, inside its transaction."""

    store: Store
    settings: StripeSandboxSettings
    base_url: str
    now: int
    params: dict[str, Any] = field(default_factory=dict)
    account: str = PLATFORM
    request_id: str | None = None
    idempotency_key: str | None = None
    api_version: str = API_VERSION

    def new(
        self, kind: str, prefix: str, body: dict[str, Any], *, account: str | None = None, **hidden: Any
    ) -> Record:
        """Make and keep an object; `id`, `object` and `created` are added."""
        return self.new_with_id(kind, self.store.new_id(prefix), body, account=account, **hidden)

    def new_with_id(
        self, kind: str, object_id: str, body: dict[str, Any], *, account: str | None = None, **hidden: Any
    ) -> Record:
        """Make and keep an object under an id."""
        return self.store.add(
            Record(
                id=object_id,
                kind=kind,
                account=self.account if account is None else account,
                created=self.now,
                body={"id": object_id, "object": kind, "created": self.now, **body},
                hidden=hidden,
            )
        )

    def find(self, kind: str, object_id: str, *, noun: str | None = None, param: str | None = None) -> Record:
        """Return an object of the account that asks.

        Raises StripeError: 404 for an id of the path, 400 where `param` names the parameter that held it.
        """
        record = self.store.find(kind, object_id)
        if record is None or record.account != self.account:
            raise missing(noun or kind, object_id, param=param, status=400 if param else 404)
        return record


Handler = Callable[..., Any]
"""Takes the call and the ids of its path; returns a Record, a Listing or a document."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and path of the API, the parameters it accepts, and what it does."""

    method: str
    path: str
    handler: Handler
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """All that the operation accepts."""
        return Shape({**self.fields, **EXPAND})


def merged(old: dict[str, str] | None, given: dict[str, str] | None) -> dict[str, str]:
    """Return metadata after an update: pairs are added, empty values remove, an empty whole removes all."""
    if given is None:
        return {}
    return {key: value for key, value in {**(old or {}), **given}.items() if value}


def now_of(store: Store, settings: StripeSandboxSettings) -> int:
    """Return the sandbox's time in seconds since 1970: its clock, moved by what the control added."""
    return int(settings.clock()) + store.counter(CLOCK_OFFSET)
