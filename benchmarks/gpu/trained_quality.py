"""Validation over the epochs of a training on Beauty, captured or plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from built_run import Setting, build_run

EPOCHS = 20
METRIC = "ndcg@20"


def train_to_quality(
    setting: Setting, captures: bool, seed: int, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Train SASRec and GRU4Rec on static batches and return the validation curve.

    Args:
        setting: Where it runs.
        captures: Whether steps are captured.
        seed: Seed of weights and draws.
        report: Is given the curve so far after every epoch: a training that has no time left is not lost.
    """
    keys: dict[str, Any] = {
        "batching": "static",
        "cuda_graph": captures,
        "seed": seed,
        "epochs": setting.few(EPOCHS),
    }
    run = build_run(setting, "SASRec", "amazon-beauty", peer_model="GRU4Rec", **keys)

    def curve() -> dict[str, Any]:
        values = [entry["valid"][METRIC] for entry in run.trainer.epoch_log]
        return {"epochs": len(values), f"valid {METRIC}": values[-1], "curve": values}

    run.trainer.fit(run.train, run.valid, verbose=False, saved=False, callback_fn=lambda *_: report(curve()))
    return {**curve(), "steps are captured": run.is_captured}
