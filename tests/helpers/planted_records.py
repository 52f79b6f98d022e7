"""Records whose tables are known."""

import numpy as np

from recbole_mdcns.evaluation.significance import values_of_users
from recbole_mdcns.records.record import SCHEMA_VERSION

METRICS = ["recall@5", "recall@10", "ndcg@5", "ndcg@10"]


def metrics_of(places, users=None):
    text = ",".join(map(str, places))
    shown = [*METRICS, "recall@20", "ndcg@20"]
    return {metric: float(values_of_users(text, users, metric).mean()) for metric in shown}


def record(sampler, seed, places, dataset="amazon-beauty", peer=None, valid=0.5, **more):
    """Return what a trial leaves, as far as a table looks at it."""
    cell = {"dataset": dataset, "protocol": "paper", "model": "SASRec", "peer": peer, "sampler": sampler, "loss": "BCE"}
    parts = {"self/self": 1.0}
    epoch = {"epoch": 0, "train_seconds": 1.0, "parts": parts, "valid": metrics_of(places)}
    return {
        "schema": SCHEMA_VERSION, "status": "finished", "seed": seed, "best_valid_score": valid,
        "trial": {"key": f"{dataset}-{sampler}-{peer}-{seed}", "cell": cell, "setting": {}, "seed": seed},
        "config": {"epochs": 80, "stopping_step": 80, "split_seed": 1}, "dataset": dataset, "peer_model": peer,
        "data": {"users": 1000, "rows": {"train": 9, "valid": 9, "test": len(places)}}, "command": ["run", "it"],
        "machine": {"processor": "P", "torch_threads": 1}, "versions": {"torch": "2"}, "git": {"commit": "abc"},
        "best_epoch": 0, "seconds_per_epoch": 1.0,
        "valid_metric": "NDCG@10", "valid": {"self": {"ndcg@10": valid}}, "epochs": [epoch],
        "test": {"self": metrics_of(places)}, "test_places": {"self": ",".join(map(str, places))}, **more,
    }  # fmt: skip


def draw(seed, hit, number=1000):
    """Return places: the target is first in a part of the rows, and nowhere in the others."""
    return (np.random.default_rng(seed).random(number) < hit).astype(int).tolist()


def planted():
    """MDCNS far above the best baseline on beauty, and equal to it but for noise on toys."""
    found = []
    for dataset, hits in (("amazon-beauty", (0.05, 0.06, 0.2)), ("amazon-toys-games", (0.05, 0.06, 0.06))):
        for seed in (1, 2, 3):
            for number, (sampler, hit) in enumerate(zip(("rns", "dns_plus", "mdcns"), hits)):
                peer = "Mamba4Rec" if sampler == "mdcns" else None
                found.append(record(sampler, seed, draw(100 * number + seed, hit), dataset, peer))
    return found
