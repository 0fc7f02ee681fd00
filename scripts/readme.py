"""Renews what README.md shows: runs its walk against a new demo, and lists the settings.

Run it after a change of the API or of the settings, and read the difference before you commit it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import readme
from support.embedded_server import open_folder


def main() -> None:
    """Write README.md."""
    with open_folder() as folder, readme.demo(folder) as address:
        readme.write(readme.run_walk(address, folder))


if __name__ == "__main__":
    main()
