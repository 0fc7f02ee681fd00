"""What processes of this machine use, read from /proc: CPU time of a tree, resident memory; and the machine.

Where there is no /proc (not Linux) every function says so with None.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_MB = 1_000_000
_KB = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine in a line for a report; memory in GB."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    parent: int
    name: str
    own_ticks: int
    reaped_ticks: int


def machine() -> Machine:
    """Describe this machine."""
    cpu = platform.processor() or "unknown processor"
    if (PROC / "cpuinfo").exists():
        for line in (PROC / "cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Machine(cpu, os.cpu_count() or 1, round(memory, 1), platform.system(), platform.python_version())


def tree_cpu_s(root: int | None) -> float | None:
    """Return user and system seconds of a process and all its descendants, ended ones included."""
    if root is None:
        return None
    stats = {stat.pid: stat for stat in _all_stats()}
    if root not in stats:
        return None
    ticks = stats[root].reaped_ticks
    for stat in stats.values():
        pid = stat.pid
        while pid not in (root, 0) and pid in stats:
            pid = stats[pid].parent
        if pid == root:
            ticks += stat.own_ticks
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process in MB (10^6 bytes)."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * _KB / _MB


def postmaster_of(backend: int) -> int | None:
    """Return the process that started a PostgreSQL backend, or None if `backend` is none of this machine."""
    stat = _stat(backend)
    if stat is None or "postgres" not in stat.name:
        return None
    return stat.parent


def _all_stats() -> list[_Stat]:
    found = (_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [stat for stat in found if stat is not None]


def _stat(pid: int) -> _Stat | None:
    try:
        line = (PROC / str(pid) / "stat").read_text()
    except OSError:  # it has ended
        return None
    # proc(5): pid (name) state ppid ...; the name may hold spaces and parentheses.
    name, _, rest = line.partition("(")[2].rpartition(")")
    fields = rest.split()
    user, system, reaped_user, reaped_system = (int(field) for field in fields[11:15])
    return _Stat(pid, int(fields[1]), name, user + system, reaped_user + reaped_system)
