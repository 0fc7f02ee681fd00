"""Entrypoints ask services: they build no query, and see a package's tables only for a written reason.

(import-linter knows modules, not names: `from sqlalchemy import text` is one thing, `select` another.)
"""

import ast
from pathlib import Path

import pytest

import driveflow.entrypoints

ENTRYPOINTS = Path(driveflow.entrypoints.__file__).parent
BUILDERS = {"select", "insert", "update", "delete", "func", "join", "exists", "union", "union_all"}
# What an entrypoint may take out of a package's `models`, and why.
ALLOWED = {
    ("api/booking_schemas.py", "driveflow.bookings.models.Booking"),  # the type of the row that it prints
    ("api/instructors.py", "driveflow.people.models.Instructor"),  # as above
    ("api/invoices.py", "driveflow.invoices.models.Invoice"),  # as above
    ("api/payments.py", "driveflow.payments.models.Payment"),  # as above
    ("api/payouts.py", "driveflow.payouts.models.Payout"),  # as above
    ("api/payouts.py", "driveflow.payouts.models.PayoutLine"),  # as above
    ("api/payouts.py", "driveflow.payouts.models.PayoutMethod"),  # a closed list of words
    ("api/payouts.py", "driveflow.payouts.models.ReversalStatus"),  # a closed list of words
    ("api/trips.py", "driveflow.trips.models.Trip"),  # the type of the row that it prints
    ("paying.py", "driveflow.payments.models.Payment"),  # the type of the row that it hands on
    ("paying.py", "driveflow.payments.models.StripeRequestStatus"),  # a closed list of words
    ("reconcile.py", "driveflow.orgs.models.Org"),  # the type of the row that it prints
    ("keys.py", "driveflow.orgs.models.Org"),  # as above
    ("migrate.py", "driveflow.trips.models.PARTITIONS_AHEAD"),  # a number
    ("migrate.py", "driveflow.trips.models.PARTITIONS_BACK"),  # a number
    ("worker/schedule.py", "driveflow.trips.models.PARTITIONS_AHEAD"),  # a number
}


def imported_names(source: str) -> set[str]:
    """Return the full names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


def queries(source: str) -> set[str]:
    """Return what a module imports to build queries with, or to build them on."""
    return {name for name in imported_names(source) if _builds(name) or _is_table(name)}


def _builds(name: str) -> bool:
    package, _, last = name.rpartition(".")
    return name == "sqlalchemy" or (package.startswith("sqlalchemy") and last in BUILDERS)


def _is_table(name: str) -> bool:
    # driveflow.PACKAGE.models and what is in it; driveflow.models only gathers them.
    parts = name.split(".")
    return parts[0] == "driveflow" and parts[2:3] == ["models"]


def test_no_entrypoint_builds_a_query() -> None:
    found = {
        (path.relative_to(ENTRYPOINTS).as_posix(), name)
        for path in ENTRYPOINTS.rglob("*.py")
        for name in queries(path.read_text())
    }
    assert found - ALLOWED == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "from sqlalchemy import select\nfrom driveflow.orgs.models import UserOrg",
            {"sqlalchemy.select", "driveflow.orgs.models.UserOrg"},
        ),
        ("import sqlalchemy as sa", {"sqlalchemy"}),
        ("from driveflow.people import models", {"driveflow.people.models"}),
        (
            "def late():\n    from sqlalchemy.dialects.postgresql import insert",
            {"sqlalchemy.dialects.postgresql.insert"},
        ),
        ("from sqlalchemy import text\nfrom driveflow.models import Base", set()),
    ],
)
def test_the_search_finds_a_query_in_any_spelling(source: str, found: set[str]) -> None:
    assert queries(source) == found
