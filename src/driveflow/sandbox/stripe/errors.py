"""Refusals as Stripe words them: status, type, code, message and the parameter at fault."""

from typing import Any

DOC_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer other than 200.

    `commits` keeps what the request changed before it was refused (a declined card leaves a failed charge);
    `stored` says whether a repetition under the same idempotency key gets the same answer: Stripe stores what
    a request that began to execute answered, and not that its parameters were malformed.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        commits: bool = False,
        stored: bool = True,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.commits = commits
        self.stored = stored
        self.headers = headers or {}
        self.error: dict[str, Any] = {"message": message, "type": kind, **more}
        if code is not None:
            self.error |= {"code": code, "doc_url": DOC_URL + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param

    def body(self, request_log_url: str) -> dict[str, Any]:
        """Return the document of the answer."""
        return {"error": dict(sorted({**self.error, "request_log_url": request_log_url}.items()))}


def invalid(message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> StripeError:
    """Return a refusal of what was asked (400)."""
    return StripeError(400, message, code=code, param=param, **more)


def malformed(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """Return a refusal of a request that did not begin to execute (400); it is not stored under its key."""
    return StripeError(400, message, code=code, param=param, stored=False)


def missing(noun: str, object_id: str, *, param: str | None = None, status: int = 404) -> StripeError:
    """Return the answer for an id that names nothing: 404 in a path, 400 (`status`) in a parameter."""
    return StripeError(status, f"No such {noun}: '{object_id}'", code="resource_missing", param=param or "id")


def unauthorized(message: str) -> StripeError:
    """Return the answer for a missing or wrong key (401)."""
    return StripeError(401, message, stored=False, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})
