"""The examples run as their files say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY

KEYS = [f"--{key}={value}" for key, value in {**TINY, "epochs": 4}.items()]


@pytest.mark.parametrize(
    ("models", "window", "peer_window"),
    [
        (["--model=last_items:LastItems"], 5, None),
        (["--model=SASRec", "--peer_model=last_items:LastItems", "--peer.window=3"], None, 3),
    ],
)
def test_a_model_of_ones_own_is_self_or_peer(models, window, peer_window):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "examples" / "own_model")}
    command = [sys.executable, str(ROOT / "run_recbole_mdcns.py"), *models, "--dataset=tiny", *KEYS]
    done = subprocess.run([*command, "--result_file=r.json"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads(Path("r.json").read_text())
    assert record["config"].get("window") == window
    assert record["config"]["peer"].get("window") == peer_window
    assert record["epochs"][-1]["loss"] < record["epochs"][0]["loss"]


@pytest.mark.parametrize(("temperature", "found"), [([], 0.5), (["--softened_temperature=2.0"], 2.0)])
def test_a_sampler_of_ones_own(temperature, found):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "examples" / "own_sampler")}
    keys = ["--model=SASRec", "--neg_sampler=softened:Softened", "--dataset=tiny", *KEYS, "--result_file=r.json"]
    keys += temperature
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_recbole_mdcns.py"), *keys], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(Path("r.json").read_text())
    assert record["config"]["neg_sampler"] == "softened:Softened" and record["peer_model"] is None
    assert record["config"]["softened_temperature"] == found
    assert list(record["epochs"][-1]["parts"]) == ["self/softened"]
    assert record["epochs"][-1]["loss"] < record["epochs"][0]["loss"]


def run_example(folder, *keys):
    """Run on the tiny dataset with the classes of an example, and return the record."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "examples" / folder)}
    command = [sys.executable, str(ROOT / "run_recbole_mdcns.py"), "--model=SASRec", "--dataset=tiny", *KEYS, *keys]
    done = subprocess.run([*command, "--result_file=r.json"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(Path("r.json").read_text())


@pytest.mark.parametrize(("margin", "expected"), [([], 1.0), (["--hinge_margin=0.25"], 0.25)])
def test_a_loss_of_ones_own(margin, expected):
    record = run_example("own_loss", "--ranking_loss=hinge:Hinge", *margin)
    assert record["config"]["ranking_loss"] == "hinge:Hinge" and record["config"]["hinge_margin"] == expected
    assert set(record["epochs"][0]["parts"]) >= {"self/self", "peer/teacher"}
    assert record["epochs"][-1]["loss"] < record["epochs"][0]["loss"]


def test_a_metric_of_ones_own_is_computed_and_chosen_by():
    keys = ["--metrics=['NDCG', 'first_place:FirstPlace']", "--topk=[1, 5]", "--valid_metric=FirstPlace@5"]
    record = run_example("own_metric", "--neg_sampler=rns", *keys)
    for metrics in (record["test"]["self"], record["valid"]["self"], record["epochs"][0]["valid"]):
        assert set(metrics) == {"ndcg@1", "ndcg@5", "firstplace@1", "firstplace@5"}
        assert metrics["firstplace@1"] == metrics["firstplace@5"] == metrics["ndcg@1"]
    assert record["best_valid_score"] == max(entry["valid"]["firstplace@5"] for entry in record["epochs"])
