"""The blocks that .ci/run takes from README.md and docs/; those of Python run here on fewer users with small models."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pandas as pd
import pytest
from helpers.paths import ROOT
from helpers.runs import TINY

import recbole_mdcns

TEXT = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def block(name: str) -> str:
    """Return the one block that follows the comment ``<!-- ci: NAME -->``."""
    (code,) = re.findall(rf"^<!-- ci: {name} -->\n```\w+\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return code


def test_the_pages_have_each_block_of_ci_once():
    asked = re.findall(r'block "([^"]+)"', (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    names = {name.replace("$route", route) for name in asked for route in ("pinned", "newest")}
    assert names == set(re.findall(r"^<!-- ci: (.+) -->$", TEXT, re.MULTILINE)) and len(names) == 6
    assert all(block(name) for name in names)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let the functions that a block calls work on every eighth user, with small models, for one epoch."""
    prepare, run = recbole_mdcns.prepare_dataframe, recbole_mdcns.run_recbole_mdcns
    keys = {key: value for key, value in TINY.items() if key not in ("data_path", "neg_candidate_num")}

    def prepare_some(df, name, user, **options):
        users = df[user].drop_duplicates()[::8]
        return prepare(df[df[user].isin(users)], name, user=user, **options)

    def run_short(model, dataset, config_dict):
        return run(model, dataset, config_dict={**keys, **config_dict, "epochs": 1})

    monkeypatch.setattr(recbole_mdcns, "prepare_dataframe", prepare_some)
    monkeypatch.setattr(recbole_mdcns, "run_recbole_mdcns", run_short)


def test_ten_lines_recommend_ten_films(capsys):
    code = block("ten lines")
    assert len([line for line in code.splitlines() if line]) <= 10
    names: dict = {}
    exec(code, names)
    best, printed = names["best"], capsys.readouterr().out
    assert best["rank"].tolist() == list(range(1, 11)) and not {"50", "172", "181"} & set(best["item"])
    titles = names["films"].loc[best["item"]]
    assert titles.map(len).min() > 0 and all(title in printed for title in titles)


def test_a_table_of_ones_own(capsys):
    """Customers walk around a circle of 60 products, one a day, from a random start: fewer products than 100."""
    rng = random.Random(1)
    rows = [
        (f"c{customer}", f"p{(start + step) % 60}", f"2024-05-{step + 1:02}")
        for customer in range(400)
        for start in [rng.randrange(60)]
        for step in range(12)
    ]
    pd.DataFrame(rows, columns=["customer", "product", "day"]).to_csv("purchases.csv", index=False)
    exec(block("own table"), {})
    assert "600 interactions read" in capsys.readouterr().out  # 50 customers of 12 days
    table = pd.read_csv("recommendations.csv")
    assert table["user"].tolist() == ["anna"] * 5 + ["ben"] * 5 and table["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    assert not {"p1", "p2", "p3"} & set(table["item"][:5]) and "p50" not in set(table["item"][5:])
    assert Path("dataset/shop/shop.inter").is_file()
