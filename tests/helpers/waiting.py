"""Waiting for what another process does."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def wait_for(condition: Callable[[], Any], process: subprocess.Popen | None = None, seconds: int = 300) -> None:
    """Wait until something holds, or fail and show what was said: on a pipe, or in ``out.log``.

    Args:
        condition: It holds as soon as this is true.
        process: The process that should bring it about; its end without the condition is a failure.
        seconds: The longest time.
    """
    for _ in range(seconds * 20):
        if condition():
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    said, log = "", Path("out.log")
    if process is not None and process.stderr is not None:
        process.kill()
        said = process.communicate()[1]
    elif log.exists():
        said = log.read_text()
    pytest.fail(f"it did not happen: {said[-3000:]}")


def in_the_middle(since: float = 0.0) -> bool:
    """Tell whether some trial of a sweep below ./sweeps has finished an epoch after a time, and not its last."""
    with contextlib.suppress(FileNotFoundError):  # a trial has just ended
        return any(path.stat().st_mtime > since for path in Path("sweeps").rglob("model-last.pth"))
    return False
