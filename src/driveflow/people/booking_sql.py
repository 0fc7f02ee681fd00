"""What a booking reads and locks of people, as SQL for the statements of `bookings/sql.py`."""

from uuid import UUID

import asyncpg


def lock_statements(org_id: UUID, instructor_ids: list[UUID], student_id: UUID) -> tuple[str, ...]:
    """Return the statements that lock instructors, then the student, always in this order.

    Typed UUIDs as literals, because these travel in one message with BEGIN, which takes no parameters. A row
    that is not there is locked by nobody; the read that follows finds it missing.
    """
    return (
        *(_lock("instructors", org_id, instructor_id) for instructor_id in sorted(set(instructor_ids))),
        _lock("students", org_id, student_id),
    )


def _lock(table: str, org_id: UUID, row_id: UUID) -> str:
    return (
        f"SELECT FROM {table} WHERE org_id = '{UUID(int=org_id.int)}' AND id = '{UUID(int=row_id.int)}' "
        "FOR NO KEY UPDATE"
    )


STUDENT_NAMES = """
SELECT json_object_agg(id, full_name)::text FROM students WHERE org_id = $1 AND id IN ({ids})
"""
INSTRUCTOR_NAMES = """
SELECT json_object_agg(id, display_name)::text FROM instructors WHERE org_id = $1 AND id IN ({ids})
"""
"""Names of people of school $1 by their ids, in JSON."""

PHONES = "SELECT id::text, phone FROM students WHERE org_id = $1 AND id = ANY($2::uuid[])"
"""Ids as text and phone numbers of students $2 of school $1."""


_MAY_BOOK = """
SELECT can_book FROM student_guardians WHERE org_id = $1 AND guardian_id = $2 AND student_id = $3
"""


async def guardian_may_book(
    connection: asyncpg.Connection, org_id: UUID, guardian_id: UUID | None, student_id: UUID
) -> bool:
    """Return whether the school lets this guardian book for the student."""
    return bool(await connection.fetchval(_MAY_BOOK, org_id, guardian_id, student_id))
