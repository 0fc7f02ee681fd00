"""What the launcher of the embedded server asks of the operating system about processes and permissions.

Linux answers from /proc; macOS and the BSDs from `ps`. Both say the same three things of a process: its
parent, its command line (PostgreSQL writes what it does there), and a mark of when it started. A process id
alone names nobody, because ids are used again; together with the start mark it does.
"""

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "stat").exists()


@dataclass(frozen=True, slots=True)
class Process:
    """One live process: its id, its parent's id, its start mark and its command line joined by spaces."""

    pid: int
    parent_pid: int
    start_mark: str
    command: str


def find_process(pid: int) -> Process | None:
    """Return the live process with this id, or None; a zombie counts as dead."""
    if _HAS_PROC:
        return _read_proc(pid)
    return next(_read_ps("-p", str(pid)), None)


def all_processes() -> Iterator[Process]:
    """Yield every live process that this user may see."""
    if not _HAS_PROC:
        yield from _read_ps("-ax")
        return
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (process := _read_proc(int(entry.name))) is not None:
            yield process


def _read_proc(pid: int) -> Process | None:
    try:
        status = (_PROC / str(pid) / "stat").read_text(errors="replace")
        command = (_PROC / str(pid) / "cmdline").read_text(errors="replace")
    except OSError:
        return None
    # proc_pid_stat(5): the name in parentheses may hold any character, so fields count from the last ")".
    fields = status.rpartition(")")[2].split()
    state, parent_pid, start_ticks = fields[0], fields[1], fields[19]
    if state in "ZXx":
        return None
    return Process(pid, int(parent_pid), start_ticks, command.replace("\0", " ").strip())


def _read_ps(*selection: str) -> Iterator[Process]:
    listing = subprocess.run(  # noqa: S603 - a fixed program with our own arguments
        ["ps", *selection, "-ww", "-o", "pid=,ppid=,stat=,lstart=,command="],  # noqa: S607 - its folder differs by system
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C"},
    ).stdout
    for line in listing.splitlines():
        # lstart is five words: "Mon Nov 22 21:28:00 2027".
        pid, parent_pid, state, *rest = line.split(None, 8)
        if not state.startswith("Z"):
            yield Process(int(pid), int(parent_pid), " ".join(rest[:5]), " ".join(rest[5:]).strip())


def may_enter(folder: Path, uid: int, gid: int) -> bool:
    """Return whether a user in one group may reach `folder`: search permission on it and all its parents."""
    return all(_may_search(part.stat(), uid, gid) for part in (folder, *folder.parents))


def _may_search(status: os.stat_result, uid: int, gid: int) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
