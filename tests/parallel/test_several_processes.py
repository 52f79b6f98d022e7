"""Two and three processes train what one process trains, to rounding, and their metrics are its metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.paths import ROOT, python_path
from helpers.runs import cycle_lines, write_inter

#: No dropout, which differs between processes, and no Adam, which makes steps of rounding errors of gradients near 0.
PLAIN: dict = {
    "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0, "dropout_probs": [0.0, 0.0],
    "neg_candidate_num": 5, "epochs": 2, "train_batch_size": 32, "learner": "sgd", "learning_rate": 0.05,
}  # fmt: skip
ADASIR: dict = {"neg_sampler": "adasir", "adasir_sample_num": 8, "adasir_pool_num": 4}
#: 21 users have 189 targets: 5 steps of 32, and a last one of 29. With 47 a step, the last one has a single target.
RUNS: dict[str, dict] = {
    "mdcns": {},
    "mdcns-adam": {"learner": "adam", "learning_rate": 0.01},
    "lazy-adam": {"lazy_items": True, "learner": "adam", "learning_rate": 0.01, "epochs": 4},
    "mdcns-row": {"batching": "row"},
    "mdcns-static": {"batching": "static", "train_batch_size": 47},
    "mdcns-rows-in-parts": {"batching": "bucket", "model": "FMLP4Rec", "peer_model": "NARM"},
    "mdcns-mixed": {"peer_model": "FMLP4Rec", "evaluate_peers": True},
    "dns_plus": {"neg_sampler": "dns_plus", "neg_top_num": 2, "neg_num": 2},
    "dns_plus-row": {"neg_sampler": "dns_plus", "neg_top_num": 2, "neg_num": 2, "batching": "row"},
    "ce": {"ranking_loss": "CE"},
    "ce-static": {"ranking_loss": "CE", "batching": "static", "train_batch_size": 47},
    "adasir": ADASIR,
    "srns": {"neg_sampler": "srns", "srns_memory_num": 2, "srns_fresh_num": 2},
    "in_batch": {"neg_sampler": "in_batch", "ranking_loss": "SSM", "neg_num": 3},
    "clipped": {"clip_grad_norm": {"max_norm": 0.1}, "neg_sampler": "rns"},
    "resumed": {"epochs": 4, "resume_after": 2, "peer_model": "SASRec", "ema_decay": 0.9},
    "metrics": {
        "neg_sampler": "rns",
        "metrics": ["Recall", "MRR", "GAUC", "ItemCoverage"],
        "valid_metric": "MRR@10",
        "eval_batch_size": 5,
    },
    "few-batches": {"neg_sampler": "rns", "eval_batch_size": 100},
    "ssm-shared": {
        "ranking_loss": "SSM", "ssm_scale": True, "pool_scope": "batch", "pool_in_batch_share": 0.3,
        "exclude": "user_train",
        "neg_candidate_num": 20, "distill_warmup_epochs": 2, "rdrop_weight": 1.0,
    },
    "ssm-hard": {"ranking_loss": "SSM", "ssm_scale": True, "pool_scope": "batch", "pool_hard_num": 4},
    "mutual": {"ranking_loss": "MutualCE"},
    "mutual-mixed": {"ranking_loss": "MutualCE", "peer_model": "TransRec", "distill_warmup_epochs": 2},
    "sce": {"ranking_loss": "SCE"},
    "too-few": {"neg_sampler": "rns", "train_batch_size": 1},
}  # fmt: skip
TRAINED = [name for name in RUNS if name not in ("sce", "too-few")]
#: Two processes train one run of each kind; three, whose shares differ in size, train all.
BY_TWO = ["mdcns", "mdcns-mixed", "ce", "adasir", "resumed", "metrics", "few-batches"]
CASES = [*((2, name) for name in BY_TWO), *((3, name) for name in TRAINED)]


def trained(results, number: int, rank: int, name: str) -> dict:
    result = results[number, rank][name]
    assert "error" not in result, result
    return result


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results by number of processes and rank, then by run."""
    folder, before = tmp_path_factory.mktemp("several"), os.getcwd()
    os.chdir(folder)
    try:
        write_inter(cycle_lines(user_num=21, item_num=60))
        by_number: dict[int, list[str]] = {1: [*RUNS], 2: BY_TWO, 3: [*RUNS]}
        runs = {number: {name: {**PLAIN, **RUNS[name]} for name in names} for number, names in by_number.items()}
        Path("runs.json").write_text(json.dumps(runs))
        command = [sys.executable, str(Path(__file__).with_name("train_all.py")), str(folder)]
        environment = {**os.environ, "PYTHONPATH": python_path(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-3000:]
        return {
            (number, rank): {name: json.loads(Path(f"{name}-{number}-{rank}.json").read_text()) for name in names}
            for number, names in by_number.items()
            for rank in range(number)
        }
    finally:
        os.chdir(before)


@pytest.mark.parametrize(("number", "name"), CASES)
def test_losses_and_weights_are_those_of_one_process(results, name, number):
    one, several = trained(results, 1, 0, name), trained(results, number, 0, name)
    for expected, epoch in zip(one["epochs"], several["epochs"]):
        assert epoch["targets"] == expected["targets"] == 189
        assert epoch["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert epoch["parts"] == pytest.approx(expected["parts"], rel=1e-4)
    if "adam" in name:
        return
    for of_model, expected_of_model in zip(several["weights"], one["weights"]):
        for weight, expected in of_model.items():
            found, wanted = torch.tensor(expected), torch.tensor(expected_of_model[weight])
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("number", "name"), CASES)
def test_all_processes_hold_the_same_models_and_metrics(results, name, number):
    first = trained(results, number, 0, name)
    for rank in range(1, number):
        assert results[number, rank][name] == first
    assert len(first["places"]["self"]) == 21
    assert results[1, 0][name]["places"].keys() == first["places"].keys()


@pytest.mark.parametrize("name", ["mdcns", "metrics", "few-batches", "mdcns-mixed"])
@pytest.mark.parametrize("number", [2, 3])
def test_metrics_are_those_of_one_process(results, name, number):
    one, several = trained(results, 1, 0, name), trained(results, number, 0, name)
    assert several["places"] == one["places"]
    assert several["test"] == one["test"] and several["best"] == one["best"]
    assert [entry["valid"] for entry in several["epochs"]] == [entry["valid"] for entry in one["epochs"]]


def test_what_cannot_be_shared_is_refused(results):
    assert "error" not in results[1, 0]["sce"] and "error" not in results[1, 0]["too-few"]
    assert "ranking_loss = 'SCE' is not allowed with several processes" in results[3, 0]["sce"]["error"]
    assert "train_batch_size = 1 is not allowed: 3 processes" in results[3, 0]["too-few"]["error"]
