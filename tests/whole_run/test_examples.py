"""The examples run as their files say; in this process, for speed."""

import json
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY

from recbole_mdcns.cli.main import train_main

KEYS = [f"--{key}={value}" for key, value in {**TINY, "epochs": 4}.items()]


@pytest.fixture
def example(monkeypatch):
    """Return a function that trains with the module of an example on the path, and returns the record."""

    def train(folder, *arguments):
        monkeypatch.syspath_prepend(str(ROOT / "examples" / folder))
        assert train_main([*arguments, "--dataset=tiny", *KEYS, "--result_file=r.json"]) == 0
        record = json.loads(Path("r.json").read_text())
        assert record["epochs"][-1]["loss"] < record["epochs"][0]["loss"]
        return record

    before = set(sys.modules)
    yield train
    for name in (set(sys.modules) - before) & {"last_items", "softened", "hinge", "first_place"}:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("models", "window", "peer_window"),
    [
        (["--model=last_items:LastItems"], 5, None),
        (["--model=SASRec", "--peer_model=last_items:LastItems", "--peer.window=3"], None, 3),
    ],
)
def test_a_model_of_ones_own_is_self_or_peer(models, window, peer_window, example):
    config = example("own_model", *models)["config"]
    assert config.get("window") == window
    assert config["peer"].get("window") == peer_window


@pytest.mark.parametrize(("arguments", "temperature"), [([], 0.5), (["--softened_temperature=2.0"], 2.0)])
def test_a_sampler_of_ones_own(arguments, temperature, example):
    record = example("own_sampler", "--model=SASRec", "--neg_sampler=softened:Softened", *arguments)
    assert record["config"]["neg_sampler"] == "softened:Softened" and record["peer_model"] is None
    assert record["config"]["softened_temperature"] == temperature
    assert list(record["epochs"][-1]["parts"]) == ["self/softened"]


@pytest.mark.parametrize(("margin", "expected"), [([], 1.0), (["--hinge_margin=0.25"], 0.25)])
def test_a_loss_of_ones_own(margin, expected, example):
    record = example("own_loss", "--model=SASRec", "--ranking_loss=hinge:Hinge", *margin)
    assert record["config"]["ranking_loss"] == "hinge:Hinge" and record["config"]["hinge_margin"] == expected
    assert set(record["epochs"][0]["parts"]) >= {"self/self", "peer/teacher"}


def test_a_metric_of_ones_own_is_computed_and_chosen_by(example):
    keys = ["--metrics=['NDCG', 'first_place:FirstPlace']", "--topk=[1, 5]", "--valid_metric=FirstPlace@5"]
    record = example("own_metric", "--model=SASRec", "--neg_sampler=rns", *keys)
    for metrics in (record["test"]["self"], record["valid"]["self"], record["epochs"][0]["valid"]):
        assert set(metrics) == {"ndcg@1", "ndcg@5", "firstplace@1", "firstplace@5"}
        assert metrics["firstplace@1"] == metrics["firstplace@5"] == metrics["ndcg@1"]
    assert record["best_valid_score"] == max(entry["valid"]["firstplace@5"] for entry in record["epochs"])
