"""The notebooks of examples/: their code runs here on small data; .ci/run runs them as they are."""

from __future__ import annotations

import json
import os
import re
import runpy
from pathlib import Path

import pytest
from helpers.paths import ROOT, python_path
from helpers.runs import TINY

import recbole_mdcns

FOLDER = ROOT / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PROGRAM = runpy.run_path(str(FOLDER / "run.py"))


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def printed(cell: dict) -> str:
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


@pytest.fixture
def small(monkeypatch):
    """Let a notebook train on the tiny dataset in place of ml-100k, and on every eighth user of its own table."""
    prepare, run = recbole_mdcns.prepare_dataframe, recbole_mdcns.run_recbole_mdcns
    data = {"data_path": str(Path("data").absolute())}
    shorter = {key: value for key, value in TINY.items() if key != "data_path"}
    shorter.update(train_batch_size=512, epochs=1)

    def prepare_some(df, name, user, **options):
        users = df[user].drop_duplicates()[::8]
        return prepare(df[df[user].isin(users)], name, user=user, **options)

    def run_short(model, dataset, config_dict, **options):
        keys = {**config_dict, **shorter, **(data if dataset == "ml-100k" else {})}
        if keys.get("neg_num", 1) > 10:
            keys["neg_num"] = 10
        return run(model, "tiny" if dataset == "ml-100k" else dataset, config_dict=keys, **options)

    monkeypatch.setattr(recbole_mdcns, "prepare_dataframe", prepare_some)
    monkeypatch.setattr(recbole_mdcns, "run_recbole_mdcns", run_short)
    monkeypatch.setenv("PYTHONPATH", python_path())  # for a command that a notebook starts
    monkeypatch.syspath_prepend(os.getcwd())  # sys.path is afterwards what it was before the notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_code_runs(path, small, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    notebook = PROGRAM["run"](path)
    ran = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kinds = [[output["output_type"] for output in cell["outputs"]] for cell in ran]
    assert kinds == [[output["output_type"] for output in cell["outputs"]] for cell in cells(path)]
    assert sorted(tmp_path.rglob("*")) == before  # nothing is left in the folder where it started


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed(path):
    """Results are shown, from one run from top to bottom; the file is small and names nobody's folders."""
    text = path.read_text(encoding="utf-8")
    assert len(text) < 150_000 and not re.search(r"/(?:tmp|home|root|work)/", text)
    assert [cell["execution_count"] for cell in cells(path)] == list(range(1, len(cells(path)) + 1))
    assert sum(bool(printed(cell)) for cell in cells(path)) >= 2
    named = re.findall(r"`(docs/[\w.]+|recbole_mdcns/[\w./]+|\w+\.ipynb)`", text)
    assert named and all((FOLDER / name).exists() or (ROOT / name).exists() for name in named)


def test_ten_films_are_recommended():
    (shown,) = [printed(cell) for cell in cells(FOLDER / "1_own_table.ipynb") if "star_wars" in "".join(cell["source"])]
    assert [int(rank) for rank in re.findall(r"^ *(\d+) ", shown, re.MULTILINE)] == list(range(1, 11))
    assert "NaN" not in shown


def test_the_command_keeps_what_a_cell_prints_and_draws():
    code = ["import os, matplotlib.pyplot as plt\n", "os.mkdir('x'); os.chdir('x')\n", "print(1 + 1); plt.plot([1, 2])"]
    source = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": code}
    Path("a.ipynb").write_text(json.dumps({"cells": [source], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    text, picture = PROGRAM["run"](Path("a.ipynb").absolute())["cells"][0]["outputs"]
    assert text == {"output_type": "stream", "name": "stdout", "text": ["2\n"]}
    assert picture["data"]["image/png"].startswith("iVBORw0KGgo")  # the first bytes of a png, in base64
