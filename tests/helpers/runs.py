"""A tiny dataset whose next item is known, and runs on it."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import torch
from helpers.device import DEVICE_KEYS

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.quick_start import build_trainer

HEADER = "user_id:token\titem_id:token\ttimestamp:float\n"
#: Small models and short runs; every test's configuration starts from these.
TINY = {
    "data_path": "data",
    "show_progress": False,
    "MAX_ITEM_LIST_LENGTH": 8,
    "hidden_size": 16,
    "embedding_size": 16,
    "inner_size": 32,
    "hidden_dropout_prob": 0.1,
    "attn_dropout_prob": 0.1,
    "dropout_prob": 0.1,
    "neg_candidate_num": 10,
    "srns_memory_num": 4,
    "srns_fresh_num": 3,
    "train_batch_size": 64,
    "learning_rate": 0.01,
    "epochs": 2,
    **DEVICE_KEYS,
}


def write_inter(lines: list[str], name: str = "tiny", header: str = HEADER) -> Path:
    """Write an atomic file below ./data."""
    path = Path("data") / name / f"{name}.inter"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(lines))
    return path


def cycle_lines(user_num: int = 40, item_num: int = 30, length: int = 12, seed: int = 0) -> list[str]:
    """Users walk around a circle of items from a random start: the next item is always the current one plus one."""
    rng = random.Random(seed)
    lines = []
    for user in range(user_num):
        start = rng.randrange(item_num)
        lines += [f"u{user}\ti{(start + step) % item_num}\t{step}\n" for step in range(length)]
    return lines


def tiny_config(model="SASRec", dataset="tiny", **keys) -> MDCNSConfig:
    """Return a configuration on the tiny dataset."""
    return MDCNSConfig(model, dataset, config_dict={**TINY, **keys})


def tiny_run(model="SASRec", dataset="tiny", **keys) -> SimpleNamespace:
    """Return config, trainer and loaders of a run that has not started."""
    config = tiny_config(model, dataset, **keys)
    _, splits = load_splits(config)
    data = dataset_of(splits["train"])
    return SimpleNamespace(config=config, trainer=build_trainer(config, data), data=data, **splits)


def fit(run, **arguments):
    """Train a run of :func:`tiny_run`, and return score and metrics of its best epoch."""
    return run.trainer.fit(run.train, run.valid, verbose=False, **arguments)


def states(trainer) -> list[dict[str, torch.Tensor]]:
    """Return copies of all models' weights."""
    return [{k: v.clone() for k, v in encoder.model.state_dict().items()} for encoder in trainer.scoring_models]


def same(left, right) -> bool:
    """Tell whether two lists of weights are equal bit for bit."""
    return all(torch.equal(a[key], b[key]) for a, b in zip(left, right) for key in a)
