"""Sweeps and trials on the tiny dataset."""

from dataclasses import asdict
from pathlib import Path

from helpers.runs import TINY

from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

GRID = """
datasets: [tiny]
models: [SASRec, GRU4Rec]
samplers: [mdcns, rns]
peers: [GRU4Rec, SASRec]
losses: [BCE, BPR]
seeds: [1, 2]
space:
  all: {learning_rate: [0.01, 0.02]}
  mdcns: {neg_top_num: [1, 2, 3]}
"""


#: What a record says that has no validation.
UNSCORED = {"best_valid_score": None, "valid_metric": "NDCG@10", "valid": {}, "test": None}


def sweep_of(text=GRID, keys=None, **overrides):
    path = Path("grid.yaml")
    path.write_text(text)
    plain = {key: value for key, value in TINY.items() if key != "learning_rate"}
    return read_sweep(path, {**plain, **(keys or {})}, **overrides)


TEXT = "datasets: [tiny]\nmodels: [SASRec]\npeers: [GRU4Rec]\nseeds: [1]\n"


def one_trial(**keys):
    sweep = sweep_of(TEXT, keys={"epochs": 4, "learning_rate": 0.01, **keys})
    return asdict(next(iter(trials(sweep))))


def without_times(record):
    epochs = [{k: v for k, v in entry.items() if k != "train_seconds"} for entry in record["epochs"]]
    return {**{k: record[k] for k in ("status", "best_epoch", "valid", "best_valid_score", "config")}, "epochs": epochs}
