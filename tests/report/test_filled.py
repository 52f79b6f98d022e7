"""How much of the tables is filled, and what each gap costs, by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.planted_records import record, with_config

from recbole_mdcns.report import report
from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.filled import Gap, filled, find_gaps

TABLE = "table7"  # RNS, DNS+ with four settings, MDCNS-wts and MDCNS; four metrics


def table(records, datasets=("beauty", "toys")):
    page = read_description(TABLE)
    return [(page, fill(page, records, list(datasets)))]


def test_a_gap_costs_its_settings_times_the_epochs_of_similar_records():
    known = [record("rns", 1, [1, 0], seconds_per_epoch=360.0)]  # one epoch, so a tenth of an hour
    timed, unknown = find_gaps(table(known), known)
    assert timed.methods == ["DNS+", "MDCNS-wts", "MDCNS"] and timed.place == "Table 7, beauty, SASRec"
    assert timed.cells == 12 and timed.hours == pytest.approx((4 + 1 + 1) * 0.1)
    assert timed.an_hour_fills == pytest.approx(20)
    assert unknown == Gap("Table 7, toys, SASRec", ["RNS", "DNS+", "MDCNS-wts", "MDCNS"], 16, None)


def test_the_cheapest_gap_comes_first_and_what_was_not_timed_last():
    known = [
        record("rns", 1, [1, 0], seconds_per_epoch=360.0),
        record("rns", 1, [1, 0], "amazon-toys-games", seconds_per_epoch=36.0),
    ]
    text = filled(table(known, ["beauty", "sports", "toys"]), known)
    assert text[2].startswith("8 of the paper's 48 cells have a value of ours: 2 of 12 lines")
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text if line.startswith("| Table")]
    assert [row[0].split(", ")[1] for row in rows] == ["toys", "beauty", "sports"]
    assert [row[2:] for row in rows] == [["12", "0.1", "200"], ["12", "0.6", "20"], ["16", "not timed", ""]]


def test_times_come_from_the_same_backbone_and_may_come_from_further_records():
    known = [record("rns", 1, [1, 0], seconds_per_epoch=360.0)]
    page = read_description("table4")  # SASRec, LinRec, FMLP4Rec
    tables = [(page, fill(page, known, ["beauty"]))]
    cell = {"dataset": "amazon-beauty", "protocol": "paper", "model": "LinRec", "peer": None, "method": "rns"}
    trial = {"key": "other", "cell": {**cell, "loss": "BCE"}, "setting": {}, "seed": 1}
    timed = [*known, record("rns", 1, [1, 0], seconds_per_epoch=3600.0, trial=trial)]
    hours = {gap.place.split(", ")[2]: gap.hours for gap in find_gaps(tables, timed)}
    # DNS+ and MDCNS have no record: their factor is 1
    assert hours == {"SASRec": pytest.approx(0.1 * (4 + 1)), "LinRec": pytest.approx(1 + 4 + 1), "FMLP4Rec": None}


def test_a_gap_costs_the_epochs_of_the_lines_beside_it_or_those_that_most_runs_have():
    """Its command has their budget; runs that reached 2 epochs do not say how many epochs a larger budget takes."""
    short = {"epochs": [{"epoch": epoch, "train_seconds": 1.0, "parts": {}} for epoch in range(2)]}
    few = with_config(record("rns", 1, [1, 0], seconds_per_epoch=360.0, **short), epochs=2)
    more = [
        with_config(record("rns", seed, [1, 0], "amazon-toys-games", seconds_per_epoch=36.0), epochs=40)
        for seed in (1, 2)
    ]
    (beside, _), (alone, _) = (find_gaps(table([*given, *more]), [few]) for given in ([few], []))
    assert beside.hours == pytest.approx(0.1 * 2 * (4 + 1 + 1))
    assert alone.hours == pytest.approx(0.1 * 40 * (1 + 4 + 1 + 1))
    text = " ".join(filled(table([few, *more]), [few]))
    assert "at the epochs of the lines beside them, else at 40; estimated" in text


def test_a_full_table_has_no_gap():
    peers = {"MDCNS": "Mamba4Rec", "MDCNS-wts": "GRU4Rec"}
    methods = (("rns", None), ("dns_plus", None), *(("mdcns", peer) for peer in peers.values()))
    known = [record(method, 1, [1, 0], "amazon-beauty", peer) for method, peer in methods]
    text = filled(table(known, ["beauty"]), known)
    assert find_gaps(table(known, ["beauty"]), known) == []
    assert "16 of the paper's 16 cells" in text[2] and not any(line.startswith("|") for line in text)


def test_records_that_only_give_times_may_contradict_each_other(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(report, "draw_table", lambda *_: False)
    known = [record("rns", 1, [1, 0], seconds_per_epoch=360.0)]
    elsewhere = [record("rns", 1, [0, 0], seconds_per_epoch=seconds) for seconds in (36.0, 360.0)]
    report.write_report([read_description(TABLE)], known, Path("out"), ["beauty"], elsewhere)
    page = Path("out/README.md").read_text()
    assert re.search(r"Table 7, beauty, SASRec +\| DNS\+, MDCNS-wts, MDCNS +\| 12 +\| 0.6 ", page)


def test_losses_are_no_table():
    assert filled([(read_description("figure3"), [])], []) == []
