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
    for name in (set(sys.modules) - before) & {"last_items", "softened"}:
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
