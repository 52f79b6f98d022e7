"""Statistics of atomic files, by hand and from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import HEADER, cycle_lines

from recbole_mdcns.cli.main import main
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.prepare.table2 import statistics
from recbole_mdcns.errors import USER_ERROR

# Statistics


def test_statistics_by_hand():
    """Two users, four items, five interactions: 2.5 a user; 3 of 8 pairs are free."""
    numbers = statistics(np.array([0, 0, 0, 7, 7]), np.array([1, 2, 3, 1, 4]))
    assert numbers == {"users": 2, "items": 4, "interactions": 5, "length": 2.5, "sparsity": 37.5}


def test_stats_prints_one_row_for_each_dataset(capsys):
    Path("dataset/big").mkdir(parents=True)
    rows = "".join(f"{number}\t{number % 2000}\tx\n" for number in range(2000))
    Path("dataset/big/big.inter").write_text("who:token\twhat:token\tnote:token\n" + rows)
    shutil.copytree("data/tiny", "dataset/tiny")
    assert main(["stats", "tiny", "--data_path", "data"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "| dataset   |   users |   items |   interactions |   avg. length |   sparsity |",
        "|-----------|---------|---------|----------------|---------------|------------|",
        f"| tiny      |      40 |      30 |            {len(cycle_lines())} |          12.0 |     60.00% |",
    ]
    assert main(["stats", "big", "--user_field=who", "--item_field=what"]) == 0  # dataset/ is the default
    assert "| big       |   2,000 |   2,000 |          2,000 |           1.0 |     99.95% |" in capsys.readouterr().out


def test_stats_finds_ml_100k_where_a_training_does(capsys):
    """RecBole's copy, with the numbers of its README, unless ``data_path`` has one of its own."""
    assert main(["stats", "ml-100k"]) == 0
    assert "| ml-100k   |     943 |   1,682 |        100,000 |         106.0 |     93.70% |" in capsys.readouterr().out
    shutil.copytree("data/tiny", "data/ml-100k")
    Path("data/ml-100k/tiny.inter").rename("data/ml-100k/ml-100k.inter")
    assert MDCNSConfig("SASRec", "ml-100k", config_dict={"data_path": "data"})["data_path"] == "data/ml-100k"
    assert main(["stats", "ml-100k", "tiny", "--data_path=data"]) == 0
    assert capsys.readouterr().out.count("|      40 |      30 |") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "dataset file data/x/x.inter is missing"),
        (HEADER, "x.inter is empty: it has a header and no interaction"),
        ("user_id:token\tvideo_id:token\n", "line 1: column item_id is missing; found user_id, video_id"),
        (HEADER + "u\ti\t1\nu\ti\n", "line 3: expected 3 columns (user_id, item_id, timestamp), found ['u', 'i']"),
        (HEADER + "u\t\t1\n", "line 2: item_id is empty"),
        (HEADER + "u\t\udcff\t1\n", "not utf-8 text"),
    ],
)
def test_stats_of_an_unusable_file(text, message, capsys):
    if text is not None:
        Path("data/x").mkdir()
        Path("data/x/x.inter").write_bytes(text.encode(errors="surrogateescape"))
    assert main(["stats", "tiny", "x", "--data_path=data"]) == USER_ERROR
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1
    assert printed.out == ""
