"""Our package in a Python process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from helpers.paths import python_path


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, and return the process when it has ended."""
    env = {**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env)
