"""The ways in which a request can fail, each with a stable code.

Domain code raises these; `entrypoints/error_responses.py` alone decides the HTTP status and the body
(RFC 9457 `application/problem+json`). A code is part of the API: clients branch on it, so it never changes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of an input: its dotted path and a sentence for a person."""

    field: str
    message: str


class OperatorError(Exception):
    """The program cannot start or go on; the message tells its operator what to do."""


class DriveFlowError(Exception):
    """Base of all expected errors; `code` is stable, `message` is a sentence for a person."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.details = details


class NotFoundError(DriveFlowError):
    """The row does not exist, or belongs to another school: both look the same from outside (404)."""

    code = "not_found"

    def __init__(self, message: str = "There is nothing here, or it belongs to another school.") -> None:
        super().__init__(message)


class UnauthenticatedError(DriveFlowError):
    """The request carries no valid key or session (401)."""

    code = "unauthenticated"


class ForbiddenError(DriveFlowError):
    """The actor's role may not do this in its own school (403)."""

    code = "forbidden"


class ConflictError(DriveFlowError):
    """The request is well formed but the present state refuses it (409)."""

    code = "conflict"


class InvalidInputError(DriveFlowError):
    """The input is wrong; each wrong field is named (422)."""

    code = "invalid_input"

    def __init__(self, message: str, *fields: FieldError, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.fields = fields

    @classmethod
    def of(cls, field: str, message: str, *, code: str | None = None) -> "InvalidInputError":
        """Return the error for one wrong field; the sentence serves the field and the whole."""
        return cls(message, FieldError(field, message), code=code)


class TooManyRequestsError(DriveFlowError):
    """The key or address has used up its rate; `retry_after_s` says when to come back (429)."""

    code = "too_many_requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many requests; slow down.")
        self.retry_after_s = retry_after_s


class OutsideUnavailableError(DriveFlowError):
    """The outside world does not answer; the same request may be repeated shortly (503)."""

    code = "outside_unavailable"
