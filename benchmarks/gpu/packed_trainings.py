"""Several trainings at once on one GPU, each a process, as ``recbole-mdcns sweep --engine processes`` packs them.

All processes are started once. Then the first one trains alone, then some of them together, then all of them; a process
that waits holds its memory and does nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from built_run import Setting, build_run
from step_phases import now

#: Numbers of trainings at once.
AT_ONCE = (1, 4, 12)
#: Seconds that each number is timed.
SECONDS = 3.0
_READY = "@ready"
#: Of this process before RecBole chooses a GPU in it; one thread each, as there are many.
_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def time_packed(setting: Setting, command: Sequence[str]) -> dict[str, Any]:
    """Time the steps of 1, 4 and 12 trainings at once, and return the figures by number.

    Args:
        setting: Where they run; one under ``--quick``.
        command: Starts a process that calls :func:`train_when_told`.
    """
    numbers = AT_ONCE[:1] if setting.quick else AT_ONCE
    started = perf_counter()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": _ENVIRONMENT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(numbers[-1])]
    try:
        for process in processes:
            _line(process, _READY)
        rows: list[dict[str, Any]] = [{"s until all were ready": perf_counter() - started}]
        for number in numbers:
            rows.append(_time_together(processes[:number], 0.2 if setting.quick else SECONDS))
        in_use = _gpu_in_use(setting)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            process.stdin.close(), process.stdout.close()  # type: ignore[union-attr]
    return {"rows": rows[1:], **rows[0], "GiB of the GPU in use": in_use}


def _time_together(processes: Sequence[Any], seconds: float) -> dict[str, Any]:
    for process in processes:
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
    results = [json.loads(_line(process, "{")) for process in processes]
    steps = [result["ms per step"] for result in results]
    return {
        "at once": len(processes), "ms per step": statistics.median(steps), "slowest": max(steps),
        "targets per s of all": sum(result["targets per s"] for result in results),
        "MiB of one": max(result["MiB"] for result in results), "steps are captured": results[0]["steps are captured"],
    }  # fmt: skip


def _line(process: Any, start: str) -> str:
    """Return the next line of a process that begins in some way.

    Raises:
        RuntimeError: It ended before.
    """
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise RuntimeError(f"one of the trainings ended with exit code {process.wait()}; its error is above")


def _gpu_in_use(setting: Setting) -> float | None:
    if not setting.on_gpu:
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**30


def train_when_told(setting: Setting) -> None:
    """Build a training and print ``@ready``; then train for as many seconds as each line of stdin says."""
    run = build_run(setting, "SASRec", "amazon-beauty", peer_model="GRU4Rec", batching="static")
    run.prepare(most_steps=10 if setting.quick else None)
    loop = run.trainer.loop
    loop.train_epoch(0)
    print(_READY, flush=True)
    for epoch, line in enumerate(sys.stdin, 1):
        figures = _train_for(loop, float(line), epoch)
        print(json.dumps({**figures, "steps are captured": run.is_captured}), flush=True)


def _train_for(loop: Any, seconds: float, epoch: int) -> dict[str, Any]:
    """Train whole epochs until some seconds are over."""
    started, spent, steps, targets = now(), 0.0, 0, 0
    while spent < seconds:
        targets += loop.train_epoch(epoch)["targets"]
        steps += len(loop.batches)
        spent = now() - started
    memory = torch.cuda.max_memory_reserved() if loop.device.type == "cuda" else 0
    return {"ms per step": 1000 * spent / steps, "targets per s": targets / spent, "MiB": memory / 2**20}
