"""Sweeps and trials on the tiny dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from helpers.planted_records import values
from helpers.runs import TINY

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.record import AnyRecord, Failure, Record
from recbole_mdcns.tuning.grid import Trial, trials
from recbole_mdcns.tuning.sweep import Sweep
from recbole_mdcns.tuning.sweep_file import read_sweep
from recbole_mdcns.tuning.trial import run_trial

GRID = """
datasets: [tiny]
models: [SASRec, GRU4Rec]
methods: [mdcns, rns]
peers: [GRU4Rec, SASRec]
losses: [BCE, BPR]
seeds: [1, 2]
space:
  all: {learning_rate: [0.01, 0.02]}
  mdcns: {neg_top_num: [1, 2, 3]}
"""
TEXT = "datasets: [tiny]\nmodels: [SASRec]\npeers: [GRU4Rec]\nseeds: [1]\n"


class Here:
    """An engine without processes; it notes what was asked of it."""

    seconds_left = math.inf

    def __init__(self, store):
        self.store, self.asked = store, []

    def start(self):
        self.asked.append("start")

    def close(self):
        self.asked.append("close")

    def load(self, trial):
        self.asked.append("load")

    def each(self, job, plan, *arguments):
        self.asked += [job.__name__ for _ in plan]
        for trial in plan:
            job(trial, self.store, None, *arguments)

    def tune(self, plan, scheduler):
        self.asked.append(len(plan))
        for trial in plan:
            run_trial(trial, self.store)
        return []

    def search(self, sweep, cell, seed, tried):
        raise NotImplementedError


def sweep_of(text: str = GRID, keys: dict[str, Any] | None = None, **overrides: Any) -> Sweep:
    """Return a sweep on the tiny dataset."""
    path = Path("grid.yaml")
    path.write_text(text)
    plain = {key: value for key, value in TINY.items() if key not in ("learning_rate", "gpu_id")}
    return read_sweep(path, {**plain, **(keys or {})}, **overrides)


def one_trial(**keys: Any) -> Trial:
    """Return the one trial of a sweep of four epochs."""
    sweep = sweep_of(TEXT, keys={"epochs": 4, "learning_rate": 0.01, **keys})
    return next(iter(trials(sweep)))


def trained(record: AnyRecord | None) -> Record:
    """Return a record that is of a trial that did not fail."""
    assert isinstance(record, Record)
    return record


def failed(record: AnyRecord | None) -> Failure:
    """Return a record that is of a trial that failed."""
    assert isinstance(record, Failure)
    return record


def unscored(trial: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the JSON of the record of a trial without validation."""
    plain = values("rns", 1, [1])
    none = {"best_valid_score": None, "best_epoch": None, "valid": {"self": {}}, "test": None, "test_rows": None}
    return {**plain, **none, "trial": trial, **more}


def without_times(record: AnyRecord | None) -> dict[str, Any]:
    """Return what a training has to give again."""
    record = trained(record)
    epochs = [{k: v for k, v in entry.to_json().items() if k != "train_seconds"} for entry in record.epochs]
    kept = ("status", "best_epoch", "valid", "best_valid_score", "config")
    return {**{name: getattr(record, name) for name in kept}, "epochs": epochs}


def refused(arguments, capsys):
    """Return the one sentence of a command that is refused."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 and "Traceback" not in error
    return error
