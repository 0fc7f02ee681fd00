"""The targets, and what a run says about them: as lines for the terminal and as docs/benchmarks.md."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench.processes import Machine
from bench.race import POINTS_PER_BATCH, Job, Sample, median
from bench.sides import DRIVEFLOW, TUNED, TYPICAL

SQL = "SQL"
MANY, ONE = 16, 1
SIDES = (DRIVEFLOW, TYPICAL, TUNED, SQL)
_TITLES = {
    Job.SLOTS: "slot search, 7 days x 10 instructors",
    Job.BOOK: "booking with price, audit, outbox",
    Job.WEEK: "week list of a school, ~300 rows with names",
    Job.GPS: "batch of 100 trip points",
}


@dataclass(frozen=True, slots=True)
class JobTarget:
    """How many times as fast as the peer, and what share of bare SQL, a job must reach."""

    vs_typical: float
    vs_tuned: float
    one_client: float
    of_sql: float


TARGETS = {
    Job.SLOTS: JobTarget(8, 2.5, 4, 0.35),
    Job.BOOK: JobTarget(8, 2.5, 4, 0.35),
    Job.WEEK: JobTarget(6, 4, 4, 0.4),
    Job.GPS: JobTarget(12, 10, 7, 0.4),
}
MEMORY_TARGET = 0.5
START_TARGET = 1.0
OUTBOX_TARGET = 0.3
POINTS_TARGET_PER_S = 60_000


@dataclass(slots=True)
class Results:
    """All that a run measured; sides that did not run are absent."""

    samples: dict[tuple[Job, str, int], list[Sample]] = field(default_factory=dict)
    memory_mb: dict[tuple[Job, str], float] = field(default_factory=dict)
    start_s: dict[str, float] = field(default_factory=dict)
    outbox_per_s: dict[str, float] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def median(self, job: Job, side: str, clients: int, figure: str) -> float | None:
        """Return the median of a figure, or None when this was not run or not readable."""
        return median(self.samples.get((job, side, clients), []), figure)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what is compared, the measured value, and the bound."""

    what: str
    value: float | None
    bound: float
    at_least: bool = True
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def sign(self) -> str:
        """Which side of the bound is good."""
        return ">=" if self.at_least else "<="

    @property
    def line(self) -> str:
        """The verdict in a line."""
        word = {True: "met", False: "MISSED", None: "not measured"}[self.met]
        value = "-" if self.value is None else _number(self.value)
        return f"{self.what}: {value}{self.unit} ({self.sign} {_number(self.bound)}) {word}"


def verdicts(results: Results) -> Iterator[Verdict]:
    """Yield every target with what was measured."""
    for job, target in TARGETS.items():
        ours = results.median(job, DRIVEFLOW, MANY, "rps")
        if ours is None:
            continue
        typical, tuned = (results.median(job, side, MANY, "rps") for side in (TYPICAL, TUNED))
        yield Verdict(f"{job}, vs typical", _ratio(ours, typical), target.vs_typical)
        yield Verdict(f"{job}, vs tuned", _ratio(ours, tuned), target.vs_tuned)
        wait = results.median(job, DRIVEFLOW, ONE, "p50_ms")
        yield Verdict(
            f"{job}, one client's p50 vs typical",
            _ratio(results.median(job, TYPICAL, ONE, "p50_ms"), wait),
            target.one_client,
        )
        share = _ratio(ours, results.median(job, SQL, MANY, "rps"))
        yield Verdict(f"{job}, of bare SQL", share, target.of_sql)
        if job is Job.BOOK:
            failed = sum(sample.failed for sample in results.samples[job, DRIVEFLOW, MANY])
            yield Verdict("book, false conflicts", failed, 0, at_least=False, unit="")
        if job is Job.GPS:
            yield Verdict("gps, points a second", ours * POINTS_PER_BATCH, POINTS_TARGET_PER_S, unit="")
        yield Verdict(
            f"{job}, memory vs typical",
            _ratio(results.memory_mb.get((job, DRIVEFLOW)), results.memory_mb.get((job, TYPICAL))),
            MEMORY_TARGET,
            at_least=False,
        )
    if DRIVEFLOW in results.start_s:
        yield Verdict(
            "start to first slots answer vs typical",
            _ratio(results.start_s[DRIVEFLOW], results.start_s.get(TYPICAL)),
            START_TARGET,
            at_least=False,
        )
    if DRIVEFLOW in results.outbox_per_s:
        share = _ratio(results.outbox_per_s[DRIVEFLOW], results.outbox_per_s.get(SQL))
        yield Verdict("outbox, of bare SQL", share, OUTBOX_TARGET)


def page(results: Results, machine: Machine, server: str, rounds: int, seconds: float) -> str:
    """Return docs/benchmarks.md."""
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Ratios hold between machines, absolute figures do not.",
        "Where the time goes, why targets are missed: [decisions/0011-speed.md](decisions/0011-speed.md).",
        "",
        f"- Date: {now}",
        f"- Machine: {machine.cores} cores, {machine.memory_gb} GB, {machine.cpu}, {machine.system}",
        f"- Python {machine.python}; PostgreSQL {server}",
        f"- Load: wrk, one thread, {MANY} clients and {ONE}; medians of {rounds} rounds of {seconds:g} s.",
        "  Server, database and load share the machine. One process a server, a pool of 10 connections each.",
        "- DriveFlow runs with authentication, tenancy, row-level security and rate limits; the peer and",
        "  the bare SQL have none. *typical* and *tuned* are variants of the seed's stack (Prisma, Fastify).",
        *(f"- {line}" for line in results.checks),
        *(f"- Not measured: {line}" for line in results.absent),
        "",
        "## Targets",
        "",
        "| target | measured | bound | |",
        "|---|---|---|---|",
        *(_verdict_row(verdict) for verdict in verdicts(results)),
    ]
    for job, title in _TITLES.items():
        if any(key[0] is job for key in results.samples):
            lines += ["", f"## {title[0].upper()}{title[1:]}", "", "CPU in ms a request.", ""]
            lines += _job_table(results, job)
    lines += ["", "## Start and outbox", "", *_other_lines(results), ""]
    return "\n".join(lines)


def _job_table(results: Results, job: Job) -> Iterator[str]:
    yield "| side | clients | requests/s | p50 ms | p99 ms | server CPU | PostgreSQL CPU | failed | MB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for clients in (MANY, ONE):
        for side in SIDES:
            samples = results.samples.get((job, side, clients))
            if samples:
                failed = f"{sum(s.failed for s in samples)} of {sum(s.requests for s in samples)}"
                memory = results.memory_mb.get((job, side)) if clients == MANY else None
                figures = ("rps", "p50_ms", "p99_ms", "server_cpu_ms", "database_cpu_ms")
                cells = [_cell(median(samples, figure)) for figure in figures]
                yield f"| {side} | {clients} | {' | '.join(cells)} | {failed} | {_cell(memory)} |"


def _other_lines(results: Results) -> Iterator[str]:
    for side, seconds in results.start_s.items():
        yield f"- {side}: {seconds:.2f} s from start to the first slots answer."
    for side, rate in results.outbox_per_s.items():
        yield f"- {side}: {rate:,.0f} outbox events a second, 100 a batch, one worker, a no-op handler."


def _verdict_row(verdict: Verdict) -> str:
    word = {True: "met", False: "**missed**", None: "not measured"}[verdict.met]
    bound = f"{verdict.sign} {_number(verdict.bound)}"
    return f"| {verdict.what} | {_cell(verdict.value)}{verdict.unit} | {bound} | {word} |"


def _cell(value: float | None) -> str:
    return "" if value is None else _number(value)


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
