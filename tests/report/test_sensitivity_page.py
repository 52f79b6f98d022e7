"""The page of one key at a time: which runs its tables show, and which numbers are validation."""

import re
from pathlib import Path

from helpers.planted_records import record

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.files import pack_records
from recbole_mdcns.report import sensitivity


def test_a_page_of_sensitivity_changes_one_key_at_a_time_and_tells_validation_from_test(monkeypatch):
    """M 1 and 3, gamma 1 and 2; the run with both changed is in no table."""
    monkeypatch.setattr(sensitivity, "draw", lambda *_, **__: None)
    keys = {"epochs": 80, "stopping_step": 80, "seed": 1, "distill_temperature": 1.0, "neg_candidate_num": 9}
    tried = [(1, 1.0, 0.45, [1, 0]), (3, 1.0, 0.4, [1, 1]), (1, 2.0, 0.3, [0, 0]), (3, 2.0, 0.9, [1, 1])]
    made = []
    for m, gamma, valid, places in tried:
        setting = {"neg_top_num": m, "teacher_neg_weight": gamma}
        made.append(record("mdcns", 1, places, setting=setting, valid=valid, config={**keys, **setting}))
    pack_records(made, Path("given.jsonl.xz"))
    assert main(["report", "sensitivity", "--records", "given.jsonl.xz", "--out", "page"]) == 0
    lines = Path("page/README.md").read_text().splitlines()
    rows = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines if re.match(r"\| [\d.]+ ", line)]
    first = ("0.4500", "0.5000")
    of_m, of_gamma = [("1", *first), ("3", "0.4000", "1.0000")], [("1", *first), ("2", "0.3000", "0.0000")]
    assert rows == [*of_m, *of_gamma, ("1", *first), ("9", *first)]
