"""The people of the demo school: six instructors with their hours, sixty students with their guardians.

Who they are never changes: the same names, ids, addresses and numbers on every start. Only birthdays follow
the first day of the demo, so that its students stay of an age to learn.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from driveflow.availability.slots import WeeklyWindow
from driveflow.sandbox.demo_names import FAMILIES, FICTIONAL_MOBILES, SUBURBS, Family

_NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://driveflow.example/demo")
_SEED: Final = 20_250

MON, TUE, WED, THU, FRI, SAT = range(6)
_WEEKDAYS: Final = (MON, TUE, WED, THU, FRI)

LEARNER_AGE_YEARS: Final = 16
"""From this age on one may hold a learner licence in New South Wales."""

_DAYS_PER_YEAR: Final = 365.25
# About 250 m to each side of the suburb's place.
_HOME_SPREAD_DEG: Final = 0.0025


@dataclass(frozen=True, slots=True)
class Home:
    """Where a student is picked up: an address and its place in degrees, 6 decimals."""

    address: str
    lat: float
    lng: float


@dataclass(frozen=True, slots=True)
class DemoInstructor:
    """An instructor who logs in; `students_weight` is the share of the school's students that is theirs."""

    id: UUID
    user_id: UUID
    display_name: str
    email: str
    phone: str
    license_id: str
    fee_bps: int | None
    windows: tuple[WeeklyWindow, ...]
    students_weight: int


@dataclass(frozen=True, slots=True)
class DemoGuardian:
    """An adult who looks after students of a household and logs in."""

    id: UUID
    user_id: UUID
    full_name: str
    email: str
    phone: str
    relation: str


@dataclass(frozen=True, slots=True)
class DemoStudent:
    """A student who logs in, with the instructor who usually teaches them; the first guardian is primary."""

    id: UUID
    user_id: UUID
    full_name: str
    email: str
    phone: str
    dob: date
    notes: str | None
    home: Home
    guardians: tuple[DemoGuardian, ...]
    usual_instructor_id: UUID


def demo_id(kind: str, *names: object) -> UUID:
    """Return the id of a demo row, the same on every start: a UUIDv5 of what it is and its name."""
    return uuid5(_NAMESPACE, "/".join((kind, *map(str, names))))


def demo_instructors() -> tuple[DemoInstructor, ...]:
    """Return the six instructors: four full-time, one of them also on Saturdays, one late, one part-time."""
    return tuple(
        DemoInstructor(
            id=demo_id("instructor", name),
            user_id=demo_id("user", name),
            display_name=name,
            email=_email(name, "harbour.example"),
            phone=FICTIONAL_MOBILES[number],
            license_id=f"NSW-DI-{40_117 + 1_309 * number}",
            fee_bps=fee_bps,
            windows=windows,
            students_weight=weight,
        )
        for number, (name, fee_bps, weight, windows) in enumerate(_INSTRUCTORS)
    )


def demo_students(today: date, instructors: tuple[DemoInstructor, ...]) -> tuple[DemoStudent, ...]:
    """Return the sixty students, household by household; those of one household share home and guardians."""
    rng = Random(_SEED)  # noqa: S311 - demo data, no secret
    weights = [instructor.students_weight for instructor in instructors]
    students: list[DemoStudent] = []
    for number, family in enumerate(FAMILIES):
        home = _home(rng, number)
        guardians = tuple(_guardian(family, *guardian) for guardian in family.guardians)
        for given_name in family.students:
            name = f"{given_name} {family.surname}"
            # A partner looks after a grown-up.
            youngest, oldest = (26, 44) if family.guardians[0][1] == "partner" else (LEARNER_AGE_YEARS, 19)
            age_days = rng.uniform(youngest + 0.1, oldest) * _DAYS_PER_YEAR
            students.append(
                DemoStudent(
                    id=demo_id("student", name),
                    user_id=demo_id("user", name),
                    full_name=name,
                    email=_email(name, "learners.example"),
                    phone=_mobile(len(students)),
                    dob=today - timedelta(days=round(age_days)),
                    notes=rng.choice(_STUDENT_NOTES),
                    home=home,
                    guardians=guardians,
                    usual_instructor_id=rng.choices(instructors, weights)[0].id,
                )
            )
    return tuple(students)


def _home(rng: Random, number: int) -> Home:
    suburb = SUBURBS[number % len(SUBURBS)]
    street = f"{rng.randint(2, 148)} {rng.choice(suburb.streets)}"
    return Home(
        address=f"{street}, {suburb.name} NSW {suburb.postcode}",
        lat=round(suburb.lat + rng.uniform(-_HOME_SPREAD_DEG, _HOME_SPREAD_DEG), 6),
        lng=round(suburb.lng + rng.uniform(-_HOME_SPREAD_DEG, _HOME_SPREAD_DEG), 6),
    )


def _guardian(family: Family, name: str, relation: str) -> DemoGuardian:
    return DemoGuardian(
        id=demo_id("guardian", name),
        user_id=demo_id("user", name),
        full_name=name,
        email=_email(name, "families.example"),
        phone=_mobile(len(name) * 7 + len(family.surname)),
        relation=relation,
    )


def _mobile(number: int) -> str:
    """Return one of the fictional numbers that no instructor has; there are fewer of them than people."""
    others = FICTIONAL_MOBILES[len(_INSTRUCTORS) :]
    return others[number % len(others)]


def _email(name: str, domain: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return f"{ascii_name.replace(' ', '.').replace(chr(39), '')}@{domain}"


def _hours(days: tuple[int, ...], *windows: tuple[float, float]) -> tuple[WeeklyWindow, ...]:
    """Return weekly windows on each of the days; each from and to an hour of the day."""
    return tuple(
        WeeklyWindow(day, round(start_h * 60), round(end_h * 60))
        for day in days
        for start_h, end_h in windows
    )


# Name, own platform fee (None: the school's), weight of students, hours.
_INSTRUCTORS: Final[tuple[tuple[str, int | None, int, tuple[WeeklyWindow, ...]], ...]] = (
    ("Mei-Ling Chow", None, 6, _hours(_WEEKDAYS, (9, 12.5), (13.25, 17.5))),
    ("Daniel Okafor", None, 6, _hours(_WEEKDAYS, (7, 15))),
    ("Priyanka Raman", 300, 6, _hours((TUE, WED, THU, FRI, SAT), (10, 13), (14, 18))),
    ("Tom Kowalski", 800, 2, _hours((MON, WED, FRI), (9, 14))),
    ("Leila Haddad", None, 5, _hours((MON, TUE, WED, THU), (11.5, 19.5))),
    ("Sean Gallagher", None, 6, _hours(_WEEKDAYS, (8, 12), (13, 17))),
)

_STUDENT_NOTES: Final = (
    None,
    None,
    None,
    "Nervous on multi-lane roads; start in quiet streets.",
    "Has about 40 hours in the logbook.",
    "Practises parking with a parent at weekends.",
    "Wears glasses for driving.",
    "Test booked next month; wants hill starts and kerbside stops.",
    "Learnt to drive a manual overseas; new to our road rules.",
    "Prefers lessons after school.",
)
