"""Shows that slot search and booking do not slow down as schools and bookings grow (docs/benchmarks.md).

    .venv/bin/python bench/growth.py [--bookings N]

Three databases: few schools with a short diary, many schools, and few schools with a long diary. One server
on each, one client, and the same requests to all three in turn, so that a slow minute hits all of them. The
data are removed afterwards. Prints the ratios, and renews the section "Growth" of docs/benchmarks.md.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, this file's neighbours are no package yet

from bench import ids, postgres, sides  # noqa: E402 - after the path is set
from bench.growth_page import GROWTH_TARGET, Growth, Size, section, with_section  # noqa: E402 - as above
from bench.load_data import BENCH, WORK, keys_sql  # noqa: E402 - as above
from bench.postgres import MissingError, Server, psql  # noqa: E402 - as above
from bench.race import Job, LoadError, free_port, serving  # noqa: E402 - as above

PAGE = ROOT / "docs" / "benchmarks.md"
SCHOOLS_ASKED = 100
BOOKINGS_A_DAY = 50
SMALL_SCHOOLS, MANY_SCHOOLS = 100, 10_000
SMALL_BOOKINGS, MANY_BOOKINGS = 100_000, 5_000_000
WARM_UP, REQUESTS = 200, 1_000
_PREFIX = "bench_growth_"
_OK = (200, 201)


@dataclass(slots=True)
class Case:
    """One database and what its server took for each request, in ms."""

    name: str
    size: Size
    url: str
    took_ms: dict[Job, list[float]] = field(default_factory=dict)

    @property
    def stride(self) -> int:
        """How far apart the schools are that are asked: they are spread over all of them."""
        return self.size.schools // SCHOOLS_ASKED


def main() -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bookings", type=int, default=MANY_BOOKINGS, help="bookings of the two large databases"
    )
    parser.add_argument(
        "--no-write", dest="write", action="store_false", help="leave docs/benchmarks.md alone"
    )
    options = parser.parse_args()
    if options.bookings < 1 or options.bookings % (MANY_SCHOOLS * BOOKINGS_A_DAY):
        parser.error(f"whole days only: a multiple of {MANY_SCHOOLS * BOOKINGS_A_DAY:,}")
    WORK.mkdir(exist_ok=True)
    try:
        with postgres.running(WORK) as server:
            growth = measure(server, options.bookings)
    except (MissingError, LoadError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    lines = section(growth)
    print("\n".join(lines))
    if options.write:
        PAGE.write_text(with_section(PAGE.read_text(), lines))
    return 0 if growth.worst_ratio <= GROWTH_TARGET else 1


def measure(server: Server, bookings: int) -> Growth:
    """Fill the databases, measure on all of them in turn, and drop them."""
    sizes = {
        "small": Size(SMALL_SCHOOLS, SMALL_BOOKINGS),
        "many schools": Size(MANY_SCHOOLS, bookings),
        "long diaries": Size(SMALL_SCHOOLS, bookings),
    }
    with contextlib.ExitStack() as stack:
        cases = [stack.enter_context(_filled(server, name, size)) for name, size in sizes.items()]
        connections: list[HTTPConnection] = []
        for case in cases:
            port = free_port()
            stack.enter_context(serving(sides.driveflow(case.url), Job.SLOTS, port))
            connection = stack.enter_context(contextlib.closing(HTTPConnection("127.0.0.1", port)))
            connections.append(connection)
        for job in (Job.SLOTS, Job.BOOK):
            for number in range(WARM_UP + REQUESTS):
                for turn in range(len(cases)):
                    place = (number + turn) % len(cases)
                    case = cases[place]
                    took_ms = _ask(case, connections[place], job, number)
                    if number >= WARM_UP:
                        case.took_ms.setdefault(job, []).append(took_ms)
        return Growth(
            {case.name: case.size for case in cases},
            {
                (case.name, job.value): (statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1])
                for case in cases
                for job, took_ms in case.took_ms.items()
            },
        )


@contextlib.contextmanager
def _filled(server: Server, name: str, size: Size) -> Iterator[Case]:
    from driveflow.entrypoints.migrate import migrate  # noqa: PLC0415 - only where it is used

    database = _PREFIX + name.replace(" ", "_")
    url = server.url(database)
    days = size.bookings // (size.schools * BOOKINGS_A_DAY)
    began = time.monotonic()
    psql(server.admin_url, "-c", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    psql(server.admin_url, "-c", f"CREATE DATABASE {database}")
    try:
        asyncio.run(migrate(url))
        case = Case(name, size, url)
        sql = str(BENCH / "sql" / "growth.sql")
        psql(url, "-v", f"orgs={size.schools}", "-v", f"days={days}", "-f", sql)
        psql(url, "-c", keys_sql(SCHOOLS_ASKED, case.stride), "-c", "VACUUM (ANALYZE)", "-c", "CHECKPOINT")
        print(f"{time.strftime('%H:%M:%S')} {name}: filled in {time.monotonic() - began:.0f} s", flush=True)
        yield case
    finally:
        psql(server.admin_url, "-c", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def _ask(case: Case, connection: HTTPConnection, job: Job, number: int) -> float:
    """Send the request of a number to a case's server; return how long it took, in ms."""
    school = number % SCHOOLS_ASKED * case.stride
    path = f"/api/v1/orgs/{ids.org(school)}"
    headers = {"Authorization": f"Bearer {ids.api_key(ids.org(school))}", "Content-Type": "application/json"}
    body = None
    if job is Job.SLOTS:
        path += f"/slots?service_id={ids.service(school, 1)}&from={ids.rfc3339(ids.day(1))}"
        path += f"&to={ids.rfc3339(ids.day(8))}"
    else:
        # An hour of its own for each request, long after every diary: 10 instructors, 8 hours a day.
        turn = number // SCHOOLS_ASKED
        path += "/bookings"
        body = json.dumps(
            {
                "student_id": str(ids.student(school, turn % 30)),
                "instructor_id": str(ids.instructor(school, turn % 10)),
                "service_id": str(ids.service(school, 1)),
                "start_at": f"2031-01-{1 + turn // 8 % 28:02}T{turn % 8:02}:00:00Z",
            }
        )
    began = time.perf_counter()
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    told = answer.read()
    took_ms = (time.perf_counter() - began) * 1_000
    if answer.status not in _OK or (job is Job.SLOTS and b"start_at" not in told):
        raise LoadError(f"{case.name} answered {answer.status} to {job}: {told[:500]!r}")
    return took_ms


if __name__ == "__main__":
    sys.exit(main())
