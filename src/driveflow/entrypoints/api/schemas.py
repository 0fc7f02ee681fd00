"""Building blocks of the request and answer schemas."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
)

from driveflow.core.paging import Page, PageRequest
from driveflow.entrypoints.deps import TenantRoute

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


_WRITTEN_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WRITTEN_INSTANT = re.compile(_WRITTEN_DAY.pattern + "[Tt _].+")


def _no_control_characters(value: str) -> str:
    if any(character < " " and character not in "\n\r\t" for character in value) or "\x7f" in value:
        raise ValueError("contains control characters")
    return value


def _written(value: object) -> object:
    # Pydantic also reads numbers, as seconds since 1970, and midnight without an offset as a day.
    if not isinstance(value, date) and not (isinstance(value, str) and _WRITTEN_INSTANT.fullmatch(value)):
        raise ValueError("must be a time with its offset, such as 2026-08-04T09:00:00+10:00")
    return value


def _written_day(value: object) -> object:
    if not isinstance(value, date) and not (isinstance(value, str) and _WRITTEN_DAY.fullmatch(value)):
        raise ValueError("must be a date, such as 2026-08-04")
    return value


def _storable(value: datetime) -> datetime:
    if not _EARLIEST <= value < _LATEST:
        raise ValueError("must lie between the years 2000 and 2200")
    return value.astimezone(UTC)


def _storable_day(value: date) -> date:
    if not date(1900, 1, 1) <= value < _LATEST.date():
        raise ValueError("must lie between the years 1900 and 2200")
    return value


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


SafeText = Annotated[str, AfterValidator(_no_control_characters)]
Name = Annotated[SafeText, Field(min_length=1, max_length=200, examples=["Alex Student"])]
Note = Annotated[SafeText, Field(max_length=5000)]
Line = Annotated[SafeText, Field(max_length=500)]
Phone = Annotated[SafeText, Field(max_length=40, examples=["0400 000 000"])]
Email = Annotated[SafeText, Field(max_length=254, examples=["alex@example.com"])]
LocaleName = Annotated[SafeText, Field(max_length=20, examples=["en_AU"])]
Channel = Literal["email", "sms", "whatsapp", "none"]
"""How a person likes to hear from the school."""
InstantIn = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_storable)]
"""A time with its offset, kept in UTC."""
DayIn = Annotated[date, BeforeValidator(_written_day), AfterValidator(_storable_day)]
InstantOut = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str)]
"""A time in UTC with Z."""
Cents = Annotated[int, Field(ge=0, le=100_000_000)]
Version = Annotated[int, Field(ge=1, le=2_147_483_647)]


class Input(BaseModel):
    """Base of request bodies: unknown fields are errors, texts lose surrounding spaces."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    def changes(self) -> dict[str, Any]:
        """Return the fields that the client sent, for a PATCH."""
        return self.model_dump(exclude_unset=True)


class Versioned(Input):
    """Base of changes: `version` is the one they are based on; it may come as `If-Match: "3"` instead."""

    version: Version | None = None


class Output(BaseModel):
    """Base of answers; reads attributes of rows."""

    model_config = ConfigDict(from_attributes=True)


T = TypeVar("T")


class PageOut(BaseModel, Generic[T]):
    """A page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


def page_out(page: Page[Any], schema: type[T]) -> dict[str, Any]:
    """Return a page as its answer."""
    return {
        "items": [schema.model_validate(item) for item in page.items],  # type: ignore[attr-defined]  # T is an Output
        "next_cursor": page.next_cursor,
    }


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=200, description="Rows of a page")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


Paging = Annotated[PageRequest, Depends(_page_request)]
SearchText = Annotated[
    SafeText | None, Query(max_length=100, description="Part of a name, e-mail or phone number")
]


class FieldProblem(BaseModel):
    """A wrong field of the input."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldProblem] | None = None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        400: "The body is not valid JSON.",
        401: "No valid API key or session.",
        403: "Your role may not do this.",
        404: "Not there, or of another school.",
        409: "The present state refuses it; `code` says why.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "The input is wrong; `errors` names each field.",
        429: "Too many requests; see Retry-After.",
        503: "The database, or Stripe, does not answer; see Retry-After.",
    }.items()
}
"""For `APIRouter(responses=PROBLEMS)`."""


async def school_of(
    org_id: Annotated[UUID, Path(description="The school; another one's answers 404")],
) -> UUID:
    """Return the school of the path, for its description; the route's class has checked it."""
    return org_id


def school_router(path: str = "") -> APIRouter:
    """Return a router for routes below `/orgs/{org_id}`; `TenantRoute` has checked the school."""
    return APIRouter(
        prefix="/orgs/{org_id}" + path,
        route_class=TenantRoute,
        responses=PROBLEMS,
        dependencies=[Depends(school_of)],
    )
