"""A user's own table: two methods on two datasets, with the user's own metrics, from one yaml file."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers.planted_records import draw, record

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.files import pack_records
from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.compare import command, legend, missing, places
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.gains import best_of
from recbole_mdcns.report.latex import latex
from recbole_mdcns.report.markdown import markdown
from recbole_mdcns.report.picture_lines import strongest

OWN = """
title: Mine beside another
protocol: leave_one_out
datasets: [shop, films]
models: [SASRec]
methods:
  other: rns
  mine: {method: "my.module:Mine", note: what I do}
ours: [mine]
metrics: [novelty@10, mrr@10]
"""
SETS = (("shop", 0.2, 0.05), ("films", 0.06, 0.06))


def own_page(text=OWN):
    Path("own.yaml").write_text(text)
    return read_description("own.yaml")


def runs(dataset, method, seed, hit, novelty):
    """Return a record of places that are first or nowhere, and of a metric that no single user has."""
    places = draw(seed * 7 + len(method), hit)
    values = {"mrr@10": sum(places) / len(places), "novelty@10": novelty}
    cell = {"dataset": dataset, "protocol": "leave_one_out", "model": "SASRec", "peer": None, "method": method}
    trial = {"key": f"{dataset}-{seed}-{len(method)}", "cell": {**cell, "loss": "BCE"}, "setting": {}, "seed": seed}
    epochs = [{"epoch": 0, "train_seconds": 1.0, "parts": {}, "valid": values}]
    more = {"trial": trial, "valid_metric": "MRR@10", "valid": 0.1, "epochs": epochs, "test": {"self": values}}
    return record(method, seed, places, dataset, metrics=["mrr@10"], **more)


def records():
    return [
        runs(dataset, method, seed, hit, novelty)
        for dataset, mine, other in SETS
        for seed in (1, 2, 3)
        for method, hit, novelty in (("my.module:Mine", mine, 0.5), ("rns", other, 0.75))
    ]


def test_lines_methods_and_metrics_are_those_of_the_file():
    page = own_page()
    lines = fill(page, records())
    assert [(line.row.dataset, line.name) for line in lines] == [
        ("shop", "other"), ("shop", "mine"), ("films", "other"), ("films", "mine"),
    ]  # fmt: skip
    shop, films = (line for line in lines if line.name == "mine")
    assert shop.gains["mrr@10"].relative > 1 and shop.gains["mrr@10"].corrected < 1e-6
    assert films.gains["mrr@10"].corrected > 0.05
    novelty = shop.gains["novelty@10"]
    assert novelty.relative == pytest.approx(0.5 / 0.75 - 1) and novelty.p_users is None
    assert novelty.unpaired == "no user has this metric"
    assert places([lines[0], lines[1]], "novelty@10") == {0: 1, 1: 2}


def test_the_text_speaks_of_no_paper():
    page = own_page()
    lines = fill(page, records())
    text = markdown(page, lines)
    assert text.startswith("# Mine beside another\n") and "| method | novelty@10 | mrr@10 | setting |" in text
    row = next(line for line in text.splitlines() if line.startswith("| mine |"))
    assert row.startswith("| mine | <u>0.5000</u>") and "**" in row and "*†" in row
    assert "* mine: what I do." in text and "other, best of the baselines" in text
    assert not any(word in text for word in ("paper", "MDCNS", "not in", "released"))
    assert "`*` mine differs from the best of the baselines over users" in legend(page)
    both = own_page(OWN.replace("ours: [mine]", "ours: [mine, other]"))
    assert "`*` other or mine differs from the best of the baselines over users" in legend(both)


def test_the_command_of_a_missing_line_runs_the_users_own_sweep():
    page = own_page()
    (line,) = missing(fill(page, records()[:-1]))  # without seed 3 of the other method on films
    assert command(page, line) == (
        'recbole-mdcns reproduce own.yaml --datasets films --models SASRec --methods "other" --seeds 1,2,3 '
        "--set epochs=80 --set stopping_step=80 --data_path DIR"
    )


def test_the_command_of_a_line_can_be_typed_where_names_have_spaces():
    page = own_page(OWN.replace("shop, films", "My shop") + "dataset_names: {My shop: shop}\n")
    words = shlex.split(command(page, fill(page, [])[0]))
    assert words[words.index("--datasets") + 1] == "My shop"


def test_latex_reads_no_sign_of_a_name_or_a_note_as_its_own():
    page = own_page(OWN.replace("note: what I do", r"note: 'x^2 < $5 ~ {a} \b'").replace("other: rns", "a_b & 5%: rns"))
    text = latex(page, fill(page, []))
    assert r"mine: x\^{}2 \ensuremath{<} \$5 \textasciitilde{} \{a\} \textbackslash{}b." in text
    assert r"a\_b \& 5\% & " in text


def test_smaller_is_better_where_the_metric_says_so():
    page = own_page(OWN.replace("novelty@10, mrr@10", "averagepopularity@10").replace("ours: [mine]\n", ""))
    pair = [
        record("rns", 1, [1], test={"self": {"averagepopularity@10": value, "ndcg@10": 0.1}}) for value in (3.0, 2.0)
    ]
    lines = fill(page, [])
    for line, run in zip(lines, pair):
        line.runs, line.block_budget = {1: run}, (80, 80)
    assert places(lines[:2], "averagepopularity@10") == {1: 1, 0: 2}
    assert best_of(lines[:2], "averagepopularity@10") is lines[1]
    assert strongest(lines[:2], "averagepopularity@10") == ["mine", "other"]


def test_the_command_writes_the_pages_of_the_users_own_table():
    pytest.importorskip("matplotlib")
    own_page()
    pack_records(records(), Path("mine.jsonl.xz"))
    assert main(["report", "own.yaml", "--records", "mine.jsonl.xz", "--out", "pages", "--note", "on a laptop"]) == 0
    names = {path.name for path in Path("pages").iterdir()}
    assert {"own.md", "own.tex", "own.png", "README.md", "index.html", "shop.md", "films.jsonl.xz"} <= names
    first = Path("pages/README.md").read_text()
    assert "paper" not in first and "mrr@10" in first and "on a laptop" in Path("pages/own.md").read_text()
    assert "| mrr@10" in Path("pages/shop.md").read_text()


def test_a_reference_of_the_users_own_stands_beside_the_values():
    Path("theirs.csv").write_text("dataset,backbone,method,metric,value\nshop,SASRec,mine,mrr@10,0.1\n")
    page = own_page(OWN + "reference: {name: the thesis, file: theirs.csv}\nbelow: [other]\nrows: [mine]\n")
    text = markdown(page, fill(page, records()))
    assert "In brackets the thesis's value" in text and "| *not in the thesis* |" in text and " (0.1000, +" in text


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        (OWN + "colour: red\n", "there is no key colour"),
        (OWN + "ourz: [mine]\n", "there is no key ourz (did you mean ours?)"),
        (OWN.replace("ours: [mine]", "ours: [mines]"), "ours: there is no method mines; methods has other, mine"),
        (OWN.replace("ours: [mine]", "ours: mine"), "ours = 'mine' is not allowed: give a list of names"),
        (OWN.replace("mine", "m|ne"), "is not allowed: give methods by names without |"),
        (OWN.replace("metrics: [novelty@10, mrr@10]", ""), "metrics is missing"),
        (OWN.replace("note: what", "notes: what"), "methods.mine: there is no key notes (did you mean note?)"),
        (OWN.replace("other: rns", "other: {note: x}"), "methods.other: method is missing"),
        (OWN + "tests: [seeds, weeks]\n", "tests = ['seeds', 'weeks'] is not allowed"),
        (OWN + "budgets: {short: [1]}\n", "budgets = {'short': [1]} is not allowed: give [epochs, patience] by name"),
        (OWN + "reference: {file: gone.csv}\n", "gone.csv cannot be read: No such file"),
        (OWN + "reference: {fil: theirs.csv}\n", "reference = {'fil': 'theirs.csv'} is not allowed: give file"),
        (OWN + "reference: {file: theirs.csv, where: }\n", "'where': None} is not allowed: give file, and if needed"),
        (OWN + "reference: {file: theirs.csv, where: [loss]}\n", "where: columns and their values"),
        (OWN + "ranges: {text: from}\n", "ranges = {'text': 'from'} is not allowed: give file and text"),
        (OWN + "grid: gone.yaml\n", "config file gone.yaml cannot be read"),
        (OWN + "extends: gone.yaml\n", "there is no gone.yaml"),
        (OWN + "extends: own.yaml\n", "own.yaml would extend itself"),
        (OWN.replace("note: what I do", "role: techer"), "methods.mine.role = 'techer' is not allowed: give self"),
        ("page: side_by_side\nmetrics: [mrr@10]\n", "metrics is not allowed in a page of side_by_side, which reads"),
        (OWN + "page: poem\n", "page = 'poem' is not allowed: give table or losses or side_by_side or sensitivity"),
        (OWN.replace("[shop, films]", "[../shop]"), "datasets: name = '../shop'"),
        ("page: sensitivity\n", "keys is missing"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_key(text, culprit):
    with pytest.raises(ConfigError, match=r"yaml|csv") as refused:
        own_page(text)
    assert culprit in str(refused.value)


def test_a_page_may_extend_one_that_extends_another():
    Path("base.yaml").write_text(OWN.replace("[novelty@10, mrr@10]", "[MRR@10]"))
    Path("middle.yaml").write_text("extends: base.yaml\ntitle: Middle\nloss: BPR\n")
    page = own_page("extends: middle.yaml\ntitle: Mine\n")
    assert (page.title, page.loss, page.metrics, page.models) == ("Mine", "BPR", ["mrr@10"], ["SASRec"])


@pytest.mark.parametrize("space", ["", "[a]", "{all: }"])
def test_a_grid_without_keys_is_refused_before_any_page(space):
    Path("grid.yaml").write_text(f"space: {space}\n")
    with pytest.raises(ConfigError, match=r"grid.yaml: space = .* is not allowed: give keys by method"):
        own_page(OWN + "grid: grid.yaml\n")


def test_a_csv_may_begin_with_the_mark_that_excel_writes():
    Path("theirs.csv").write_text("\ufeffdataset,backbone,method,metric,value\nshop,SASRec,mine,mrr@10,0.1\n")
    page = own_page(OWN + "reference: {file: theirs.csv}\n")
    assert page.reference.values == {("shop", "SASRec", "mine"): {"mrr@10": 0.1}}


def test_a_csv_without_a_number_for_each_value_is_refused():
    Path("theirs.csv").write_text("dataset,backbone,method,metric,value\nshop,SASRec,mine,mrr@10,many\n")
    with pytest.raises(ConfigError, match=r"theirs.csv: value = 'many' is not a number"):
        own_page(OWN + "reference: {file: theirs.csv}\n")
    twice = "shop,SASRec,mine,mrr@10,0.1,BCE\nshop,SASRec,mine,mrr@10,0.2,BPR\n"
    Path("theirs.csv").write_text(f"dataset,backbone,method,metric,value,loss\n{twice}")
    with pytest.raises(ConfigError, match=r"mrr@10 of shop, SASRec, mine is given as 0.1 and as 0.2: name the column"):
        own_page(OWN + "reference: {file: theirs.csv}\n")
    page = own_page(OWN + "reference: {file: theirs.csv, where: {loss: BPR}}\n")
    assert page.reference.values == {("shop", "SASRec", "mine"): {"mrr@10": 0.2}}
    Path("theirs.csv").write_text("dataset,method,metric,value\nshop,mine,mrr@10,0.1\n")
    with pytest.raises(ConfigError, match=r"theirs.csv lacks the column backbone"):
        own_page(OWN + "reference: {file: theirs.csv}\n")


def test_a_page_that_is_none_is_refused_with_the_names_of_those_that_are(capsys):
    Path("mine.yaml").touch()
    for name, near in {"tabel3": "table3", "tabel3.yaml": "table3", "mime.yaml": "mine.yaml"}.items():
        assert main(["report", name, "--records", "x", "--out", "y"]) == 2
        assert f"{name} is not a description of a page (did you mean {near}?)" in capsys.readouterr().err
