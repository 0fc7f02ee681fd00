"""One client of each role in a school, for tests of what each may do and see."""

from dataclasses import dataclass
from typing import Any

from support.schools import Client, School


@dataclass
class Cast:
    """Clients by role, with the rows of the persons they stand for; `student` is the guardian's student."""

    admin: Client
    instructor: Client
    student: Client
    guardian: Client
    instructor_row: dict[str, Any]
    student_row: dict[str, Any]
    guardian_row: dict[str, Any]

    @property
    def learners(self) -> tuple[Client, Client]:
        """The clients outside the team."""
        return self.student, self.guardian

    @property
    def outside_office(self) -> tuple[Client, Client, Client]:
        """The clients that are not staff."""
        return self.instructor, self.student, self.guardian


async def cast_of(school: School) -> Cast:
    """Add an instructor and a student with a guardian to a school, and make a key for each role."""
    instructor = await school.add_instructor("Own Instructor", hours=None)
    student = await school.add_student("Own Student")
    guardian = await school.add_guardian(student["id"], "Own Guardian")
    return Cast(
        admin=await school.as_role("admin"),
        instructor=await school.as_role("instructor", instructor_id=instructor["id"]),
        student=await school.as_role("student", student_id=student["id"]),
        guardian=await school.as_role("guardian", guardian_id=guardian["id"]),
        instructor_row=instructor,
        student_row=student,
        guardian_row=guardian,
    )


def fields_of(problem: dict[str, Any]) -> set[str]:
    """Return the fields that a 422 names."""
    assert problem["code"] == "invalid_input", problem
    return {error["field"] for error in problem["errors"]}


async def trail(school: Client, entity_type: str, entity_id: str) -> list[tuple[str, Any, Any]]:
    """Return the audit rows of an entity, oldest first: action, before, after."""
    page = await school.get("/audit-log", params={"entity_type": entity_type, "entity_id": entity_id})
    return [(row["action"], row["before"], row["after"]) for row in reversed(page["items"])]
