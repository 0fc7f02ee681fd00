"""Runs load against one side at a time and measures it: rates, waits, CPU of server and database, memory.

A *side* is a server behind HTTP (DriveFlow, the two variants of the peer) or the bare SQL under pgbench. The
rounds of a job are interleaved A B C, C B A, ... so that a slow minute of the machine hits all of them.
"""

import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.postgres import MissingError, program
from bench.processes import resident_mb, tree_cpu_s

POINTS_PER_BATCH = 100
PGBENCH_CLIENTS = 16
_START_TIMEOUT_S = 30.0
_REST_S = 0.25
_MS = 1_000
_UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


class Job(StrEnum):
    """The four hot jobs."""

    SLOTS = "slots"
    BOOK = "book"
    WEEK = "week"
    GPS = "gps"


WRITES = frozenset({Job.BOOK, Job.GPS})
ROWS_PER_REQUEST = {Job.BOOK: 1, Job.GPS: POINTS_PER_BATCH}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of load; CPU is None where it cannot be read, waits are None for pgbench."""

    requests: int
    failed: int
    rps: float
    p50_ms: float | None
    p99_ms: float | None
    server_cpu_ms: float | None
    database_cpu_ms: float | None


@dataclass(frozen=True, slots=True)
class HttpSide:
    """A server that can be started; `load` are the arguments of its wrk script for a job and a base."""

    name: str
    command: Callable[[Job, int], list[str]]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    first_slots: Callable[[int], urllib.request.Request]
    load: Callable[[Job, int], list[str]]
    clean: Callable[[], None]
    rows_written: Callable[[Job], int]
    busy_backends: Callable[[], int]


@dataclass(frozen=True, slots=True)
class RunningSide:
    """A started server."""

    side: HttpSide
    process: subprocess.Popen[bytes]
    port: int


class LoadError(Exception):
    """A round did not do what it claims: the figures would be worth nothing."""


def wrk() -> str:
    """Return the path of wrk; raises MissingError."""
    found = shutil.which("wrk")
    if found is None:
        raise MissingError("wrk is missing: apt-get install wrk (https://github.com/wg/wrk)")
    return found


@contextmanager
def serving(side: HttpSide, job: Job, port: int) -> Iterator[tuple[RunningSide, float]]:
    """Start a server; yield it and the seconds until it answered its first slot search."""
    began = time.monotonic()
    with side.log.open("wb") as log:
        process = subprocess.Popen(
            side.command(job, port),
            cwd=side.folder,
            env=dict(side.environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_slots(side, process, port, began + _START_TIMEOUT_S)
        yield RunningSide(side, process, port), time.monotonic() - began
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measure(
    running: RunningSide, job: Job, *, clients: int, seconds: float, base: int, database_pid: int | None
) -> Sample:
    """Run wrk once and return what it saw; what it wrote is checked and removed. Base 0 is the warm-up.

    Raises LoadError when fewer rows were written than acknowledged, or nothing was answered at all.
    """
    side = running.side
    script, *arguments = side.load(job, base)
    options = ["-t1", f"-c{clients}", f"-d{seconds:g}s", "--latency", "--timeout", "20s", "-s", script]
    server_before, database_before = tree_cpu_s(running.process.pid), tree_cpu_s(database_pid)
    done = subprocess.run(
        [wrk(), *options, f"http://127.0.0.1:{running.port}", "--", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    server_after, database_after = tree_cpu_s(running.process.pid), tree_cpu_s(database_pid)
    text = done.stdout
    requests = int(_found(r"(\d+) requests in", text))
    failed = int(_found(r"Non-2xx or 3xx responses: (\d+)", text, "0"))
    timed_out = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", text))
    if requests == 0 and base:  # on a busy machine a warm-up may end before a server's first answer
        raise LoadError(f"{side.name} answered nothing on {job}:\n{text}{done.stderr}")
    if job in WRITES:
        _await_rest(side)
        written = side.rows_written(job)
        side.clean()
        if written < (requests - failed) * ROWS_PER_REQUEST[job]:
            raise LoadError(f"{side.name} acknowledged {requests - failed} of {job} but wrote {written} rows")
    return Sample(
        requests=requests,
        failed=failed + timed_out,
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        p50_ms=_wait_ms("50", text),
        p99_ms=_wait_ms("99", text),
        server_cpu_ms=_per_request(server_before, server_after, requests),
        database_cpu_ms=_per_request(database_before, database_after, requests),
    )


def pgbench(
    url: str,
    script: Path,
    *,
    clients: int,
    seconds: float,
    database_pid: int | None,
    variables: Mapping[str, str],
) -> Sample:
    """Run a script of bare SQL with prepared statements; raises LoadError when a statement fails."""
    command = [
        program("pgbench"),
        "-n",
        f"-c{clients}",
        "-j1",
        f"-T{max(1, round(seconds))}",
        "-M",
        "prepared",
    ]
    for name, value in {"n": "0", "clients": str(clients), **variables}.items():
        command += ["-D", f"{name}={value}"]
    before = tree_cpu_s(database_pid)
    done = subprocess.run([*command, "-f", str(script), url], check=False, capture_output=True, text=True)
    after = tree_cpu_s(database_pid)
    if done.returncode:
        raise LoadError(f"pgbench failed on {script.name}:\n{done.stderr[-2000:]}")
    requests = int(_found(r"actually processed: (\d+)", done.stdout))
    rps = float(_found(r"tps = ([\d.]+)", done.stdout))
    return Sample(requests, 0, rps, None, None, None, _per_request(before, after, requests))


def point_variables() -> dict[str, str]:
    """Return the points that gps.sql inserts, the same as the load's, as array literals."""
    numbers = range(POINTS_PER_BATCH)
    columns = {
        "seconds": (str(number * 2) for number in numbers),
        "lat": (f"-33.8{10_000 + number * 7}" for number in numbers),
        "lng": (f"151.2{10_000 + number * 11}" for number in numbers),
        "speed_kph": (f"{30 + number % 30}.5" for number in numbers),
    }
    return {name: "{" + ",".join(values) + "}" for name, values in columns.items()}


def median(samples: list[Sample], figure: str) -> float | None:
    """Return the median of a figure over the rounds, or None where it was not measured."""
    values = [getattr(sample, figure) for sample in samples]
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def memory_mb(running: RunningSide) -> float | None:
    """Return the resident memory of the server now."""
    return resident_mb(running.process.pid)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_slots(side: HttpSide, process: subprocess.Popen[bytes], port: int, deadline: float) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LoadError(
                f"{side.name} ended with exit code {process.returncode} instead of serving: {side.log}"
            )
        try:
            with urllib.request.urlopen(side.first_slots(port), timeout=_START_TIMEOUT_S) as answer:  # noqa: S310 - our own server
                answer.read()
                return
        except urllib.error.HTTPError as error:
            raise LoadError(
                f"{side.name} answers {error.code}: {error.read()[:500]!r}: {side.log}"
            ) from error
        except OSError:
            time.sleep(0.005)
    raise LoadError(f"{side.name} did not answer within {_START_TIMEOUT_S:g} s")


def _await_rest(side: HttpSide) -> None:
    """Wait until the requests that wrk left in flight have ended: they would write after the broom."""
    quiet_since = time.monotonic()
    deadline = quiet_since + _START_TIMEOUT_S
    while time.monotonic() - quiet_since < _REST_S:
        if side.busy_backends():
            quiet_since = time.monotonic()
        if quiet_since > deadline:
            raise LoadError(f"{side.name} does not come to rest")
        time.sleep(_REST_S / 5)


def _found(pattern: str, text: str, default: str | None = None) -> str:
    match = re.search(pattern, text)
    if match is None:
        if default is None:
            raise LoadError(f"no {pattern!r} in:\n{text}")
        return default
    return match.group(1)


def _wait_ms(percent: str, text: str) -> float:
    value = _found(rf"\s{percent}%\s+([\d.]+(?:us|ms|s|m))\s", text)
    number = value.rstrip("ums")
    return float(number) * _UNIT_MS[value.removeprefix(number)]


def _per_request(before: float | None, after: float | None, requests: int) -> float | None:
    return None if before is None or after is None else (after - before) * _MS / max(requests, 1)
