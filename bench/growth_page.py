"""What growth.py measured, as a section of docs/benchmarks.md."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

GROWTH_TARGET = 1.3
SMALL = "small"
_TITLE = "## Growth"


@dataclass(frozen=True, slots=True)
class Size:
    """How much a database holds."""

    schools: int
    bookings: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Median and 95th percentile in ms, by database and job."""

    sizes: dict[str, Size]
    took_ms: dict[tuple[str, str], tuple[float, float]]

    def ratio(self, name: str, job: str) -> float:
        """Return how many times as long the median of a job is as in the small database."""
        return self.took_ms[name, job][0] / self.took_ms[SMALL, job][0]

    @property
    def worst_ratio(self) -> float:
        """Return the largest ratio of all."""
        return max(self.ratio(name, job) for name, job in self.took_ms)


def section(growth: Growth) -> list[str]:
    """Return the section's lines."""
    return [_TITLE, "", *_intro(growth), "", *_table(growth)]


def with_section(page: str, lines: list[str]) -> str:
    """Return a page with its section "Growth" replaced, or added at the end."""
    rest = re.sub(rf"\n*^{_TITLE}\n.*?(?=^## |\Z)", "\n", page, flags=re.DOTALL | re.MULTILINE)
    return rest.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def kept_section(page: str) -> list[str]:
    """Return the lines of a page's section "Growth", which has a run of its own."""
    found = re.search(rf"^{_TITLE}\n.*?(?=^## |\Z)", page, flags=re.DOTALL | re.MULTILINE)
    return ["", *found[0].rstrip("\n").split("\n")] if found else []


def _intro(growth: Growth) -> Iterator[str]:
    word = "met" if growth.worst_ratio <= GROWTH_TARGET else "**missed**"
    yield "Written by `make bench-growth`: one server on each database, one client that asks 100 schools,"
    yield "spread over all of them, the same of each server in turn. Over HTTP, with all that is on."
    yield f"At most {growth.worst_ratio:.2f}x as slow as when small (bound <= {GROWTH_TARGET}): {word}."


def _table(growth: Growth) -> Iterator[str]:
    yield "| job | database | schools | bookings | p50 ms | p95 ms | p50 vs small |"
    yield "|---|---|---|---|---|---|---|"
    for (name, job), (median, p95) in sorted(growth.took_ms.items(), key=lambda item: item[0][1] == "book"):
        size = growth.sizes[name]
        yield (
            f"| {job} | {name} | {size.schools:,} | {size.bookings:,} | {median:.2f} | {p95:.2f} "
            f"| {growth.ratio(name, job):.2f}x |"
        )
