"""What a sweep consists of: cells, settings, trials and their keys; bad yaml is refused."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import failure
from helpers.sweeps import GRID, sweep_of, unscored

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.driver import sweep_records
from recbole_mdcns.tuning.grid import (
    cells,
    few_settings,
    first_trials,
    make_trial,
    may_try,
    samples_of,
    settings_of,
    trials,
)
from recbole_mdcns.tuning.progress import progress
from recbole_mdcns.tuning.ray_parts import distribution
from recbole_mdcns.tuning.space import draws, has
from recbole_mdcns.tuning.sweep_file import read_sweep


def test_cells_and_trials_are_the_product_and_methods_without_peers_occur_once():
    sweep = sweep_of()
    found = cells(sweep)
    # 2 models x 2 losses x (2 peers for mdcns + 1 for rns)
    assert len(found) == len(set(found)) == 2 * 2 * 3
    plan = list(trials(sweep))
    assert len(plan) == 2 * 2 * (2 * 6 + 2) * 2
    assert len({trial.id.key for trial in plan}) == len(plan)
    first = plan[0]
    assert str(first.id.cell) == "tiny/leave_one_out/SASRec+GRU4Rec/mdcns/BCE"
    assert (first.id.setting, first.id.seed) == ({"learning_rate": 0.01, "neg_top_num": 1}, 1)
    assert first.values["peer_model"] == "GRU4Rec" and first.values["neg_top_num"] == 1
    assert all(make_trial(sweep, trial.id.cell, trial.id.setting, trial.id.seed) == trial for trial in plan[:3])


def test_a_cell_tries_the_keys_that_its_models_read():
    sweep = sweep_of(GRID.replace("learning_rate: [0.01, 0.02]", "n_heads: [1, 2]"), losses=["BCE"])
    tried = {(cell.model, cell.peer, cell.method): len(settings_of(sweep, cell)) for cell in cells(sweep)}
    assert tried == {
        ("SASRec", "GRU4Rec", "mdcns"): 6, ("SASRec", "SASRec", "mdcns"): 6, ("SASRec", None, "rns"): 2,
        ("GRU4Rec", "GRU4Rec", "mdcns"): 3, ("GRU4Rec", "SASRec", "mdcns"): 6, ("GRU4Rec", None, "rns"): 1,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="the paper's tau is distill_temperature"):
        list(trials(sweep_of(GRID.replace("learning_rate", "tau"))))


def test_methods_have_names_and_may_say_what_the_axes_say_otherwise():
    text = GRID.replace("[mdcns, rns]", "[gbce, mdcns_two_peers, mine]") + (
        "method_keys: {mine: {neg_sampler: dns}, mdcns_two_peers: {neg_sampler: mdcns, "
        'peer_model: "Mamba4Rec,GRU4Rec"}}\n'
    )
    found = [(cell.method, cell.peer, cell.loss) for cell in cells(sweep_of(text, models=["SASRec"]))]
    peers = "Mamba4Rec,GRU4Rec"
    assert found == [
        ("gbce", None, "gBCE"), ("mdcns_two_peers", peers, "BCE"), ("mdcns_two_peers", peers, "BPR"),
        ("mine", None, "BCE"), ("mine", None, "BPR"),
    ]  # fmt: skip
    values = {trial.id.cell.method: trial.values for trial in trials(sweep_of(text, models=["SASRec"]))}
    assert (values["gbce"]["neg_sampler"], values["gbce"]["neg_num"]) == ("rns", 256)
    assert values["mine"]["neg_sampler"] == "dns" and values["mdcns_two_peers"]["peer_model"] == peers


def test_overrides_narrow_a_sweep():
    sweep = sweep_of(models=["SASRec"], methods=["rns"], losses=["BPR"], seeds=[7])
    assert [(trial.id.cell.method, trial.id.cell.loss, trial.id.seed) for trial in trials(sweep)] == [
        ("rns", "BPR", 7)
    ] * 2


def test_keys_are_of_the_content_alone(monkeypatch):
    def keys_of(**keys):
        return {trial.id.key for trial in trials(sweep_of(models=["SASRec"], losses=["BCE"], keys=keys))}

    before = keys_of()
    monkeypatch.setattr(sys, "argv", ["worker.py", "--node-ip-address=1.2.3.4", "--epochs=99"])  # as Ray's workers have
    assert keys_of() == keys_of(data_path="elsewhere", eval_batch_size=7) == before
    assert not keys_of(epochs=3) & before and not keys_of(hidden_size=8) & before


def test_random_search_draws_the_same_settings_again():
    text = GRID.replace("[1, 2, 3]", "{randint: [1, 5]}").replace("[0.01, 0.02]", "{loguniform: [0.001, 0.1]}")
    sweep = sweep_of(text + "search: random\nsamples: 4\n")
    cell = cells(sweep)[0]
    assert settings_of(sweep, cell) == settings_of(sweep, cell)
    assert len(settings_of(sweep, cell)) == 4
    for setting in settings_of(sweep, cell):
        assert 0.001 <= setting["learning_rate"] <= 0.1 and setting["neg_top_num"] in range(1, 6)
    assert len(draws({"a": [1, 2]}, 10, 0)) == 2  # there are no more
    tried = [settings_of(sweep, cell) for cell in cells(sweep) if cell.method == "mdcns"]
    assert all(one != other for place, one in enumerate(tried) for other in tried[:place])  # each cell its own


def test_values_are_drawn_from_the_whole_of_their_distribution():
    """Both ends of whole numbers; a logarithm as often below the geometric mean of its ends, 0.1, as above it."""
    assert {setting["a"] for setting in draws({"a": {"randint": [2, 4]}}, 9, 0)} == {2, 3, 4}
    for kind, middle in (("uniform", 5.0), ("loguniform", 0.1)):
        low = 0.001 if kind == "loguniform" else 0.0
        values = sorted(setting["a"] for setting in draws({"a": {kind: [low, 10.0]}}, 2000, 0))
        assert low <= values[0] and values[-1] <= 10.0
        assert sum(value < middle for value in values) == pytest.approx(1000, abs=100)


def test_ray_draws_from_both_ends_of_whole_numbers_too():
    pytest.importorskip("ray.tune")
    assert {distribution({"randint": [2, 3]}).sample() for _ in range(50)} == {2, 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasets: [tiny]\n", "models is missing"),
        (GRID + "method: [rns]\n", "there is no key method .did you mean methods"),
        (GRID.replace("[mdcns, rns]", "[]"), "methods = .. is not allowed: give a list of at least one"),
        (GRID.replace("seeds: [1, 2]", "seeds: 3"), "seeds = 3 is not allowed: give a list"),
        (GRID.replace("seeds: [1, 2]", "seeds: [one]"), "seeds = .'one'. is not allowed: give whole numbers"),
        (GRID + "tune_seeds: [1, 3]\n", r"tune_seeds = .1, 3. is not allowed: choose from .1, 2."),
        (GRID + "tune_seeds: 1\n", "tune_seeds = 1 is not allowed: choose from .1, 2."),
        (GRID + "tune_seeds: [1, 1]\n", "tune_seeds = .1, 1. is not allowed: .* each once"),
        (GRID.replace("seeds: [1, 2]", "seeds: [1, 1]"), "seeds = .1, 1. is not allowed: .* each once"),
        (GRID + "name: 5\n", "name = 5 is not allowed: give a name"),
        (GRID.replace("[mdcns, rns]", "[{mdcns: 1}]"), "methods = .{'mdcns': 1}. is not allowed: give names"),
        (GRID.replace("[1, 2, 3]", "{loguniform: [0, 1]}"), "loguniform.* is not allowed: .*loguniform from above 0"),
        (GRID.replace("[1, 2, 3]", "{uniform: [a, 1]}"), "uniform.* is not allowed: .*low < high"),
        (GRID.replace("[1, 2, 3]", "{randint: [5, 1]}"), "randint.* is not allowed: .*low < high"),
        (GRID + "search: bayes\n", "search = 'bayes' is not allowed: choose grid, random"),
        (GRID + "scheduler: pbt\n", "scheduler = 'pbt' is not allowed: choose fifo, asha, median"),
        (GRID + "retries: -1\n", "retries = -1 is not allowed: give a whole number of at least 0"),
        (GRID + "gpus: half\n", "gpus = 'half' is not allowed: give a number of at least 0"),
        (GRID + "max_concurrent: 0\n", "max_concurrent = 0 is not allowed: give a whole number of at least 1"),
        (GRID + "keys: [epochs]\n", "keys = .'epochs'. is not allowed: give names and values"),
        (GRID + "keys: {neg_sampler: rns}\n", "keys.neg_sampler is not allowed: the sweep sets it by methods"),
        (
            GRID + "dataset_keys: {tiny: {seed: 1}}\n",
            "dataset_keys.tiny.seed is not allowed: the sweep sets it by seeds",
        ),
        (GRID.replace("[1, 2, 3]", "3"), "space.mdcns.neg_top_num = 3 is not allowed: give a list of values"),
        (GRID.replace("  mdcns:", "  mdsn:"), "there is no method mdsn .did you mean mdcns"),
        (GRID.replace("[mdcns, rns]", "[mdcns, best]"), "there is no method best"),
        (
            GRID + "method_keys: {mine: {neg_sampler: rns, seed: 1}}\n",
            "method_keys.mine.seed is not allowed: the sweep sets it by seeds",
        ),
        (
            GRID + "method_keys: {rns: {neg_num: 2}}\n",
            "method_keys.rns is not allowed: there is a neg_sampler of that name",
        ),
        ("datasets: [tiny\n", "line 2 is not yaml"),
    ],
)
def test_bad_sweeps_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        sweep_of(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "neg_top_num: [1, 2, 3]",
            "neg_topnum: [1]",
            r"grid.yaml: space.mdcns: neg_topnum = 1: there is no key .*neg_top_num",
        ),
        ("neg_top_num: [1, 2, 3]", "neg_top_num: [0]", "neg_top_num = 0 is not allowed"),
        ("[SASRec, GRU4Rec]", "[SASRek]", "model = 'SASRek' is not a model .did you mean SASRec"),
        ("[1, 2, 3]", "{uniform: [1, 3]}", "is not allowed with search: grid: give a list of values"),
    ],
)
def test_bad_trials_are_refused_before_any_runs(old, new, message):
    assert old in GRID
    with pytest.raises(ConfigError, match=message):
        list(trials(sweep_of(GRID.replace(old, new))))


@pytest.mark.parametrize("path", sorted((properties_dir() / "sweep").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_sweeps_are_whole(path):
    sweep = read_sweep(path)
    assert {cell.dataset for cell in cells(sweep)} == set(sweep.datasets)
    narrow = read_sweep(path, datasets=sweep.datasets[:1], models=sweep.models[:1], seeds=[1])
    assert len(list(trials(narrow))) >= len(cells(narrow))


def test_progress_counts_what_the_sweep_asks_for_now(monkeypatch):
    sweep, store = sweep_of(models=["SASRec"], peers=["GRU4Rec"], losses=["BCE"]), Store("store")
    plan = list(trials(sweep))
    done = Record.from_json(unscored(plan[0].id.to_json(), epochs=[]), "here")
    for record in (done, failure(replace(done, trial=plan[1].id))):
        store.write(record)
    for trial in plan[:3]:
        store.trial_folder(trial.id.key).mkdir(parents=True)
        store.begin(trial.id)
    rows, rest = progress(sweep, store)
    counts = {name: rows[0][name] for name in ("trials", "finished", "stopped", "failed", "begun", "to do")}
    assert counts == {"trials": 12, "finished": 1, "stopped": 0, "failed": 1, "begun": 1, "to do": 9}
    assert rows[1]["method"] == "rns" and rows[1]["to do"] == 4
    assert len(rest) == 15
    longer = sweep_of(models=["SASRec"], peers=["GRU4Rec"], losses=["BCE"], keys={"epochs": 3})
    assert len(progress(longer, store)[1]) == 16 and sweep_records(longer, store) == []
    assert [record.status for record in sweep_records(sweep, store)] == ["finished", "failed"]
    rows, rest = progress(replace(sweep, tune_seeds=[2]), store)  # seed 1 of the chosen one of six, and of two
    assert [row["trials"] for row in rows] == [6 + 1, 2 + 1] and len(rest) == 10
    one = sweep_of(models=["SASRec"], losses=["BCE"], methods=["rns"], space={"rns": {"neg_num": [1]}})
    (row,), rest = progress(replace(one, tune_seeds=[2]), store)
    assert row["trials"] == len(rest) == len(list(first_trials(replace(one, tune_seeds=[2])))) == 2
    begun = make_trial(sweep, cells(sweep)[1], {"learning_rate": 0.02}, 1)
    store.trial_folder(begun.id.key).mkdir()
    store.begin(begun.id)
    searched = replace(sweep, search="random", samples=1)  # as optuna, which need not be installed
    with monkeypatch.context() as patched:
        patched.setattr(type(sweep), "is_adaptive", property(lambda self: self.search == "random"))
        patched.setattr("recbole_mdcns.tuning.progress.check_draws", lambda sweep: None)
        rows, rest = progress(searched, store)
    assert [(row["finished"], row["failed"], row["begun"], row["to do"]) for row in rows] == [
        (1, 1, 1, 0),
        (0, 0, 1, 1),
    ]
    assert len(rest) == 4
    text = """
datasets: [tiny]
models: [SASRec]
methods: [mine]
seeds: [1]
method_keys: {mine: {neg_sampler: mdcns, peer_model: GRU4Rec, learning_rate: 0.01, neg_top_num: 1}}
"""
    alias = sweep_of(text)
    (record,) = sweep_records(alias, store)  # the same training under another name
    assert record.trial.cell.method == "mine" and record.trial.key == plan[0].id.key


def test_a_search_of_few_settings_counts_those_that_differ_in_what_they_do():
    """Without distillation its temperature does nothing: 6 settings are 4 trainings, as in a grid."""
    text = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [mdcns]\npeers: [GRU4Rec]\nseeds: [1]\n"
    text += "space: {mdcns: {distill_weight: [0, 1], distill_temperature: [0.5, 1, 2]}}\n"
    sweep = sweep_of(text)
    (cell,) = cells(sweep)
    searched = replace(sweep, search="optuna", samples=6)
    assert few_settings(searched, cell) == settings_of(sweep, cell) and samples_of(searched, cell) == 4
    assert few_settings(replace(searched, samples=5), cell) == []


@pytest.mark.parametrize(
    ("choices", "values", "others"),
    [
        ([0.1, "a", [1, 2]], [0.1, "a", [1, 2]], [0.2, None, [1]]),
        ({"uniform": [0, 3]}, [0, 2.7, 3], [-0.1, 3.1, "1", None]),
        ({"randint": [2, 4]}, [2, 3, 4], [1, 5, 2.5]),
        ({"loguniform": [0.001, 0.1]}, [0.001, math.exp(math.log(0.1)) + 1e-17, 0.05], [0.0009, 0.11]),
    ],
)
def test_a_space_has_what_may_be_drawn_from_it(choices, values, others):
    assert all(has(choices, value) for value in values) and not any(has(choices, value) for value in others)


def test_a_search_may_try_whole_settings_of_its_space_without_what_they_switch_off():
    text = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [mdcns]\npeers: [GRU4Rec]\nseeds: [1]\n"
    sweep = sweep_of(text + "space: {mdcns: {distill_weight: [0, 1], distill_temperature: {uniform: [0.5, 2]}}}\n")
    (cell,) = cells(sweep)
    whole = {"distill_weight": 1, "distill_temperature": 2.0}
    assert may_try(sweep, cell, whole) and may_try(sweep, cell, {"distill_weight": 0})
    assert may_try(sweep, cell, {**whole, "distill_weight": 0})  # what it switches off may be said
    for other in ({"distill_weight": 1}, {**whole, "neg_top_num": 3}, {**whole, "distill_temperature": 3.0}, {}):
        assert not may_try(sweep, cell, other)


def test_the_files_that_a_trial_reads_are_named_from_the_root():
    """Workers of Ray run in folders of their own."""
    sweep = sweep_of("datasets: [tiny]\nmodels: [S3Rec]\nmethods: [rns]\nseeds: [1]\n", keys={
        "train_stage": "finetune", "pre_model_path": "pre.pth", "item_attribute": "class",
    })  # fmt: skip
    (trial,) = trials(sweep)
    assert trial.paths == {"data_path": str(Path("data").absolute()), "pre_model_path": str(Path("pre.pth").absolute())}


def test_the_draws_of_a_cell_are_seeded_by_its_name_in_every_process(monkeypatch):
    """0x813b53ac are the first digits of the SHA-256 of tiny/leave_one_out/SASRec/rns/BCE."""
    seeds = []
    monkeypatch.setattr("recbole_mdcns.tuning.grid.draws", lambda space, number, seed: seeds.append(seed) or [{}])
    sweep = sweep_of("datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nsearch: random\n")
    settings_of(sweep, *cells(sweep))
    assert seeds == [0x813B53AC]
