"""Seconds, memory and validation of an epoch: our ways of training, the released step, RecBole's SASRec alone."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from built_run import Setting, build_run
from step_phases import now, peak, reset_peak
from training_variants import build_recboles, build_released

#: Steps before any is timed, and timed steps of the ways that take long.
WARM_UP, STEPS = 3, 30
#: Epochs that are timed of captured steps, and the most steps of one.
EPOCHS, MOST_STEPS = 3, 150


def time_captured(setting: Setting, model: str, dataset: str, validates: bool = True, **keys: Any) -> dict[str, Any]:
    """Time whole epochs of captured steps; the first one, which captures, apart.

    Args:
        setting: Where it runs; on a CPU the steps of the same batches are plain.
        model: The self model.
        dataset: The dataset.
        validates: Also time a validation.
        **keys: Keys of the run, and ``batch``.
    """
    before = reset_peak()
    run = build_run(setting, model, dataset, batching="static", **keys)
    run.prepare(most_steps=setting.few(MOST_STEPS))
    loop, batches = run.trainer.loop, run.trainer.batches
    seconds = []
    for epoch in range(1 + setting.few(EPOCHS)):
        started = now()
        targets = loop.train_epoch(epoch)["targets"]
        seconds.append(now() - started)
    first, *rest = seconds
    step = statistics.median(rest) / len(batches)
    result = _figures(step, run.steps, targets / len(batches), peak() - before)
    result |= {"steps are captured": run.is_captured, "s of the first epoch": first, "s of epochs": rest}
    if validates:
        result |= _validation(run.trainer, run.valid, result["s per epoch"])
    return result


def time_plain(setting: Setting, model: str, dataset: str, batching: str, **keys: Any) -> dict[str, Any]:
    """Time some plain steps of one of our batchings, their batches included."""
    before = reset_peak()
    run = build_run(setting, model, dataset, batching=batching, cuda_graph=False, **keys)
    run.prepare()
    for each in run.trainer.scoring_models:
        each.model.train()
    step, targets = _time_steps(setting, run.trainer.batches, run.trainer.train_step)
    return _figures(step, run.steps, targets, peak() - before)


def time_released(setting: Setting, peer: str) -> dict[str, Any]:
    """Time the released step on Beauty, batch 1024; see ``speed/released_step.py``."""
    options = _options(setting, "amazon-beauty", 1024)
    before = reset_peak()
    with torch.autograd.set_detect_anomaly(False):
        variant = build_released(options, peer)
        step, targets = _time_steps(setting, variant.batches, variant.step, steps=6)
    return _figures(step, variant.step_num, targets, peak() - before)


def time_alone(setting: Setting, dataset: str, batch: int) -> dict[str, Any]:
    """Time RecBole's SASRec in its own trainer, with one uniform negative and without anomaly detection."""
    options = _options(setting, dataset, batch)
    options.data_path = setting.folders.get(f"{dataset}, part", options.data_path)
    before = reset_peak()
    with torch.autograd.set_detect_anomaly(False):
        variant = build_recboles(options)
        step, targets = _time_steps(setting, variant.batches, variant.step)
    return _figures(step, variant.step_num, targets, peak() - before)


def _options(setting: Setting, dataset: str, batch: int) -> argparse.Namespace:
    return argparse.Namespace(
        model="SASRec", dataset=dataset, data_path=setting.data(dataset), gpu=setting.on_gpu, workers=0,
        candidates=5 if setting.quick else 100, batch_size=setting.batch(batch),
    )  # fmt: skip


def _time_steps(
    setting: Setting, batches: Iterable[Any], take: Callable[[Any], Any], steps: int = STEPS
) -> tuple[float, float]:
    """Return seconds and targets of a step; the GPU is waited for before the first and after the last one."""
    one_epoch = iter(batches)
    for batch in islice(one_epoch, setting.few(WARM_UP)):
        take(batch)
    started, taken, targets = now(), 0, 0
    for batch in islice(one_epoch, setting.few(steps)):
        take(batch)
        taken, targets = taken + 1, targets + _size(batch)
    return (now() - started) / taken, targets / taken


def _size(batch: Any) -> int:
    """Return the number of targets of a batch; the released step's is a list of columns."""
    return len(batch[0]) if isinstance(batch, (list, tuple)) else len(batch)


def _figures(step: float, steps: int, targets: float, memory: int) -> dict[str, Any]:
    return {
        "ms per step": 1000 * step, "steps": steps, "s per epoch": step * steps, "targets per s": targets / step,
        "MiB": memory / 2**20,
    }  # fmt: skip


def _validation(trainer: Any, valid: Any, epoch: float) -> dict[str, float]:
    trainer.evaluate(valid, load_best_model=False)
    started = now()
    trainer.evaluate(valid, load_best_model=False)
    seconds = now() - started
    return {"s of validation": seconds, "validation / epoch": seconds / epoch}
