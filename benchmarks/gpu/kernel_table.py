"""What a GPU does in one training step: how many kernels, how long it computes, and which kernels take longest."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from built_run import Setting, build_run
from step_phases import now
from torch.profiler import ProfilerActivity, profile

#: Steps under the profiler.
STEPS = 5
#: Kernels that the page names.
MOST_NAMES = 15
#: The kinds of events of a trace that are work of a GPU.
GPU_WORK = frozenset({"kernel", "gpu_memcpy", "gpu_memset"})


def profile_step(setting: Setting, peer: str, captures: bool, batch: int = 1024) -> dict[str, Any]:
    """Profile some steps of static batches and return the figures of one.

    Args:
        setting: Where it runs; on a CPU the table is of operators, nested ones too.
        peer: The peer of SASRec.
        captures: Whether steps are replays of a captured one.
        batch: The batch size.
    """
    keys: dict[str, Any] = {"peer_model": peer, "batching": "static", "cuda_graph": captures, "batch": batch}
    run = build_run(setting, "SASRec", "amazon-beauty", **keys)
    run.prepare(most_steps=4 * STEPS)
    run.trainer.loop.train_epoch(0)
    steps = setting.few(STEPS)
    taking = _steps(run.trainer)
    for _ in islice(taking, 2):
        pass
    started = now()
    for _ in islice(taking, steps):
        pass
    seconds = (now() - started) / steps
    with profile(activities=[ProfilerActivity.CUDA if setting.on_gpu else ProfilerActivity.CPU]) as profiler:
        for _ in islice(taking, steps):
            pass
        now()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        text = trace.read_text(encoding="utf-8", errors="replace")
    events = json.loads(text, strict=False)["traceEvents"]
    result = table_of(events, GPU_WORK if setting.on_gpu else frozenset({"cpu_op"}), steps)
    busy = result["ms of kernels"] / (1000 * seconds)
    return {"ms per step": 1000 * seconds, "steps are captured": run.is_captured, "busy": busy, **result}


def table_of(events: list[dict[str, Any]], kinds: frozenset[str], steps: int) -> dict[str, Any]:
    """Return kernels and their milliseconds per step from the events of a trace.

    Args:
        events: Events in Chrome's format: ``cat``, ``name`` and ``dur`` in microseconds.
        kinds: Which ``cat`` counts.
        steps: The number of steps in the trace.
    """
    number: Counter[str] = Counter()
    duration: defaultdict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") in kinds:
            number[event["name"]] += 1
            duration[event["name"]] += event.get("dur", 0) / 1000
    longest = sorted(duration, key=lambda name: -duration[name])[:MOST_NAMES]
    return {
        "kernels": sum(number.values()) / steps,
        "different": len(number),
        "ms of kernels": sum(duration.values()) / steps,
        "longest": [{"kernel": n, "a step": number[n] / steps, "ms": duration[n] / steps} for n in longest],
    }


def _steps(trainer: Any) -> Iterator[int]:
    """Yield after each step of one more epoch, replayed or plain."""
    loop = trainer.loop
    if loop.captured is not None:
        yield from loop.captured.epoch()
        return
    for batch in loop.batches:
        loop.train_step(batch)
        yield len(batch)
