"""From a trained run to its record."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from recbole.data.dataloader import AbstractDataLoader

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.history import HISTORY_END
from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.evaluation.ranking import Evaluation
from recbole_mdcns.records.environment import environment
from recbole_mdcns.records.parts import TestRows, TrialId
from recbole_mdcns.records.record import FINISHED, SCHEMA_VERSION, Record
from recbole_mdcns.trainer import NegativeSamplingTrainer
from recbole_mdcns.trainer.early_stopping import best_epoch
from recbole_mdcns.version import __version__


def build_record(
    config: MDCNSConfig,
    trainer: NegativeSamplingTrainer,
    splits: dict[str, Any],
    command: list[str],
    results: dict[str, Evaluation],
    trial: TrialId | None = None,
    study: dict[str, Any] | None = None,
) -> Record:
    """Collect everything that is needed to read, trust and repeat a result.

    Args:
        config: The run.
        trainer: The trainer after ``fit``.
        splits: RecBole's loaders by name: ``train``, ``valid``, ``test``.
        command: The command line.
        results: Evaluations by split: ``valid``, and ``test`` if it was evaluated.
        trial: The trial; None for a single run.
        study: Further plain values from a study.
    """
    best = best_epoch(trainer.epoch_log, config)
    dataset = dataset_of(splits["train"])
    test = results.get("test")
    rows = None if test is None else rows_of_test(test, splits["test"]).to_json()
    values = {
        "schema": SCHEMA_VERSION,
        "package_version": __version__,
        "command": command,
        "dataset": config["dataset"],
        "model": config["model"],
        "peer_model": ",".join(c.__name__ for c in config.peer_classes) if len(trainer.scoring_models) > 1 else None,
        "config": config.plain(),
        "batching": trainer.batches.mode,
        "data": {
            **dataset.statistics(),
            **trainer.data_fingerprints(),
            "rows": {name: len(dataset_of(loader)) for name, loader in splits.items()},
            "split_users": {part: len(users) for part, users in dataset.user_split.items()},
        },
        "epochs": trainer.epoch_log,
        "best_epoch": best,
        "valid_metric": config["valid_metric"],
        "valid_metric_bigger": config["valid_metric_bigger"],
        "best_valid_score": float(trainer.best_valid_score) if best is not None else None,
        "valid": results["valid"].chosen_by(config["valid_metric"]),
        "test": None if test is None else dict(test.metrics),
        "test_rows": rows,
        "seconds_per_epoch": statistics.median([entry["train_seconds"] for entry in trainer.epoch_log] or [0.0]),
        "environment": environment(trainer.device).to_json(),
        "trial": None if trial is None else trial.to_json(),
        "status": FINISHED,
        "stopped": None,
        "study": study or {},
    }
    return Record.from_json(values, "of this run")


def rows_of_test(test: Evaluation, loader: AbstractDataLoader) -> TestRows:
    """Return the input of tests over users: places of the targets by role, and the user of each row.

    Rows are ordered by the name of the user, and rows of a user by time. Records with the same users and rows can then
    be paired, even if these were ranked in another order.
    """
    part = dataset_of(loader)
    names = part.field2id_token[part.uid_field]
    users = [str(names[user]) for user in part.inter_feat[part.uid_field].tolist()]
    ends = part.inter_feat[HISTORY_END].tolist()
    order = sorted(range(len(users)), key=lambda row: (users[row], ends[row]))
    row_nums = Counter(users[row] for row in order)  # in that order
    return TestRows(
        places={role: ",".join(str(of[row]) for row in order) for role, of in test.places.items() if of},
        names="\n".join(row_nums),
        row_nums=",".join(map(str, row_nums.values())) if len(row_nums) < len(users) else None,
    )
