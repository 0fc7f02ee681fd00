import re
import shutil
from pathlib import Path

import pytest

from support import readme
from support.embedded_server import open_folder

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_NUMBER = re.compile(r"\d+")


def _shape(output: str) -> str:
    """Return an output without what differs from run to run: ids, times, counts."""
    return _NUMBER.sub("#", _TIME.sub("<time>", _ID.sub("<id>", output)))


def test_the_walk_of_the_readme_prints_what_the_readme_shows() -> None:
    for program in ("bash", "curl", "python3"):
        if shutil.which(program) is None:
            pytest.skip(f"the walk needs {program}, which this machine does not have")
    with open_folder() as folder, readme.demo(folder) as address:
        outputs = readme.run_walk(address, folder)
    assert [_shape(output) for output in outputs] == [_shape(block.output) for block in readme.blocks()]


def test_the_readme_shows_a_day_from_booking_to_the_other_school() -> None:
    shown = "".join(block.output for block in readme.blocks())
    for word in (
        "requested",
        "instructor_busy",
        "confirmed",
        "succeeded",
        "refunded",
        "in_progress",
        "completed",
        "not_found",
    ):
        assert word in shown


def test_the_configuration_table_lists_exactly_the_settings() -> None:
    assert readme.shown_settings_table() == readme.settings_table(), "run scripts/readme.py"


def _pages() -> list[Path]:
    return [*readme.ROOT.glob("*.md"), *(readme.ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(readme.ROOT)))
def test_links_and_paths_in_the_documentation_lead_to_files(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = re.findall(r"`((?:src|tests|scripts|docs|bench)/[\w./-]+)`", text)
    missing += [path for path in named if not (readme.ROOT / path).exists()]
    # Shorter names of our own files: `bookings/lifecycle.py`.
    short = re.findall(r"`([a-z_]+/[\w/]+\.py)(?:[:`])", text)
    places = (readme.ROOT, readme.ROOT / "src" / "driveflow")
    missing += [path for path in short if not any((place / path).exists() for place in places)]
    assert not missing
