"""One command for a table: what it plans, what it takes for done, and what it refuses before any training."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import failure, planted, record, with_config
from helpers.runs import cycle_lines, write_inter

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.main import main
from recbole_mdcns.cli.reproduce import add_arguments
from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import pack_records, read_records
from recbole_mdcns.records.store import Store
from recbole_mdcns.report import reproduce
from recbole_mdcns.report.cells import fill
from recbole_mdcns.report.compare import command
from recbole_mdcns.report.description import read_description
from recbole_mdcns.report.report import with_packed
from recbole_mdcns.report.reproduce import (
    asked_rows,
    has_records,
    import_finished,
    planned_sweeps,
    refuse_clashes,
)
from recbole_mdcns.tuning.grid import cells, settings_of, trials, unread_keys

ASKED = ["reproduce", "table7", "--datasets", "beauty", "--methods", "RNS", "--budget", "cpu", "--storage", "s"]
PAGES = ["--out", "out"]


def options_of(*arguments):
    parser = Parser("reproduce", "")
    add_arguments(parser)
    return parser.parse_args(list(arguments))


def test_a_second_machine_fills_its_pages_from_its_own_records_and_the_packed_ones(tmp_path):
    store = Store(tmp_path / "sweeps" / "reproduction-cpu")
    mine, packed = record("rns", 1, [1, 1]), [record("rns", 1, [1, 0]), record("dns_plus", 1, [1, 0])]
    store.write(mine)
    pack_records(packed, tmp_path / "records.jsonl.xz")
    assert with_packed(store.all_records(), tmp_path) == [mine, packed[1]]
    assert has_records(read_description("table7"), packed) and not has_records(read_description("table5"), packed)
    failed = failure(packed[1])
    store.write(failed)
    assert packed[1] in with_packed(store.all_records(), tmp_path)  # a failure takes no other record's place
    import_finished(Store(tmp_path / "other"), [failed])
    assert not Store(tmp_path / "other").all_records()
    store.renew(failed.trial.key)
    untested = record("dns", 1, [1, 0], test=None)
    pack_records([*packed, untested], tmp_path / "records.jsonl.xz")
    # neither what the store has, nor a cell that was not tested
    import_finished(store, read_records(tmp_path / "records.jsonl.xz"))
    assert store.all_records() == [packed[1], mine]
    beaten = record("dns_plus", 1, [1, 0], test=None, valid=0.1, setting={"neg_top_num": 3})
    pack_records([*packed, beaten], tmp_path / "records.jsonl.xz")
    import_finished(store, read_records(tmp_path / "records.jsonl.xz"))
    assert store.record(beaten.trial.key) == beaten
    store.write(failure(packed[1]))
    short = record("rns", 7, [1, 0], test=None, config={**mine.config, "epochs": 2})
    import_finished(store, [packed[1], *packed, short])
    assert store.record(packed[1].trial.key) == packed[1]  # in place of the failure
    assert store.record(short.trial.key) is None  # no record of this budget was tested


@pytest.mark.parametrize("table", ["table3", "table4", "table5", "table6", "table7"])
def test_printed_commands_ask_for_their_line(table):
    page = read_description(table)
    for line in fill(page, planted()):
        program, name, *arguments = shlex.split(command(page, line))
        assert (program, name) == ("recbole-mdcns", "reproduce")
        assert line.row in asked_rows(page, options_of(*arguments))


def test_a_printed_command_asks_for_its_line_whatever_the_names_are():
    odd = """'two, apart at "$5"'"""
    Path("my table.yaml").write_text(
        f"datasets: [My shop]\ndataset_names: {{My shop: shop}}\nmodels: [SASRec]\nmetrics: [ndcg@10]\n"
        f"methods: {{{odd}: rns, plain: dns}}\nbudgets: {{a day: [80, 80]}}\n"
    )
    page = read_description("my table.yaml")
    for line in fill(page, []):
        asked = options_of(*shlex.split(command(page, line))[2:])
        assert asked_rows(page, asked) == [line.row] and (asked.page, asked.budget) == (page.source, "a day")


def test_the_sweeps_of_a_table_have_a_cell_for_each_of_its_lines():
    page = read_description("table7")
    sweeps = planned_sweeps(page, options_of("table7", "--budget", "smoke"))
    assert all(sweep.keys["epochs"] == 2 and sweep.name == "reproduction-smoke" for sweep in sweeps)
    planned = [cell for sweep in sweeps for cell in cells(sweep)]
    assert all(sum(row.is_cell(cell) for cell in planned) == 1 for row in page.lines())
    assert len(planned) == len(page.lines())


def test_a_method_with_a_loss_of_its_own_is_trained_with_it():
    Path("own.yaml").write_text(
        "datasets: [shop]\nmodels: [SASRec]\nmetrics: [ndcg@10]\nloss: BCE\n"
        "methods: {plain: dns, by pairs: {method: dns, loss: BPR}}\n"
    )
    page = read_description("own.yaml")
    planned = [cell for sweep in planned_sweeps(page, options_of("own.yaml")) for cell in cells(sweep)]
    assert sorted(cell.loss for cell in planned) == ["BCE", "BPR"]
    assert all(sum(row.is_cell(cell) for cell in planned) == 1 for row in page.lines())


def test_reused_records_of_other_data_are_refused_and_not_taken_over(capsys):
    pytest.importorskip("matplotlib")
    mine, theirs = record("rns", 1, [1, 0]), record("rns", 2, [1, 0])
    store = Store("s/reproduction-cpu")
    store.write(replace(mine, data=replace(mine.data, fingerprint="a")))
    pack_records([replace(theirs, data=replace(theirs.data, fingerprint="b"))], Path("theirs.jsonl.xz"))
    asked = [*ASKED, "--seeds=3", "--reuse", "theirs.jsonl.xz", "--data_path", "data"]
    write_inter(cycle_lines(), name="amazon-beauty")
    assert main([*asked, *PAGES]) == 2
    assert "differ in data: the files of 'amazon-beauty' changed between them" in capsys.readouterr().err
    assert [each.seed for each in store.all_records()] == [1]


def test_what_cannot_be_run_or_shown_is_said_before_any_training(monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    assert main([*ASKED, *PAGES, "--seeds", "1,x"]) == 2
    Path("file").write_text("")
    assert main([*ASKED, "--out", "file"]) == 2
    assert main([*ASKED[:-4], "--budget", "none", *PAGES]) == 2
    other = record("rns", 1, [1, 0])
    Path("out").mkdir(exist_ok=True)
    pack_records([replace(other, config={**other.config, "learning_rate": 0.5})], Path("out/records.jsonl.xz"))
    assert main([*ASKED, *PAGES]) == 2
    seeds, folder, budget, clash = capsys.readouterr().err.splitlines()
    assert "'1,x' are not allowed: give whole numbers" in seeds and "file cannot be used: " in folder
    assert "table7 has no none; it has paper, cpu, smoke" in budget
    assert "SASRec/rns/BCE, seed 1 has a record with other keys" in clash and "learning_rate 0.5 there, " in clash

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "run_sweeps", interrupted)
    assert main([*ASKED, "--out", "empty"]) == 130
    assert "the same command continues" in capsys.readouterr().err


OWN = """
datasets: [tiny]
models: [SASRec]
metrics: [NDCG@10]
methods: {mine: {method: "softened:Softened"}, ours: {method: mdcns, peer: GRU4Rec}, plain: rns}
"""


@pytest.mark.parametrize(
    ("page", "grid", "said"),
    [
        (OWN.replace("NDCG@10", "recall@50"), "", "own.yaml: metrics: recall@50 is not reported by tiny/"),
        (
            OWN.replace("plain: rns", "plain: {method: rns, role: teacher}"),
            "",
            "role = 'teacher' is not allowed: tiny/",
        ),
        (OWN, "spaces: {}\n", "grid.yaml: there is no key spaces (did you mean space?)"),
        (OWN, "search: optuna\n", "grid.yaml: search = 'optuna' is not allowed for tables: choose grid or random"),
        (OWN, "space: {other: {neg_num: [1]}}\n", "grid.yaml: space: there is no method other"),
    ],
)
def test_what_could_not_be_shown_or_is_no_grid_is_refused_before_any_training(page, grid, said, capsys):
    pytest.importorskip("matplotlib")
    Path("own.yaml").write_text(page)
    Path("grid.yaml").write_text(grid)
    assert main(["reproduce", "own.yaml", "--methods=ours,plain", "--grid=grid.yaml", "--data_path=data"]) == 2
    assert said in capsys.readouterr().err and not Path("sweeps").exists()


def test_a_grid_says_all_of_a_sweep_that_the_page_and_the_options_do_not():
    Path("own.yaml").write_text(OWN)
    Path("grid.yaml").write_text(
        "datasets: [elsewhere]\nmodels: [GRU4Rec]\nseeds: [9]\nsearch: random\nsamples: 3\nretries: 5\n"
        "dataset_keys: {elsewhere: {neg_num: 2}}\nkeys: {d_state: 9}\n"
        "space: {mdcns: {neg_top_num: {randint: [1, 90]}}, 'softened:Softened': {softened_temperature: [1, 2]}}\n"
    )
    asked = options_of("own.yaml", "--grid=grid.yaml", "--methods=ours,plain", "--seeds=1,2")
    with_peer, without = planned_sweeps(read_description("own.yaml"), asked)
    assert (with_peer.datasets, with_peer.seeds, with_peer.retries) == (["tiny"], [1, 2], 5)
    assert len(settings_of(with_peer, *cells(with_peer))) == 3 and settings_of(without, *cells(without)) == [{}]
    assert unread_keys([with_peer, without]) == ["keys.d_state"]


def test_of_two_records_of_a_place_none_may_be_of_other_keys():
    (trial,) = trials(planned_sweeps(read_description("table7"), options_of(*ASKED[1:], "--seeds=1"))[0])
    same = replace(record("rns", 1, [1, 0]), trial=trial.id, config=trial.values)
    other = with_config(replace(same, trial=replace(trial.id, key="0" * 16)), learning_rate=0.5)
    refuse_clashes([trial], [same])
    with pytest.raises(UserError, match="has a record of a single run; a table counts those of sweeps: leave it out"):
        refuse_clashes([trial], [replace(same, trial=replace(trial.id, key="run-1"))])
    for both in ([same, other], [other, same]):
        with pytest.raises(UserError, match=r"has a record with other keys \(learning_rate 0.5 there, 0.001 here\)"):
            refuse_clashes([trial], both)


def test_a_missing_matplotlib_is_said_before_any_training(monkeypatch, capsys):
    monkeypatch.setattr("recbole_mdcns.report.figure.importlib.util.find_spec", lambda name: None)
    assert main(["reproduce", "table3", "--storage", "sweeps"]) == 2
    assert "matplotlib, which is not installed: pip install matplotlib" in capsys.readouterr().err
    assert not Path("sweeps").exists()
