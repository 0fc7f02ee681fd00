"""Races DriveFlow against the peer and against bare SQL on one PostgreSQL, and writes docs/benchmarks.md.

    .venv/bin/python bench/run.py [--quick] [--jobs slots,book,week,gps] [--rounds N]

The peer runs when its folder is beside this repository (`../shared/peer`) or named by BENCH_PEER; the bare
SQL always. BENCH_DATABASE_URL names a server to use (a superuser's address; it gets the databases
bench_driveflow and bench_peer), else one is started for the run. The peer's README has the rule of the race.
"""

import argparse
import contextlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, this file's neighbours are no package yet

from bench import check, outbox, postgres, sides  # noqa: E402 - after the path is set
from bench.growth_page import kept_section  # noqa: E402 - as above
from bench.load_data import (  # noqa: E402 - as above
    BENCH,
    WORK,
    assert_same_rows,
    find_peer,
    prepare_driveflow,
    prepare_peer,
)
from bench.postgres import MissingError, Server, psql  # noqa: E402 - as above
from bench.processes import machine  # noqa: E402 - as above
from bench.race import (  # noqa: E402 - as above
    WRITES,
    HttpSide,
    Job,
    LoadError,
    RunningSide,
    Sample,
    free_port,
    measure,
    memory_mb,
    pgbench,
    point_variables,
    serving,
    wrk,
)
from bench.report import MANY, ONE, SQL, Results, page, verdicts  # noqa: E402 - as above
from bench.sides import TUNED  # noqa: E402 - as above

PAGE = ROOT / "docs" / "benchmarks.md"
STARTS = 3
WARM_UP_S = 2.0


def main() -> int:
    """Run the bench; return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    try:
        wrk()
        WORK.mkdir(exist_ok=True)
        with postgres.running(WORK) as server:
            results = _run(server, options)
            text = page(
                results, machine(), f"{server.version}, {server.kind}", options.rounds, options.seconds
            )
    except (MissingError, LoadError, AssertionError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for verdict in verdicts(results):
        print(verdict.line)
    if options.write:
        # Growth has a run of its own, which takes long.
        kept = kept_section(PAGE.read_text()) if PAGE.exists() else []
        PAGE.write_text(text + "\n".join(kept) + "\n" if kept else text)
        print(f"Wrote {PAGE.relative_to(ROOT)}.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of 2 s; a smoke test, not a measurement"
    )
    parser.add_argument("--jobs", default=",".join(Job), help="which of the four jobs, by commas")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side (5 for figures to quote)")
    parser.add_argument(
        "--no-write", dest="write", action="store_false", help="leave docs/benchmarks.md alone"
    )
    options = parser.parse_args()
    options.seconds = 3.0
    if options.quick:
        options.rounds, options.seconds, options.write = 1, 2.0, False
    try:
        options.jobs = [Job(name) for name in options.jobs.split(",")]
    except ValueError as error:
        parser.error(str(error))
    return options


def _run(server: Server, options: argparse.Namespace) -> Results:
    results = Results()
    _say(f"PostgreSQL {server.version}, {server.kind}")
    url = prepare_driveflow(server)
    ours = sides.driveflow(url)
    rivals = [ours, *_peers(server, url, results)]
    _check(rivals, url, results)
    if Job.SLOTS in options.jobs:
        _measure_starts(rivals, results)
    for job in options.jobs:
        race = _Race(job, url, server.pid, options.seconds, options.rounds, results)
        with contextlib.ExitStack() as stack:
            if job is Job.BOOK:
                stack.enter_context(_open_hours(url))
            race.run([stack.enter_context(serving(side, job, free_port()))[0] for side in rivals])
    _say("outbox")
    events = 20_000 if options.quick else 100_000
    results.outbox_per_s = outbox.measure_outbox(url, events=events, seconds=options.seconds)
    return results


def _peers(server: Server, url: str, results: Results) -> list[HttpSide]:
    source = find_peer()
    if source is None:
        results.absent.append("the peer: its folder is not there (BENCH_PEER may name it).")
        return []
    try:
        folder, peer_url = prepare_peer(server, source)
    except MissingError as error:
        results.absent.append(f"the peer: {error}.")
        return []
    assert_same_rows(url, peer_url)
    results.checks.append(
        "Both databases hold the same bookings, hours and trip points (compared row by row)."
    )
    return [sides.peer(folder, peer_url, tuned=False), sides.peer(folder, peer_url, tuned=True)]


def _check(rivals: list[HttpSide], url: str, results: Results) -> None:
    """Same answers first: what is fast and wrong needs no race."""
    with contextlib.ExitStack() as stack:
        stack.callback(sides.clean_driveflow, url)
        stack.enter_context(_open_hours(url))
        started = [stack.enter_context(serving(side, Job.SLOTS, free_port()))[0] for side in rivals]
        addresses = [f"http://127.0.0.1:{running.port}" for running in started]
        if len(rivals) > 1:
            asked = check.check_answers(addresses[0], addresses[1])
            results.checks.append(
                f"DriveFlow and the peer gave the same answers to {asked} questions (slots, weeks)."
            )
        check.check_race(addresses[0])
        late = stack.enter_context(serving(rivals[0], Job.GPS, free_port()))[0]
        check.check_points(f"http://127.0.0.1:{late.port}")
    results.checks.append(
        "Of 16 racing bookings of one slot exactly one won, four times; the others got 409."
    )
    _say("same answers, one winner a slot")


def _measure_starts(rivals: list[HttpSide], results: Results) -> None:
    times: dict[str, list[float]] = {}
    for _ in range(STARTS):
        for side in rivals:
            with serving(side, Job.SLOTS, free_port()) as (_, seconds):
                times.setdefault(side.name, []).append(seconds)
    results.start_s = {name: statistics.median(values) for name, values in times.items()}
    _say(", ".join(f"{name} starts in {seconds:.2f} s" for name, seconds in results.start_s.items()))


@dataclass(frozen=True, slots=True)
class _Race:
    """One job among started servers and the bare SQL."""

    job: Job
    url: str
    database_pid: int | None
    seconds: float
    rounds: int
    results: Results

    def run(self, running: list[RunningSide]) -> None:
        """Warm up, then measure many clients on all sides, one client on DriveFlow and the typical peer."""
        for side in running:
            self._load(side, MANY, WARM_UP_S, 0)
        self._rounds(MANY, [*running, None])
        for side in running:
            used = memory_mb(side)
            if used is not None:
                self.results.memory_mb[self.job, side.side.name] = used
        self._rounds(ONE, [side for side in running if side.side.name != TUNED])

    def _rounds(self, clients: int, sides_or_sql: Sequence[RunningSide | None]) -> None:
        for number in range(1, self.rounds + 1):
            for side in sides_or_sql if number % 2 else reversed(sides_or_sql):
                sample = self._load(side, clients, self.seconds, number) if side else self._bare_sql(clients)
                name = side.side.name if side else SQL
                self.results.samples.setdefault((self.job, name, clients), []).append(sample)
                cpu = " + ".join(f"{ms:.2f}" for ms in (sample.server_cpu_ms, sample.database_cpu_ms) if ms)
                _say(
                    f"{self.job} c={clients} {name}: {sample.rps:.0f}/s, {sample.failed} failed, CPU {cpu} ms"
                )

    def _load(self, side: RunningSide, clients: int, seconds: float, base: int) -> Sample:
        return measure(
            side, self.job, clients=clients, seconds=seconds, base=base, database_pid=self.database_pid
        )

    def _bare_sql(self, clients: int) -> Sample:
        sample = pgbench(
            self.url,
            BENCH / "sql" / f"{self.job}.sql",
            clients=clients,
            seconds=self.seconds,
            database_pid=self.database_pid,
            variables=point_variables(),
        )
        if self.job in WRITES:
            sides.clean_driveflow(self.url)
        return sample


@contextlib.contextmanager
def _open_hours(url: str) -> Iterator[None]:
    psql(url, "-f", str(BENCH / "sql" / "close_hours.sql"), "-f", str(BENCH / "sql" / "open_hours.sql"))
    try:
        yield
    finally:
        psql(url, "-f", str(BENCH / "sql" / "close_hours.sql"))


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
