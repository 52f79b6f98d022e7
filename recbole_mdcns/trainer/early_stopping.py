"""Early stopping from a log of epochs: the best epoch, and the end of the training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole.utils import early_stopping

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import CheckpointError

#: Epochs as a trainer's ``epoch_log`` has them.
EpochLog = Sequence[dict[str, Any]]


def best_epoch(epoch_log: EpochLog, config: MDCNSConfig) -> int | None:
    """Return the epoch that validation chooses, the last one of several equals; None without any validation."""
    return _follow(epoch_log, config)[0]


def kept_epoch(epoch_log: EpochLog, config: MDCNSConfig) -> int:
    """Return the epoch whose models a run keeps: the best one, or without validation the last; -1 before the first."""
    best = best_epoch(epoch_log, config)
    return best if best is not None else epoch_log[-1]["epoch"] if epoch_log else -1


def check_can_go_on(epoch_log: EpochLog, config: MDCNSConfig, path: str | Path) -> None:
    """Refuse to resume a run with limits that its training has already passed: its record would be wrong.

    Raises:
        CheckpointError: ``epochs`` or ``stopping_step`` would have ended the training before its current epoch.
    """
    done = len(epoch_log)
    if done > config["epochs"]:
        raise CheckpointError(
            f"epochs = {config['epochs']} is not allowed for {path}, which has {done} epochs: give {done} or more, or "
            "leave resume out to train from scratch"
        )
    stopped = _follow(epoch_log, config)[1]
    if stopped is not None and stopped < epoch_log[-1]["epoch"]:
        raise CheckpointError(
            f"stopping_step = {config['stopping_step']} is not allowed for {path}: it would have stopped the training "
            f"after epoch {stopped}, and {done} epochs are done; give a larger one, or leave resume out to start again"
        )


def _follow(epoch_log: EpochLog, config: MDCNSConfig) -> tuple[int | None, int | None]:
    """Return the best epoch, and the last epoch if training has ended, by the rules of RecBole's ``fit``."""
    bigger, metric = config["valid_metric_bigger"], config["valid_metric"].lower()
    score, step = -math.inf if bigger else math.inf, 0
    best = stopped = None
    for entry in epoch_log:
        if "valid" in entry:
            score, step, stops, is_best = early_stopping(
                entry["valid"][metric], score, step, config["stopping_step"], bigger
            )
            best = entry["epoch"] if is_best else best
            stopped = entry["epoch"] if stops and stopped is None else stopped
    return best, stopped
