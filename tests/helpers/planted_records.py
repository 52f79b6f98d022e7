"""Records whose tables are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recbole_mdcns.evaluation.significance import values_of_users
from recbole_mdcns.records.record import SCHEMA_VERSION, Failure, Record

METRICS = ["recall@5", "recall@10", "ndcg@5", "ndcg@10"]
#: The metrics of every planted record.
SHOWN = [*METRICS, "recall@20", "ndcg@20"]


def metrics_of(places: Sequence[int], names: Sequence[str] = SHOWN) -> dict[str, float]:
    """Return the metrics that places have, of users with one row each."""
    return {metric: float(values_of_users(np.array(places), metric).mean()) for metric in names}


def cell_of(method: str = "rns", **axes: Any) -> dict[str, Any]:
    """Return a cell as plain values."""
    cell = {"dataset": "amazon-beauty", "protocol": "paper", "model": "SASRec", "peer": None, "method": method}
    return {**cell, "loss": "BCE", **axes}


def values(
    method: str, seed: int, places: Sequence[int], dataset: str = "amazon-beauty", peer: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return the JSON of a record of a finished trial.

    Args:
        method: Of its cell.
        seed: Its seed.
        places: Where the target of each row of test is ranked.
        dataset: Its dataset.
        peer: Its peer.
        **more: Entries to replace; ``valid`` is the best score, ``setting`` goes to the trial, ``metrics`` are the
            names of all metrics.
    """
    valid, setting = more.pop("valid", 0.5), more.pop("setting", {})
    metrics = metrics_of(places, more.pop("metrics", SHOWN))
    cell = cell_of(method, dataset=dataset, peer=peer)
    key = f"{dataset}-{method}-{peer}-{seed}" + "".join(f"-{name}{value}" for name, value in setting.items())
    machine = {"processor": "P", "torch_threads": 1}
    environment = {"versions": {"torch": "2"}, "git": {"commit": "abc"}, "machine": machine, "peak_memory": {}}
    return {
        "schema": SCHEMA_VERSION, "package_version": "1.0", "status": "finished", "stopped": None,
        "trial": {"key": key, "cell": cell, "setting": setting, "seed": seed}, "dataset": dataset, "model": "SASRec",
        "peer_model": peer, "command": ["run", "it"], "batching": "row",
        "config": {"model": "SASRec", "epochs": 80, "stopping_step": 80, "split_seed": 1, "seed": seed},
        "data": {"users": 1000, "rows": {"train": 9, "valid": 9, "test": len(places)}, "split_users": {}},
        "epochs": [{"epoch": 0, "train_seconds": 1.0, "parts": {"self/self": 1.0}, "valid": metrics}],
        "best_epoch": 0, "valid_metric": "NDCG@10", "best_valid_score": valid, "seconds_per_epoch": 1.0,
        "valid": {"self": {more.get("valid_metric", "NDCG@10").lower(): valid}}, "test": {"self": metrics},
        "test_rows": {"places": {"self": ",".join(map(str, places))}}, "environment": environment, "study": {}, **more,
    }  # fmt: skip


def record(method: str, seed: int, places: Sequence[int], *arguments: Any, **more: Any) -> Record:
    """Return the record of a finished trial; see :func:`values`."""
    return Record.from_json(values(method, seed, places, *arguments, **more), "planted")


def with_config(one: Record, **keys: Any) -> Record:
    """Return a record with other values of some keys."""
    return replace(one, config={**one.config, **keys})


def failure(of: Record, error: str = "why") -> Failure:
    """Return the record of a trial that failed."""
    return Failure("1.0", of.trial, error, 1)


def draw(seed: int, hit: float, number: int = 1000) -> list[int]:
    """Return places: the target is first in a part of the rows, and nowhere in the others."""
    return (np.random.default_rng(seed).random(number) < hit).astype(int).tolist()


def planted() -> list[Record]:
    """MDCNS is far above the best baseline on beauty, and equal to it up to noise on toys."""
    records = []
    for dataset, hits in (("amazon-beauty", (0.05, 0.06, 0.2)), ("amazon-toys-games", (0.05, 0.06, 0.06))):
        for seed in (1, 2, 3):
            for place, (method, hit) in enumerate(zip(("rns", "dns_plus", "mdcns"), hits)):
                peer = "Mamba4Rec" if method == "mdcns" else None
                records.append(record(method, seed, draw(100 * place + seed, hit), dataset, peer))
    return records
