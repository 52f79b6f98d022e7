"""Run each case of a measurement in a separate process: no case finds warm caches or memory of another."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def measure_apart(
    script: str, arguments: Sequence[str], timeout: float | None = None, process_num: int = 1
) -> dict[str, Any]:
    """Run a script that prints its result as JSON on its last line, and return that result.

    Args:
        script: The script.
        arguments: Its arguments.
        timeout: Seconds that it may take.
        process_num: With several, ``torchrun`` starts the script in each; the first one prints.

    Raises:
        subprocess.CalledProcessError: It failed; its messages are on stderr.
        subprocess.TimeoutExpired: It took longer.
    """
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={process_num}"]
    command = [sys.executable, *(several if process_num > 1 else []), script, *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=timeout, check=True)
    return json.loads(ended.stdout.splitlines()[-1])
