"""The peak memory of a piece of work, above what the process had before it."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_above(work: Callable[[], Any]) -> dict[str, float]:
    """Return the MiB that a piece of work needs on top of what its process has before.

    Linux keeps the peak of a process and sets it back when asked; elsewhere a thread looks every millisecond.

    Args:
        work: Is called once.
    """
    process = psutil.Process()
    _give_back()
    before = process.memory_info().rss
    try:
        _CLEAR.write_text("5")
    except OSError:
        peak = _watched(process, work)
    else:
        work()
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        peak = int(line.split()[1]) * 1024
    return {"MiB": max(0, peak - before) / 2**20}


def _give_back() -> None:
    """Give freed memory back to the system: otherwise the work would fill it without a trace."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _watched(process: psutil.Process, work: Callable[[], Any]) -> int:
    peak, is_done = process.memory_info().rss, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_done.wait(0.001):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        is_done.set()
        watcher.join()
    return peak
