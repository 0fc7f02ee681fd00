"""Idempotency keys: the answer is kept with the change it tells of, for 24 hours.

The same key with the same request gets the stored answer, with another request a 400, while the first is
still running a 409 (https://docs.stripe.com/api/idempotent_requests).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from driveflow.sandbox.stripe.call import Call
from driveflow.sandbox.stripe.errors import StripeError, malformed
from driveflow.sandbox.stripe.settings import DAY_S

MAX_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request with a key was answered."""

    request_id: str
    status: int
    body: str


def fingerprint(params: dict[str, Any]) -> str:
    """Return what two requests with the same parameters share."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def check_key(key: str) -> None:
    """Refuse a key that is too long (StripeError, 400)."""
    if len(key) > MAX_KEY:
        raise malformed(f"Idempotency keys can be at most {MAX_KEY} characters long.")


def in_use(key: str) -> StripeError:
    """Return the refusal of a request whose key another one is using at this moment."""
    return StripeError(
        409,
        "There is currently another in-progress request using this idempotency key (that probably means you "
        f"submitted twice, and the other request is still going through): {key}. Please try again later.",
        kind="idempotency_error",
        code="idempotency_key_in_use",
        stored=False,
    )


def stored_answer(call: Call, path: str, print_: str) -> StoredAnswer | None:
    """Return the answer that the call's key already has.

    Raises StripeError (400) if the key was used for something else.
    """
    connection = call.store.connection
    connection.execute("DELETE FROM idempotent_answers WHERE created <= ?", (call.now - DAY_S,))
    row = connection.execute(
        "SELECT path, fingerprint, request_id, status, body FROM idempotent_answers"
        " WHERE account = ? AND key = ?",
        (call.account, call.idempotency_key),
    ).fetchone()
    if row is None:
        return None
    if row[0] != path:
        raise _reused(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{path}' vs '{row[0]}'). Try using a key other than '{call.idempotency_key}' if you meant to "
            "execute a different request."
        )
    if row[1] != print_:
        raise _reused(
            "Keys for idempotent requests can only be used with the same parameters they were first used "
            f"with. Try using a key other than '{call.idempotency_key}' if you meant to execute a different "
            "request."
        )
    return StoredAnswer(row[2], row[3], row[4])


def store_answer(call: Call, path: str, print_: str, status: int, body: str) -> None:
    """Keep an answer under the call's key."""
    call.store.connection.execute(
        "INSERT INTO idempotent_answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (call.account, call.idempotency_key, path, print_, call.now, call.request_id, status, body),
    )


def _reused(message: str) -> StripeError:
    return StripeError(400, message, kind="idempotency_error", stored=False)
