"""docs/report.md and docs/sweeps.md: every key is explained, and the example of a table shows what records hold."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

from helpers.paths import ROOT
from helpers.planted_records import record

from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.description_file import _KEYS
from recbole_mdcns.report.markdown import markdown
from recbole_mdcns.tuning.sweep import Sweep

REPORT, SWEEPS = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("report.md", "sweeps.md"))


def explained(page: str) -> set[str]:
    """Return the keys in the first column of the page's table of keys."""
    _, table = page.split("| key | default | meaning |\n|---|---|---|\n")
    rows = re.match(r"(\|.*\n)+", table).group().splitlines()
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_key_of_a_page_is_explained():
    assert explained(REPORT) == set(_KEYS)


def test_every_key_of_a_sweep_is_explained():
    assert explained(SWEEPS) == {field.name for field in fields(Sweep)} - {"origin", "by_option"}  # not in files


def planted(method, places, peer=None):
    one = record(method, 1, places, "ml-100k", peer)
    return replace(one, trial=replace(one.trial, cell=replace(one.trial.cell, protocol="leave_one_out")))


def test_the_table_of_the_page():
    """By hand: of four targets, uniform ranks one first, MDCNS one first and one second: NDCG 1/4 and 1.63093/4."""
    (text,) = re.findall(r"<!-- report -->\n```yaml\n(.*?)```", REPORT, re.DOTALL)
    Path("my_table.yaml").write_text(text)
    page = read_description("my_table.yaml")
    lines = fill(page, [planted("rns", [1, 0, 0, 0]), planted("mdcns", [1, 2, 0, 0], "GRU4Rec")])
    assert [line.name for line in lines] == ["uniform", "MDCNS"]
    shown = markdown(page, lines)
    assert shown.startswith("# MDCNS and uniform negatives\n")
    assert "| MDCNS | **0.5000** | **0.4077** |" in shown and "| uniform | <u>0.2500</u> | <u>0.2500</u> |" in shown
