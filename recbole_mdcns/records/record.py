"""The machine-readable record of a run: what was run, on what, and what came out."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from recbole.data.dataloader import AbstractDataLoader

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.history import HISTORY_END
from recbole_mdcns.evaluation.ranking import Evaluation
from recbole_mdcns.records.environment import git_state, machine, peak_memory, versions
from recbole_mdcns.support.safe_write import replacing
from recbole_mdcns.trainer import NegativeSamplingTrainer
from recbole_mdcns.trainer.early_stopping import best_epoch

SCHEMA_VERSION = 1


def build_record(
    config: MDCNSConfig,
    trainer: NegativeSamplingTrainer,
    splits: dict[str, Any],
    command: list[str],
    results: dict[str, Evaluation],
) -> dict[str, Any]:
    """Collect everything that someone needs to read, trust and repeat a result.

    Args:
        config: The run.
        trainer: After ``fit``.
        splits: RecBole's loaders by name: ``train``, ``valid``, ``test``.
        command: The command line.
        results: Evaluations by split: ``valid``, and ``test`` where it is there.

    Returns:
        Plain values, ready for JSON. Times are in seconds, memory in bytes.
    """
    best = best_epoch(trainer.epoch_log, config)
    dataset = splits["train"]._dataset
    return {
        "schema": SCHEMA_VERSION,
        "command": command,
        "model": config["model"],
        "peer_model": ",".join(c.__name__ for c in config.peer_classes) if len(trainer.scoring_models) > 1 else None,
        "dataset": config["dataset"],
        "config": config.plain(),
        "seed": config["seed"],
        "batching": trainer.batches.mode,
        "data": {
            **dataset.statistics(),
            "fingerprint": trainer.data_fingerprint(),
            "rows": {name: len(loader._dataset) for name, loader in splits.items()},
            "split_users": {part: len(users) for part, users in dataset.user_split.items()},
        },
        "epochs": trainer.epoch_log,
        "best_epoch": best,
        "valid_metric": config["valid_metric"],
        "best_valid_score": float(trainer.best_valid_score) if best is not None else None,
        "valid": results["valid"].metrics,
        "test": results["test"].metrics if "test" in results else None,
        **(rows_of_test(results["test"], splits["test"]) if "test" in results else {}),
        "seconds_per_epoch": statistics.median([e["train_seconds"] for e in trainer.epoch_log] or [0.0]),
        "peak_memory": peak_memory(trainer.device),
        "versions": versions(),
        "git": git_state(),
        "machine": machine(trainer.device),
    }


def rows_of_test(test: Evaluation, loader: AbstractDataLoader) -> dict[str, Any]:
    """Return what tests over users need: places of the targets by role, and whose rows they are.

    Rows are ordered by the name of the user, and of a user by time, so that records with the same users and rows can be
    paired whatever order they were ranked in. See ``ModelMetrics`` for places; they are numbers by commas.
    ``test_users`` has the ``names``, each once, by line feeds, and how many ``rows`` each has, by commas; that is left
    out where each has one.
    """
    part = loader._dataset
    names = part.field2id_token[part.uid_field]
    users = [str(names[user]) for user in part.inter_feat[part.uid_field].tolist()]
    ends = part.inter_feat[HISTORY_END].tolist()
    order = sorted(range(len(users)), key=lambda row: (users[row], ends[row]))
    places = {role: ",".join(str(of[row]) for row in order) for role, of in test.places.items() if of}
    rows = Counter(users[row] for row in order)  # in that order
    found = {"names": "\n".join(rows)}
    if len(rows) < len(users):
        found["rows"] = ",".join(map(str, rows.values()))
    return {"test_places": places, "test_users": found}


def write_record(record: dict[str, Any], path: str | Path) -> None:
    """Write a record as JSON, whole or not at all."""
    with replacing(Path(path)) as file:
        file.write(json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")
