"""README.md as a test and its script see it: the walk with its outputs, and the table of settings."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from driveflow.core.settings import PREFIX, Settings
from driveflow.integrations import embedded_postgres

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DEMO_ADDRESS = "http://localhost:8000"

_WALK = re.compile(r"```bash\n(?P<commands>[^`]*)```\n\n```text\n(?P<output>[^`]*)```\n")
_TABLE = re.compile(
    r"(?<=<!-- settings: written by scripts/readme.py -->\n).*?(?=<!-- end of settings -->)", re.DOTALL
)
_ADDRESS = re.compile(r"http://localhost:\d+")
_END = "--- end of a block ---"
_START_TIMEOUT_S = 180
_WALK_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of the walk, and what they are said to print."""

    commands: str
    output: str


def blocks() -> list[Block]:
    """Return the blocks of the walk in order."""
    return [Block(found["commands"], found["output"]) for found in _WALK.finditer(README.read_text())]


@contextmanager
def demo(data_dir: Path) -> Iterator[str]:
    """Run `driveflow demo` on a free port and yield its address."""
    environment = _environment(data_dir)
    with subprocess.Popen(
        [_program(), "demo", "--port", "0"],
        cwd=data_dir,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield _address_of(process)
        finally:
            process.terminate()
            ended_with = process.wait(_START_TIMEOUT_S)
    assert ended_with == 0, "SIGTERM is an ordinary end"
    assert embedded_postgres.running_url(data_dir) is None, "the last process stops the embedded server"


def run_walk(address: str, data_dir: Path) -> list[str]:
    """Run the walk's commands in one shell against a demo; return what each block prints.

    Raises AssertionError when the shell says anything on its standard error.
    """
    script = "".join(f"{block.commands}\necho '{_END}'\n" for block in blocks())
    script = script.replace(DEMO_ADDRESS, address).replace(".venv/bin/driveflow", _program())
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=data_dir,
        env=_environment(data_dir),
        capture_output=True,
        text=True,
        check=False,
        timeout=_WALK_TIMEOUT_S,
    )
    assert not done.stderr, done.stderr + done.stdout
    return done.stdout.split(f"{_END}\n")[:-1]


def settings_table() -> str:
    """Return the table of all settings as README.md shows it."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None or field.default == "" else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def shown_settings_table() -> str:
    """Return the table that README.md shows."""
    found = _TABLE.search(README.read_text())
    assert found is not None
    return found[0]


def write(outputs: list[str]) -> None:
    """Put the walk's outputs and the table of settings into README.md."""
    fresh = iter(outputs)
    text = _WALK.sub(
        lambda found: f"```bash\n{found['commands']}```\n\n```text\n{next(fresh)}```\n", README.read_text()
    )
    README.write_text(_TABLE.sub(lambda _: settings_table(), text))


def _program() -> str:
    return str(Path(sys.executable).parent / "driveflow")


def _environment(data_dir: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**inherited, "DRIVEFLOW_DATA_DIR": str(data_dir)}


def _address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        found = _ADDRESS.search(line)
        if found is not None:
            return found[0]
    raise AssertionError(f"the demo did not start: {said}")
