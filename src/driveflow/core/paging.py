"""Cursor paging: a page of rows and an opaque mark from which the next page starts."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from driveflow.core.errors import InvalidInputError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows (1 to 200) and from which mark; None is the first page."""

    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page; `next_cursor` is None on the last."""

    items: list[T]
    next_cursor: str | None


async def fetch_page(
    session: AsyncSession,
    query: Select[T],
    keys: Sequence[InstrumentedAttribute[Any]],
    request: PageRequest,
    *,
    descending: bool = False,
) -> Page[T]:
    """Run `query` ordered by `keys` (the last of them unique) and return the page asked for.

    Raises InvalidInputError for a cursor that this list did not give out.
    """
    order = [key.desc() if descending else key.asc() for key in keys]
    if request.cursor is not None:
        marks = _decode(request.cursor, [key.type.python_type for key in keys])
        left = tuple_(*keys)
        query = query.where(left < marks) if descending else query.where(left > marks)
    rows = list(await session.scalars(query.order_by(*order).limit(request.limit + 1)))
    if len(rows) <= request.limit:
        return Page(rows, None)
    rows = rows[: request.limit]
    return Page(rows, _encode([getattr(rows[-1], key.key) for key in keys]))


def _encode(values: list[Any]) -> str:
    texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


_PARSERS: dict[type, Callable[[str], Any]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    str: str,
    int: int,
}


def _decode(cursor: str, types: list[type]) -> tuple[Any, ...]:
    try:
        return _parsed(cursor, types)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidInputError.of("cursor", "Is not a cursor of this list; start without one.") from error


def _parsed(cursor: str, types: list[type]) -> tuple[Any, ...]:
    texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if not isinstance(texts, list) or len(texts) != len(types):
        raise ValueError(texts)
    # The database stores neither NUL nor half a surrogate pair; encode raises for the latter.
    if b"\x00" in "".join(map(str, texts)).encode():
        raise ValueError(texts)
    values = tuple(_PARSERS[kind](str(value)) for value, kind in zip(texts, types, strict=True))
    if any(isinstance(value, datetime) and value.tzinfo is None for value in values):
        raise ValueError(texts)
    return values
