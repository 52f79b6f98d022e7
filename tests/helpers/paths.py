"""Where the repository and its parts are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


def python_path(*folders: Path | str) -> str:
    """Return a PYTHONPATH with some folders, the repository, and what it holds now: packages may be found by it."""
    now = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*map(str, folders), str(ROOT), *([now] if now else [])])
