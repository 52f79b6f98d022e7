"""Modules of the user's own that are wrong: one sentence that names the culprit, before anything is trained."""

import os
import sys
from pathlib import Path

import pytest
from helpers.refusals import BASE, SASREC, refused

from recbole_mdcns.cli.main import train_main


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
        ("1 / 0\n", "division by zero"),
        ("raise KeyError('deep')\n", "deep"),
        ("def broken(:\n", "own_module"),
        ("import sys\nsys.exit(3)\n", "own_module"),
        ("class Mine:\n    pass\n", "Mine"),
        ("Mine = 5\n", "Mine"),
        ("", "Mine"),
        ("from recbole.model.sequential_recommender import SASRec\nclass Mine(SASRec):\n"
         "    def __init__(self, config, dataset):\n        raise RuntimeError('at once')\n", "at once"),
        ("from recbole.model.sequential_recommender import SASRec\nclass Mine(SASRec):\n"
         "    def forward(self, item_seq, item_seq_len):\n        raise IndexError('later')\n"
         "    full_sort_predict = forward\n", "Mine"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["model", "peer_model"])
def test_bad_modules(key, content, culprit, capsys, monkeypatch):
    monkeypatch.syspath_prepend(os.getcwd())
    Path("own_module.py").write_text(content)
    try:
        model = [] if key == "model" else ["--model=SASRec"]
        refused(train_main, [*BASE, *model, f"--{key}=own_module:Mine"], capsys, culprit)
    finally:
        sys.modules.pop("own_module", None)


def test_a_module_of_python_has_no_class_of_the_user(capsys):
    refused(train_main, [*SASREC, "--neg_sampler=time:Mine"], capsys, "time has no class 'Mine'")


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("1 / 0\n", "division by zero"),
        ("class Mine:\n    pass\n", "Mine"),
        ("", "Mine"),
    ],
)
def test_bad_modules_of_samplers(content, culprit, capsys, monkeypatch):
    monkeypatch.syspath_prepend(os.getcwd())
    Path("own_sampler.py").write_text(content)
    try:
        refused(train_main, [*SASREC, "--neg_sampler=own_sampler:Mine"], capsys, culprit)
    finally:
        sys.modules.pop("own_sampler", None)
