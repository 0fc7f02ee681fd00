"""What other packages ask about people: an instructor, a student, and whom a guardian stands for."""

from uuid import UUID

import asyncpg

_STUDENTS_OF_GUARDIAN = "SELECT student_id FROM student_guardians WHERE org_id = $1 AND guardian_id = $2"


async def student_ids_of_guardian(
    connection: asyncpg.Connection, org_id: UUID, guardian_id: UUID
) -> frozenset[UUID]:
    """Return the students whom a guardian stands for; no permission is asked (it makes the actor)."""
    rows = await connection.fetch(_STUDENTS_OF_GUARDIAN, org_id, guardian_id)
    return frozenset(row["student_id"] for row in rows)
