"""Seconds of each phase of a training step, and the memory of training."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
import torch

from recbole_mdcns.records.environment import reset_peak_memory

STEP_PHASES = ("batches", "sampling", "encoding", "scoring and losses", "backward", "optimiser")


def now() -> float:
    """Return the time in seconds, once a GPU has done what it was asked."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


class PhaseSeconds:
    """Seconds spent in watched methods, each second in the innermost of them.

    Attributes:
        seconds: By phase.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def watch(self, owner: Any, name: str, phase: str) -> None:
        """Count a method of an object as a phase."""
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = now()
            result = method(*args, **kwargs)
            spent = now() - started
            self.seconds[phase] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent
            return result

        setattr(owner, name, watched)


def reset_peak() -> int:
    """Forget the highest memory in use so far and return what is in use now, in bytes."""
    on_gpu = torch.cuda.is_initialized()
    reset_peak_memory(torch.device("cuda" if on_gpu else "cpu"))
    return torch.cuda.memory_allocated() if on_gpu else psutil.Process().memory_info().rss


def peak() -> int:
    """Return the highest memory in use since then: of the GPU, otherwise resident; Linux says it in /proc."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
