"""A single run has the record of a trial: one page can show both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.device import DEVICE_OPTIONS
from helpers.planted_records import values

from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.config.identity import content_key
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.files import pack_records, read_records
from recbole_mdcns.records.record import Record


def single(sampler, loss="BCE", peer=None, **config):
    """Return the JSON of a single run, as far as it says what was run."""
    one = values("any", 1, [1, 0], peer=peer)
    of_sampler = {"neg_sampler": sampler} if sampler else {}
    keys = {"model": "SASRec", "protocol": "paper", "ranking_loss": loss, **of_sampler, **config}
    return {**one, "trial": None, "config": {**one["config"], **keys}}


@pytest.mark.parametrize(
    ("run", "method", "setting"),
    [
        (single("rns"), "rns", {"split_seed": 1}),
        (single("dns_plus", neg_top_num=20), "dns_plus", {"split_seed": 1, "neg_top_num": 20}),
        (single(None, "CE"), "ce", {"split_seed": 1}),
        (single("rns", "gBCE", neg_num=256), "gbce", {"split_seed": 1}),
        (single("rns", "gBCE", neg_num=5), "rns", {"split_seed": 1, "neg_num": 5}),
        (single("mdcns", peer="Mamba4Rec", distill_weight=0), "mdcns_without_cd", {"split_seed": 1}),
        (single("mdcns", peer="Mamba4Rec", distill_weight=3.0), "mdcns", {"split_seed": 1, "distill_weight": 3.0}),
        (single("my.module:Mine"), "my.module:Mine", {"split_seed": 1}),
        (single("my.module:Mine", my_key=2), "my.module:Mine", {"split_seed": 1, "my_key": 2}),
        (single("rns", hidden_size=32, n_layers=2), "rns", {"split_seed": 1, "hidden_size": 32}),
    ],
)
def test_the_record_of_a_single_run_is_that_of_a_trial(run, method, setting):
    one = Record.from_json(run, "one.json")
    loss = run["config"]["ranking_loss"]
    assert one.cell == Cell("amazon-beauty", "paper", "SASRec", run["peer_model"], method, loss)
    assert (one.trial.setting, one.seed, one.status) == (setting, 1, "finished")
    assert one.trial.key == f"run-{content_key(run['config'])}-row"
    pack_records([one], Path("mine.jsonl.xz"))
    assert read_records(Path("mine.jsonl.xz")) == [one]


def test_a_users_own_model_is_not_shown_as_one_of_the_same_name():
    run = single("mdcns", peer="GRU4Rec", peer_model="own.models:GRU4Rec", model="own.models:SASRec")
    cell = Record.from_json(run, "one.json").cell
    assert (cell.model, cell.peer) == ("own.models:SASRec", "own.models:GRU4Rec")  # as a sweep names them


def test_the_setting_of_a_single_run_names_the_keys_of_its_peers():
    run = single("mdcns", peer="GRU4Rec", peer_model="GRU4Rec")
    run["config"]["peer"] = {"hidden_size": 32, "embedding_size": 64}
    assert Record.from_json(run, "one.json").trial.setting == {"split_seed": 1, "peer.hidden_size": 32}


@pytest.mark.parametrize("key", ["protocol", "ranking_loss", "seed"])
def test_a_run_that_does_not_say_what_it_was_is_refused(key):
    run = single("rns")
    del run["config"][key]
    with pytest.raises(ConfigError, match=rf"record one\.json is incomplete: it has no config\.{key}"):
        Record.from_json(run, "one.json")


def test_runs_of_the_command_line_stand_beside_each_other_on_a_page():
    pytest.importorskip("matplotlib")
    keys = ["--data_path=data", *DEVICE_OPTIONS, "--show_progress=False", "--epochs=1", "--hidden_size=8"]
    keys += ["--model=GRU4Rec", "--dataset=tiny", "--MAX_ITEM_LIST_LENGTH=8", "--topk=[5,10]", "--embedding_size=8"]
    Path("runs").mkdir()
    for name, more in (("rns", []), ("dns", ["--neg_candidate_num=5"])):
        assert train_main([*keys, *more, f"--neg_sampler={name}", f"--result_file=runs/{name}.json"]) == 0
    assert main(["report", "side_by_side", "--records", "runs", "--out", "page"]) == 0
    page = Path("page/README.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    assert "## GRU4Rec on tiny, leave_one_out" in page and "neg_candidate_num 5" in lines["dns"]
    assert {one.trial.cell.method for one in read_records(Path("page"))} == {"rns", "dns"}
    rows = json.loads(Path("runs/rns.json").read_text())["test_rows"]
    assert rows["names"] == "\n".join(sorted(f"u{number}" for number in range(40))) and "row_nums" not in rows


def test_single_runs_fill_a_table_of_the_paper():
    pytest.importorskip("matplotlib")
    Path("runs").mkdir()
    for name, run in (("a", single("rns")), ("b", single(None, "CE")), ("c", single("mdcns", peer="Mamba4Rec"))):
        Path(f"runs/{name}.json").write_text(json.dumps(run))
    assert main(["report", "table3", "--records", "runs", "--out", "out", "--datasets", "beauty"]) == 0
    lines = [line.split("|") for line in Path("out/table3.md").read_text().splitlines() if line.startswith("| ")]
    shown = {line[1].strip(): line[-4].strip() for line in lines if len(line) == 12}
    assert {name: shown[name] for name in ("RNS", "CE", "MDCNS")} == dict.fromkeys(
        ("RNS", "CE", "MDCNS"), "split_seed 1"
    )
