"""The command line, run as its operator runs it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.databases import Cluster

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DRIVEFLOW_")}


class CommandLine:
    """`driveflow` on one database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.environment = {**ENVIRONMENT, "DRIVEFLOW_DATABASE_URL": url, "COLUMNS": "200"}
        self.folder = folder

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "driveflow.entrypoints", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout


@pytest.fixture
def driveflow(fresh_database_url: str, tmp_path: Path) -> CommandLine:
    return CommandLine(fresh_database_url, tmp_path)


@pytest.fixture
def empty(cluster: Cluster, tmp_path: Path) -> Iterator[CommandLine]:
    with cluster.empty() as url:
        yield CommandLine(url, tmp_path)


def test_migrate_brings_an_empty_database_to_the_newest_schema(empty: CommandLine) -> None:
    assert "run `driveflow migrate`" in empty("serve", fails=True)
    assert "run `driveflow migrate`" in empty("worker", fails=True)
    assert re.search(r"at revision \S+\.", empty("migrate"))
    assert "agree" in empty("migrate", "--check")
    assert "problem" not in empty("doctor")


def test_seed_prints_the_same_rows_on_a_second_run(driveflow: CommandLine) -> None:
    first: dict[str, Any] = json.loads(driveflow("seed", "--json"))
    assert json.loads(driveflow("seed", "--json")) == first
    assert list(first) == ["org", "owner", "instructor", "student", "service", "rate"]
    assert first["org"]["slug"] == "demo-driving-school"
    assert first["org"]["id"] in driveflow("seed")


def test_a_school_is_opened_and_keys_are_made(driveflow: CommandLine) -> None:
    made = driveflow("create-org", "Bondi Driving", "--owner-email", "Owner@Bondi.example")
    assert "slug  bondi-driving" in made
    assert "key   dfk_" in made
    assert driveflow("apikey", "--org", "bondi-driving", "--role", "admin").startswith("dfk_")
    problem = driveflow("apikey", "--org", "bondi-driving", "--role", "student", fails=True)
    assert "needs student_id" in problem
    assert "no school" in driveflow("apikey", "--org", "nowhere", "--role", "admin", fails=True)
    taken = driveflow(
        "create-org", "Other", "--slug", "bondi-driving", "--owner-email", "a@b.example", fails=True
    )
    assert "slug" in taken


def test_operators_see_waiting_events_and_a_worker_takes_them(driveflow: CommandLine) -> None:
    assert driveflow("outbox", "list").strip() == "No pending events."
    assert driveflow("outbox", "dead").strip() == "No dead events."
    driveflow("worker", "--once")
    missing = driveflow("outbox", "retry", "00000000-0000-7000-8000-000000000000", fails=True)
    assert missing.startswith("driveflow:")


def test_the_address_in_use_is_printed(driveflow: CommandLine, fresh_database_url: str) -> None:
    assert driveflow("database-url").strip() == fresh_database_url
    driveflow.environment.pop("DRIVEFLOW_DATABASE_URL")
    assert "does not run" in driveflow("database-url", fails=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("DRIVEFLOW_PORT", "many"), ("DRIVEFLOW_DATABASE_URL", "mysql://x"), ("DRIVEFLOW_LOG_LEVEL", "loud")],
)
def test_a_wrong_setting_stops_the_program_with_a_line_that_names_it(
    driveflow: CommandLine, name: str, value: str
) -> None:
    driveflow.environment[name] = value
    problem = driveflow("serve", fails=True)
    assert problem.startswith(f"driveflow: {name} is wrong")
    assert problem.count("\n") == 1


def test_a_database_that_does_not_answer_is_said_in_one_line(driveflow: CommandLine) -> None:
    driveflow.environment["DRIVEFLOW_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    assert driveflow("migrate", fails=True).startswith("driveflow: cannot reach the database")


def test_a_schema_of_a_later_version_is_refused(driveflow: CommandLine, fresh_database_url: str) -> None:
    from support.databases import wait_for  # noqa: PLC0415 - the only test that needs it

    async def pretend() -> None:
        import asyncpg  # noqa: PLC0415 - as above

        connection = await asyncpg.connect(fresh_database_url)
        await connection.execute("UPDATE alembic_version SET version_num = '20991231_01_later'")
        await connection.close()

    wait_for(pretend())
    assert "does not know" in driveflow("migrate", fails=True)
    assert "20991231_01_later" in driveflow("serve", fails=True)


def test_the_version_and_the_help_answer(driveflow: CommandLine) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", driveflow("version"))
    assert "Runs a driving school" in driveflow("--help")
