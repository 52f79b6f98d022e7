"""Pages of records from anywhere: the repository's own are read, what is damaged or forged is told in one sentence."""

from __future__ import annotations

import importlib
import json
import lzma
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.paths import BENCHMARKS
from helpers.planted_records import planted, record

from recbole_mdcns.cli.main import main
from recbole_mdcns.records.files import pack_records, read_records, write_record
from recbole_mdcns.report import escape, report, reproduce, sensitivity, side_by_side
from recbole_mdcns.report.sources import run_script, sources

RESULTS = BENCHMARKS / "results"
STUDIES = ("parity", "convergence")
PAGES = ("table3", "side_by_side", "sensitivity")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Draw nothing: that takes seconds, and other tests do."""
    for module in (side_by_side, sensitivity):
        monkeypatch.setattr(module, "draw", lambda *_, **__: None)
    monkeypatch.setattr(report, "draw_table", lambda *_: False)


@pytest.fixture
def quick_packing(monkeypatch):
    """Pack with less effort: 20 MB would take ten seconds. ``tests/tuning/test_selection.py`` has the bytes."""
    opened = lzma.open

    def quick(file, mode, **more):
        return opened(file, mode, preset=0 if mode == "wb" else None, **more)

    monkeypatch.setattr(lzma, "open", quick)


def content_of(path):
    """Return the bytes of a file, unpacked."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def study(monkeypatch, name, folder):
    """Run a study's script in this process without its pictures, and return its exit status."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / "studies"))
    module = importlib.import_module(name)
    monkeypatch.setattr(module, "draw", lambda *_: None)
    monkeypatch.setattr(sys, "argv", [name, *(["--out"] if name == "convergence" else []), str(folder)])
    return run_script(module.main)


def page_of(name, records, out="page"):
    """Run ``recbole-mdcns report``, and return its exit status."""
    return main(["report", name, "--records", str(records), "--out", out])


def sentence(capsys):
    """Return the one line on stderr."""
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "Warning" not in line)
    return line


@pytest.mark.parametrize("name", ["side_by_side", "sensitivity"])
def test_a_page_does_not_replace_records_that_it_does_not_show(name, capsys):
    """Here those of the settings that validation did not choose, or of other methods."""
    keys = {"epochs": 80, "stopping_step": 80, "seed": 1}
    keys |= {"teacher_neg_weight": 1, "distill_temperature": 1, "neg_candidate_num": 100}
    made = [
        record("mdcns", 1, [1, 0], setting={"neg_top_num": m}, valid=v, config={**keys, "neg_top_num": m})
        for m, v in ((1, 0.5), (3, 0.4))
    ]
    Path("page").mkdir()
    pack_records(made if name == "side_by_side" else [*made, record("rns", 9, [1])], Path("page/records.jsonl.xz"))
    pack_records(made, Path("given.jsonl.xz"))
    before = Path("page/records.jsonl.xz").read_bytes()
    assert page_of(name, "given.jsonl.xz") == 2
    said = sentence(capsys)
    assert "holds 1 record(s) that this page does not show" in said and "another --out" in said, said
    assert [path.read_bytes() for path in Path("page").iterdir()] == [before]


def test_every_setting_that_was_tried_has_a_line_and_keeps_its_record(capsys):
    """Side by side only the chosen one has; both pages say which setting a line has."""
    keys = {"epochs": 80, "stopping_step": 80, "seed": 1}
    made = [
        record("mdcns", 1, [1, 0], setting={"neg_top_num": m}, valid=v, config={**keys, "neg_top_num": m})
        for m, v in ((1, 0.5), (3, 0.4))
    ]
    made.append(record("rns", 1, [1, 0], valid=0.45))
    pack_records(made, Path("given.jsonl.xz"))
    shown = {}
    for name in ("every_setting", "side_by_side"):
        assert page_of(name, "given.jsonl.xz", name) == 0
        lines = [line for line in Path(name, "README.md").read_text().splitlines() if line.startswith("| ")][1:]
        shown[name] = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in lines]
    assert shown["every_setting"] == [
        ("mdcns", "neg_top_num 1", "0.5000"),
        ("rns", "", "0.4500"),
        ("mdcns", "neg_top_num 3", "0.4000"),
    ]
    assert shown["side_by_side"] == shown["every_setting"][:2]
    assert read_records(Path("every_setting/records.jsonl.xz")) == sorted(made, key=lambda one: one.trial.key)


def test_a_page_of_sensitivity_is_of_one_training_and_its_mean_of_seeds_alone(capsys):
    keys = {"epochs": 80, "stopping_step": 80, "neg_candidate_num": 9, "teacher_neg_weight": 1.0}
    keys = {**keys, "distill_temperature": 1.0}
    made = [
        record("mdcns", seed, [1, 0], setting={"neg_top_num": m}, config={**keys, "seed": seed, "neg_top_num": m})
        for m in (1, 3) for seed in (1, 2)
    ]  # fmt: skip
    pack_records(made, Path("good.jsonl.xz"))
    assert page_of("sensitivity", "good.jsonl.xz") == 0 and capsys.readouterr()
    for name, change in (("dataset", {"dataset": "tiny"}), ("epochs", {"epochs": 999})):
        other = replace(made[0], trial=replace(made[0].trial, key=name), config={**made[0].config, **change})
        pack_records([*made, other], Path(f"{name}.jsonl.xz"))
        assert page_of("sensitivity", f"{name}.jsonl.xz", name) == 2
        assert f"differ in {name} (" in sentence(capsys)
    twice = replace(made[0], trial=replace(made[0].trial, key="twice"))
    pack_records([*made, twice], Path("twice.jsonl.xz"))
    assert page_of("sensitivity", "twice.jsonl.xz", "twice") == 2 and "are of the same training" in sentence(capsys)


def test_a_page_that_cannot_be_written_is_told_in_one_sentence(capsys):
    pack_records([record("rns", 1, [1, 0])], Path("one.jsonl.xz"))
    Path("page/README.md").mkdir(parents=True)
    assert page_of("side_by_side", "one.jsonl.xz") == 1
    assert "page/README.md cannot be written (Is a directory)" in sentence(capsys)


def test_test_of_some_seeds_alone_is_not_shown_beside_validation_of_all():
    made = [record("rns", 1, [1, 0]), record("rns", 2, [1, 0], test=None)]
    pack_records(made, Path("half.jsonl.xz"))
    assert page_of("side_by_side", "half.jsonl.xz", "half") == 0
    assert "test self" not in Path("half/README.md").read_text()
    pack_records([made[0]], Path("whole.jsonl.xz"))
    assert page_of("side_by_side", "whole.jsonl.xz", "whole") == 0
    assert "test self" in Path("whole/README.md").read_text()


def test_methods_without_a_common_metric_are_not_compared(capsys):
    other = record("dns", 1, [1, 0], valid_metric="Recall@20", metrics=["recall@20"])
    pack_records([record("rns", 1, [1, 0]), other], Path("given.jsonl.xz"))
    assert page_of("side_by_side", "given.jsonl.xz") == 2
    assert "rns/BCE, seed 1 lacks recall@20" in sentence(capsys) and not Path("page").exists()


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
        ("sensitivity", "sensitivity", 0),
        ("sensitivity", "why_it_works", 2),
        ("table3", "parity", 0),
        ("table3", "convergence", 0),
        ("table3", "scale", 2),
    ],
)
def test_every_page_reads_every_folder_of_results_or_says_why_not(name, folder, status, monkeypatch, capsys):
    shutil.copytree(RESULTS / folder, "copy")
    is_study = name in STUDIES
    assert (study(monkeypatch, name, "copy") if is_study else page_of(name, "copy")) == status
    if status:
        assert sentence(capsys).startswith(f"{name}: " if is_study else "recbole-mdcns report: ")


@pytest.mark.parametrize("folder", STUDIES)
def test_the_pages_of_single_runs_are_those_committed(folder, monkeypatch):
    shutil.copytree(RESULTS / folder, "copy")
    Path("copy/README.md").unlink()
    assert study(monkeypatch, folder, "copy") == 0
    committed = (RESULTS / folder / "README.md").read_text().splitlines()
    assert set(Path("copy/README.md").read_text().splitlines()) <= set(committed)  # which may have a note


@pytest.mark.parametrize("name", [path.stem for path in sorted((BENCHMARKS / "pages").glob("*.yaml"))])
def test_the_pages_of_sweeps_are_those_committed(name, monkeypatch, quick_packing):
    monkeypatch.setattr(report, "draw_table", lambda *_: True)
    assert page_of(str(BENCHMARKS / "pages" / f"{name}.yaml"), RESULTS / name) == 0
    committed = sorted(path for path in (RESULTS / name).glob("*") if path.suffix in (".md", ".tex", ".xz"))
    assert "README.md" in [path.name for path in committed]
    root = f"{BENCHMARKS.parent}/".encode()  # a command names the yaml file as it was given
    for path in committed:
        assert content_of(Path("page") / path.name).replace(root, b"") == content_of(path), path


def test_the_tables_of_the_paper_are_those_committed(monkeypatch, quick_packing):
    monkeypatch.setattr(report, "draw_table", lambda *_: True)
    shutil.copytree(RESULTS / "paper", "copy")
    for path in Path("copy").glob("*.md"):
        path.unlink()
    tables = ["table3", "table4", "table6", "table7"]
    assert main(["report", *tables, "--records", "copy", "--out", "copy"]) == 0
    for path in sorted(path for path in Path("copy").glob("*") if path.suffix in (".md", ".tex", ".xz")):
        if path.name != "README.md":  # which has Figure 3 too
            assert content_of(path) == content_of(RESULTS / "paper" / path.name), path


# Damaged records


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"{", b"[]", b"{}", b'{"schema": 99}', b"null", b'{"schema": 1}']
)
@pytest.mark.parametrize("name", [*PAGES, *STUDIES])
def test_every_page_names_a_damaged_record_and_ends_with_two(name, content, monkeypatch, capsys):
    Path("in").mkdir()
    Path("in/bad.json").write_bytes(content)
    assert (study(monkeypatch, name, "in") if name in STUDIES else page_of(name, "in")) == 2
    assert "bad.json" in sentence(capsys) and not Path("page").exists()


WHOLE = record("rns", 1, [1, 0])


def test_a_damaged_line_of_packed_records_is_named_with_its_number(capsys):
    bad = record("rns", 2, [1, 0])
    bad = replace(bad, config={**bad.config, "epochs": "many"})
    pack_records([WHOLE, bad], Path("mine.jsonl.xz"))
    assert page_of("table3", "mine.jsonl.xz") == 2
    told = sentence(capsys)
    assert all(part in told for part in ("mine.jsonl.xz, line 2", "config.epochs", "'many'"))
    Path("mine.jsonl.xz").write_bytes(Path("mine.jsonl.xz").read_bytes()[:-20])
    assert page_of("table3", "mine.jsonl.xz") == 2
    assert "mine.jsonl.xz holds no packed records" in sentence(capsys)


@pytest.mark.parametrize(
    ("method", "loss", "shown"),
    [
        ("rns", "BCE", "rns"), ("rns", "gBCE", "rns, gBCE"), ("ce", "CE", "ce"), ("MutualCE", "MutualCE", "MutualCE"),
        ("mutual_ce", "MutualCE", "mutual_ce"), ("mdcns_softmax", "SSM", "mdcns_softmax, SSM"),
    ],
)  # fmt: skip
def test_a_loss_is_told_where_the_method_does_not_tell_it(method, loss, shown):
    assert replace(WHOLE.cell, method=method, loss=loss).shown_method == shown


def test_a_page_says_which_run_its_command_is_of():
    runs = [replace(record("rns", seed, [1, 0]), command=["train", f"--seed={seed}"]) for seed in (7, 8, 9)]
    assert "* a command: `train --seed=7`, of the run with seed 7" in sources(runs)
    assert "* a command: `train --seed=7`" in sources(runs[:1])
    quoted = replace(runs[0], command=["train", "--metrics=['Recall', 'NDCG']"])
    (line,) = [line for line in sources([quoted]) if line.startswith("* a command: ")]
    assert shlex.split(line.partition("`")[2].rstrip("`")) == quoted.command


def test_a_metric_that_a_page_shows_and_a_record_lacks_is_named(capsys):
    assert WHOLE.test is not None
    write_record(replace(WHOLE, test={"self": {"ndcg@10": 0.5}}), "mine.json")
    assert page_of("table3", "mine.json") == 2
    told = sentence(capsys)
    assert "lacks recall@5: its test of self has ndcg@10" in told and "SASRec/rns/BCE, seed 1" in told


# Forged records

EVIL = "<script>alert(1)</script>|`x`|](javascript:alert)\n# head"


def forged():
    """Return records whose every free text would mark up a page, if it could."""
    for one in planted():
        made_in = replace(
            one.environment, versions={EVIL: EVIL}, commit=EVIL, machine={"processor": EVIL, "torch_threads": 1}
        )
        yield replace(
            one,
            package_version=f"{EVIL} {one.seed}",
            trial=replace(one.trial, setting={EVIL: EVIL}),
            command=["run", EVIL],
            stopped=EVIL,
            environment=made_in,
            config={**one.config, "learner": EVIL, "protocol": EVIL},
            epochs=[replace(one.epochs[0], parts={EVIL: 1.0})],
            data=replace(one.data, sizes={**one.data.sizes, EVIL: 3}),
        )


def test_text_of_a_record_marks_up_no_page():
    pack_records(forged(), Path("evil.jsonl.xz"))
    assert page_of("table3", "evil.jsonl.xz", "out") == 0
    html = Path("out/index.html").read_text()
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert page_of("side_by_side", "evil.jsonl.xz", "side") == 0
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
def test_names_in_a_record_write_no_file_outside_of_the_pages(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    pack_records([replace(WHOLE, dataset=name.format(root=Path.cwd()))], Path("evil.jsonl.xz"))
    before = sorted(tmp_path.rglob("*"))
    assert page_of("table3", "evil.jsonl.xz", "deep/er/out") == 2
    assert "evil.jsonl.xz, line 1: dataset = " in sentence(capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_escaped_text_by_hand():
    assert escape.text("a_b [1, 2] (c) 0.5 +cpu") == "a_b [1, 2] (c) 0.5 +cpu"  # what records usually hold
    assert escape.text("<b>|`&amp;`|\r\n") == r"&lt;b&gt;\|\`&amp;amp;\`\| "
    assert escape.code("a") == "`a`" and escape.code("a`b``c") == "``` a`b``c ```"


def test_records_to_reuse_and_those_of_a_store_are_read_with_the_same_checks(monkeypatch, capsys):
    """Reproduce would write what it imports under the key of the record."""
    pytest.importorskip("matplotlib")
    pack_records([replace(WHOLE, trial=replace(WHOLE.trial, key="../../escaped"))], Path("evil.jsonl.xz"))
    monkeypatch.setattr(reproduce, "run_sweeps", lambda *_: pytest.fail("trained"))
    asked = ["reproduce", "table7", "--datasets", "beauty", "--methods", "RNS", "--budget", "cpu"]
    where = ["--storage", "s", "--out", "page"]
    assert main([*asked, *where, "--reuse", "evil.jsonl.xz"]) == 2
    told = sentence(capsys)
    assert "trial.key" in told and "../../escaped" in told
    values = WHOLE.to_json()
    del values["config"]
    Path("s/reproduction-cpu/records").mkdir(parents=True)
    Path("s/reproduction-cpu/records/x.json").write_text(json.dumps(values))
    assert main([*asked, *where]) == 2
    assert "x.json is incomplete: it has no config" in sentence(capsys)
