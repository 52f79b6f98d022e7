"""Pages of records from anywhere: those of single runs are read, what is damaged or forged is told in one sentence."""

import copy
import importlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from helpers.paths import BENCHMARKS
from helpers.planted_records import planted, record
from recbole_mdcns.records.packed import pack_records, read_records

from recbole_mdcns.cli.main import train_main as train
from recbole_mdcns.errors import UserError
from recbole_mdcns.report import escape
from recbole_mdcns.report.sources import run as run_script

RESULTS = BENCHMARKS / "results"


def script(monkeypatch, name, *arguments):
    """Run a script in this process without its pictures, and return its exit status."""
    module = importlib.import_module(name)
    for picture in ("draw", "draw_table", "draw_losses"):
        if hasattr(module, picture):
            monkeypatch.setattr(module, picture, lambda *_, **__: False)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    return module.main() if name == "report" else run_script(module.main)


def report(monkeypatch, records, out="out", table="table3"):
    return script(monkeypatch, "report", table, "--records", records, "--out", out)


def sentence(capsys):
    """Return the one line on stderr."""
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "Warning" not in line)
    return line


# Records of single runs


def single(sampler, loss="BCE", peer=None, batching="user", **config):
    """Return the record of a single run, as far as it says what was run."""
    one = record(sampler, 1, [1, 0], peer=peer)
    del one["trial"], one["status"]
    keys = {"protocol": "paper", "neg_sampler": sampler, "ranking_loss": loss, **config}
    return {**one, "model": "SASRec", "batching": batching, "config": {**one["config"], **keys}}


@pytest.mark.parametrize(
    ("run", "sampler", "setting"),
    [
        (single("rns"), "rns", {"split_seed": 1}),
        (single("dns_plus", neg_top_num=20), "dns_plus", {"split_seed": 1, "neg_top_num": 20}),
        (single("none", "CE"), "ce", {"split_seed": 1}),
        (single("rns", "gBCE", neg_num=256), "gbce", {"split_seed": 1}),
        (single("rns", "gBCE", neg_num=5), "rns", {"split_seed": 1, "neg_num": 5}),
        (single("mdcns", peer="Mamba4Rec", distill_weight=0), "mdcns_without_cd", {"split_seed": 1}),
        (single("mdcns", peer="Mamba4Rec", distill_weight=3.0), "mdcns", {"split_seed": 1, "distill_weight": 3.0}),
        (single("my.module:Mine"), "my.module:Mine", {"split_seed": 1}),
    ],
)
def test_the_record_of_a_single_run_is_that_of_a_trial(run, sampler, setting):
    Path("one.json").write_text(json.dumps(run))
    (found,) = read_records(Path("one.json"))
    cell = {"dataset": "amazon-beauty", "protocol": "paper", "model": "SASRec", "peer": run["peer_model"]}
    assert found["trial"]["cell"] == {**cell, "sampler": sampler, "loss": run["config"]["ranking_loss"]}
    assert found["trial"]["setting"] == setting and found["trial"]["seed"] == 1 and found["status"] == "finished"
    Path("folder").mkdir()
    pack_records([found], Path("folder/mine.jsonl.xz"))
    assert read_records(Path("folder")) == [found]


def test_runs_of_the_command_line_stand_beside_each_other_on_a_page(monkeypatch):
    keys = ["--data_path=data", "--use_gpu=False", "--show_progress=False", "--epochs=1", "--hidden_size=8"]
    keys += ["--model=GRU4Rec", "--dataset=tiny", "--MAX_ITEM_LIST_LENGTH=8", "--neg_candidate_num=5", "--topk=[5,10]"]
    Path("runs").mkdir()
    for name in ("rns", "dns"):
        assert train([*keys, f"--neg_sampler={name}", f"--result_file=runs/{name}.json", "--embedding_size=8"]) == 0
    assert script(monkeypatch, "side_by_side", "runs", "--out", "page") == 0
    page = Path("page/README.md").read_text()
    assert "## GRU4Rec on tiny, leave_one_out" in page and re.search(r"^\| dns +\| neg_candidate_num 5,", page, re.M)
    assert {r["trial"]["cell"]["sampler"] for r in read_records(Path("page"))} == {"rns", "dns"}
    users = json.loads(Path("runs/rns.json").read_text())["test_users"]
    assert users == {"names": "\n".join(sorted(f"u{number}" for number in range(40)))}


def test_single_runs_fill_a_table_of_the_paper(monkeypatch):
    Path("runs").mkdir()
    for number, one in enumerate((single("rns"), single("none", "CE"), single("mdcns", peer="Mamba4Rec"))):
        Path(f"runs/{number}.json").write_text(json.dumps({**one, "test_places": {"self": "1,0"}}))
    assert report(monkeypatch, "runs") == 0
    page = Path("out/table3.md").read_text()
    assert all(re.search(rf"^\| {name} \| .*\| split_seed 1 \| 1 \|", page, re.M) for name in ("RNS", "CE", "MDCNS"))


# The repository's own results


@pytest.mark.parametrize(
    ("name", "folder", "status"),
    [
        ("parity", "parity", 0),
        ("parity", "convergence", 0),
        ("parity", "why_it_works", 0),
        ("convergence", "convergence", 0),
        ("convergence", "why_it_works", 0),
        ("convergence", "scale", 2),
        ("side_by_side", "parity", 0),
        ("side_by_side", "convergence", 0),
        ("side_by_side", "variants", 0),
        ("sensitivity", "convergence", 0),
        ("sensitivity", "sensitivity", 0),
        ("sensitivity", "why_it_works", 2),
        ("report", "parity", 0),
        ("report", "convergence", 0),
        ("report", "scale", 2),
    ],
)
def test_every_script_reads_every_folder_of_results_or_says_why_not(name, folder, status, monkeypatch, capsys):
    shutil.copytree(RESULTS / folder, "copy")
    arguments = {"parity": ["copy"], "convergence": ["--out", "copy"], "report": ["table3", "--records", "copy"]}
    out = [] if name in ("parity", "convergence") else ["--out", "page"]
    assert script(monkeypatch, name, *arguments.get(name, ["copy"]), *out) == status
    if status:
        assert sentence(capsys).startswith(f"{name}: ")


@pytest.mark.parametrize("folder", ["parity", "convergence"])
def test_the_pages_of_single_runs_are_those_committed(folder, monkeypatch):
    shutil.copytree(RESULTS / folder, "copy")
    arguments = {"parity": ["copy"], "convergence": ["--out", "copy"]}
    Path("copy/README.md").unlink()
    assert script(monkeypatch, folder, *arguments[folder]) == 0
    committed = (RESULTS / folder / "README.md").read_text().splitlines()
    assert set(Path("copy/README.md").read_text().splitlines()) <= set(committed)  # which may have a note


# Damaged and incomplete records


def without(one, path):
    """Return a copy of a record that lacks an entry."""
    one = copy.deepcopy(one)
    *folders, last = path.split(".")
    inside = one
    for name in folders:
        inside = inside[name]
    del inside[last]
    return one


def changed(one, path, value):
    """Return a copy of a record with another value in an entry."""
    one = copy.deepcopy(one)
    *folders, last = path.split(".")
    inside = one
    for name in folders:
        inside = inside[name]
    inside[last] = value
    return one


WHOLE = record("rns", 1, [1, 0])
ENTRIES = [
    "trial", "trial.key", "trial.cell.sampler", "trial.seed", "status", "config", "config.epochs", "data.rows.test",
    "epochs", "valid", "valid.self", "test", "command", "machine.processor", "versions", "git", "best_epoch",
    "seconds_per_epoch", "seed", "dataset", "valid_metric",
]  # fmt: skip
VALUES = [
    ("config.epochs", "80<script>"), ("config.stopping_step", None), ("dataset", "../../x"), ("dataset", "/abs"),
    ("dataset", ".hidden"), ("dataset", ""), ("dataset", "a\\b"), ("dataset", 7), ("trial.key", "../../x"),
    ("trial.key", "/abs"), ("trial.cell.dataset", "../x"), ("trial.cell.more", "x"), ("trial.setting", None),
    ("test.self", {"ndcg@10": "0.1"}), ("valid.self", {"ndcg@10": float("nan")}), ("valid.self", {}),
    ("epochs", [{"epoch": 0}]), ("epochs", {}), ("best_epoch", None), ("command", "run"), ("seed", True),
    ("test_places.self", "1,x"), ("test_places.self", "1,0,0"), ("test_users", {"names": "a\nb\nc"}), ("git", "abc"),
    ("test_users", {"names": "a", "rows": "3"}), ("test_users", {"names": "a\nb", "rows": "1,"}), ("test_users", 7),
    ("status", "done"), ("data.rows", 7), ("machine", None), ("versions", {"torch": 2}),
]  # fmt: skip


@pytest.mark.parametrize("path", ENTRIES)
def test_a_record_that_lacks_an_entry_is_refused_with_its_name(path):
    Path("r.json").write_text(json.dumps(without(WHOLE, path)))
    with pytest.raises(UserError, match=rf"r\.json.*{re.escape(path.split('.')[-1])}"):
        read_records(Path("r.json"))


@pytest.mark.parametrize(("path", "value"), VALUES)
def test_a_record_with_another_kind_of_value_is_refused_with_the_name_of_its_entry(path, value):
    Path("r.json").write_text(json.dumps(changed(WHOLE, path, value)))
    with pytest.raises(UserError, match=rf"r\.json.*({re.escape(path.split('.')[0])}|NaN is no JSON)"):
        read_records(Path("r.json"))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"{", b"[]", b"{}", b'{"schema": 99}', b"null", b'{"schema": 1}']
)
@pytest.mark.parametrize("name", ["report", "side_by_side", "sensitivity", "parity", "convergence"])
def test_every_script_names_a_damaged_record_and_ends_with_two(name, content, monkeypatch, capsys):
    Path("in").mkdir()
    Path("in/bad.json").write_bytes(content)
    arguments = {"parity": ["in"], "convergence": ["--out", "in"], "report": ["table3", "--records", "in"]}
    out = [] if name in ("parity", "convergence") else ["--out", "page"]
    assert script(monkeypatch, name, *arguments.get(name, ["in"]), *out) == 2
    assert "bad.json" in sentence(capsys) and not Path("page").exists()


def test_a_damaged_line_of_packed_records_is_named_with_its_number(monkeypatch, capsys):
    pack_records([WHOLE, changed(record("rns", 2, [1, 0]), "config.epochs", "many")], Path("mine.jsonl.xz"))
    assert report(monkeypatch, "mine.jsonl.xz") == 2
    told = sentence(capsys)
    assert all(part in told for part in ("mine.jsonl.xz, line 2", "config", "epochs", "'many'"))
    Path("mine.jsonl.xz").write_bytes(Path("mine.jsonl.xz").read_bytes()[:-20])
    assert report(monkeypatch, "mine.jsonl.xz") == 2
    assert "mine.jsonl.xz holds no packed records" in sentence(capsys)


@pytest.mark.parametrize(("part", "metric"), [("test", "recall@5"), ("valid", "ndcg@10")])
def test_a_metric_that_a_page_shows_and_a_record_lacks_is_named(part, metric, monkeypatch, capsys):
    one = copy.deepcopy(WHOLE)
    del (one["test"]["self"] if part == "test" else one["epochs"][0]["valid"])[metric]
    pack_records([one], Path("mine.jsonl.xz"))
    assert report(monkeypatch, "mine.jsonl.xz") == 2
    told = sentence(capsys)
    assert metric in told and part in told and ("SASRec/rns/BCE, seed 1" in told or "mine.jsonl.xz, line 1" in told)


# Forged records

EVIL = "<script>alert(1)</script>|`x`|](javascript:alert)\n# head"


def forged():
    """Return records whose every free text would mark up a page, if it could."""
    for one in planted():
        one = copy.deepcopy(one)
        one["trial"]["setting"] = {EVIL: EVIL}
        one["command"] = ["run", EVIL]
        one["versions"][EVIL] = EVIL
        one["machine"]["processor"] = one["git"]["commit"] = EVIL
        one["config"] = {**one["config"], "learner": EVIL, "protocol": EVIL}
        one["epochs"][0]["parts"] = {EVIL: 1.0}
        one["data"][EVIL] = 3
        yield one


def test_text_of_a_record_marks_up_no_page(monkeypatch):
    pack_records(forged(), Path("evil.jsonl.xz"))
    assert report(monkeypatch, "evil.jsonl.xz") == 0
    html = Path("out/index.html").read_text()
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert script(monkeypatch, "side_by_side", "evil.jsonl.xz", "--out", "side") == 0
    pages = [*Path("out").glob("*.md"), *Path("side").glob("*.md")]
    assert len(pages) >= 4
    for page in pages:
        text = page.read_text()
        inert = re.sub(r"(`+) .*? \1", "", text)  # code, between as many backticks as it needs
        assert "<script>" not in inert and "](javascript" not in inert and "\n# head" not in text, page
        assert "alert(1)" in text or page.name == "README.md"
    table = [line for line in Path("out/table3.md").read_text().splitlines() if line.startswith("| RNS |")]
    assert len(table) and all(len(re.findall(r"(?<!\\)\|", line)) == 11 for line in table if "alert" in line)


@pytest.mark.parametrize("name", ["../../escaped", "..", "a/b", "{root}/escaped"])
def test_names_in_a_record_write_no_file_outside_of_the_pages(name, monkeypatch, capsys):
    name = name.format(root=Path.cwd())
    one = changed(WHOLE, "dataset", name)
    pack_records([one], Path("evil.jsonl.xz"))
    before = sorted(Path.cwd().parent.rglob("*"))
    assert report(monkeypatch, "evil.jsonl.xz", "deep/er/out") == 2
    assert "evil.jsonl.xz, line 1: dataset is" in sentence(capsys)
    assert sorted(Path.cwd().parent.rglob("*")) == before


def test_escaped_text_by_hand():
    assert escape.text("a_b [1, 2] (c) 0.5 +cpu") == "a_b [1, 2] (c) 0.5 +cpu"  # what records usually hold
    assert escape.text("<b>|`&amp;`|\r\n") == r"&lt;b&gt;\|\`&amp;amp;\`\| "
    assert escape.code("a") == "`a`" and escape.code("a`b``c") == "``` a`b``c ```"


def test_seeds_of_a_store_are_read_with_the_same_checks(monkeypatch, capsys):
    """reproduce.py would write what it takes over under the key of the record."""
    pytest.importorskip("matplotlib")
    pack_records([changed(WHOLE, "trial.key", "../../escaped")], Path("evil.jsonl.xz"))
    reproduce = importlib.import_module("reproduce")
    asked = ["reproduce.py", "table7", "--datasets", "beauty", "--methods", "RNS", "--budget", "cpu"]
    where = ["--storage", "s", "--out", "page", "--reuse", "evil.jsonl.xz"]
    monkeypatch.setattr(sys, "argv", [*asked, *where])
    monkeypatch.setattr(reproduce, "run_sweeps", lambda *_: pytest.fail("trained"))
    assert reproduce.main() == 2
    told = sentence(capsys)
    assert "trial.key" in told and "../../escaped" in told
    Path("evil.jsonl.xz").unlink()
    Path("s/reproduction-cpu/records/x.json").write_text(json.dumps(without(WHOLE, "config")))
    monkeypatch.setattr(sys, "argv", [*asked, *where[:-2]])
    assert reproduce.main() == 2
    told = sentence(capsys)
    assert "x.json is incomplete" in told and "config" in told
