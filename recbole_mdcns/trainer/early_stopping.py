"""What early stopping makes of a log of epochs: which one is the best, and where the training ends."""

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
    """Return the epoch that validation chooses, the last of equals; None without any validation."""
    return _follow(epoch_log, config)[0]


def kept_epoch(epoch_log: EpochLog, config: MDCNSConfig) -> int:
    """Return the epoch whose models a run keeps: the best one, or without validation the last; -1 before the first."""
    best = best_epoch(epoch_log, config)
    return best if best is not None else epoch_log[-1]["epoch"] if epoch_log else -1


def check_can_go_on(epoch_log: EpochLog, config: MDCNSConfig, path: str | Path) -> None:
    """Refuse to resume a run under limits that its training has gone beyond: its record would claim what was not.

    Args:
        epoch_log: Of the saved training.
        config: Of the run that goes on.
        path: The checkpoint, for the message.

    Raises:
        CheckpointError: ``epochs`` or ``stopping_step`` would have ended the training before the epoch it is at.
    """
    done = len(epoch_log)
    if done > config["epochs"]:
        raise CheckpointError(
            f"epochs = {config['epochs']} is not allowed for {path}, which has {done} epochs: give {done} or more, or "
            "leave resume out to train anew"
        )
    stopped = _follow(epoch_log, config)[1]
    if stopped is not None and stopped < epoch_log[-1]["epoch"]:
        raise CheckpointError(
            f"stopping_step = {config['stopping_step']} is not allowed for {path}: it would have stopped the training "
            f"after epoch {stopped}, and {done} epochs are done; give a larger one, or leave resume out to train anew"
        )


def _follow(epoch_log: EpochLog, config: MDCNSConfig) -> tuple[int | None, int | None]:
    """Return the best epoch, and the epoch after which training ends if it does, as RecBole's ``fit`` finds them."""
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
