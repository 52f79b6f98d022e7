"""What a sweep refuses, it refuses in its dry run and its status too: names, keys, seeds, records, notes."""

import json
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY
from helpers.sweeps import refused, unscored

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.record import Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.sweep_file import read_sweep

SWEEP = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\n"
OPTUNA = SWEEP + "search: optuna\nsamples: 3\n"


BAD = [
    (SWEEP.replace("[tiny]", "[a/b]"), "datasets: name = 'a/b'"),
    (SWEEP.replace("[tiny]", "['..']"), "datasets: name = '..'"),
    (SWEEP.replace("[tiny]", "[/elsewhere/x]"), "datasets: name = '/elsewhere/x'"),
    (SWEEP.replace("[tiny]", "[2018]"), "datasets = [2018] is not allowed: give names; in yaml, numbers need quotes"),
    (SWEEP.replace("[tiny]", "[~]"), "datasets = [None]"),
    (SWEEP.replace("[tiny]", "['']"), "datasets = ['']"),
    (SWEEP.replace("[SASRec]", "[~]"), "models = [None]"),
    (SWEEP.replace("[SASRec]", "[nowhere:Net]"), "module 'nowhere' cannot be imported"),
    (SWEEP.replace("[rns]", "[nowhere:Net]"), "module 'nowhere' cannot be imported"),
    (SWEEP.replace("[tiny]", "[]"), "datasets"),
    (SWEEP.replace("[tiny]", "tiny"), "datasets"),
    (SWEEP.replace("[SASRec]", "[SASRek]"), "SASRek"),
    (SWEEP.replace("[SASRec]", "~"), "models"),
    (SWEEP.replace("[rns]", "[best]"), "best"),
    (SWEEP.replace("[rns]", "[mdcns]") + "peers: [SASRek]\n", "SASRek"),
    (SWEEP + "losses: [5]\n", "losses"),
    (SWEEP + "protocols: [~]\n", "protocols = [None]"),
    (SWEEP + "protocols: [papers]\n", "protocol = 'papers'"),
    (SWEEP + "losses: [XE]\n", "ranking_loss = 'XE'"),
    (SWEEP + "name: ../elsewhere\n", "name = '../elsewhere'"),
    (SWEEP + "name: /elsewhere\n", "name = '/elsewhere'"),
    (SWEEP + "name: ..\n", "name = '..'"),
    (SWEEP + 'name: "a\\nb"\n', "name = 'a\\nb'"),
    (SWEEP + "name: ''\n", "name = ''"),
    (SWEEP + "name: 5\n", "name"),
    (SWEEP + "nam: x\n", "did you mean name"),
    (SWEEP.replace("[1]", "[-1]"), "seeds = [-1] is not allowed: give whole numbers from 0 to 4294967294"),
    (SWEEP.replace("[1]", "[1, 4294967296]"), "seeds = [1, 4294967296]"),
    (SWEEP.replace("[1]", "[1.0]"), "seeds = [1.0]"),
    (SWEEP.replace("[1]", "[]"), "seeds"),
    (SWEEP.replace("[1]", "[x]"), "seeds"),
    (SWEEP.replace("[1]", "[1, 1]"), "seeds"),
    (SWEEP.replace("[1]", "[True]"), "seeds = [True]"),
    (SWEEP + "tune_seeds: [True]\n", "tune_seeds = [True]"),
    (SWEEP + "tune_seeds: [7]\n", "tune_seeds"),
    (SWEEP + "search: magic\n", "search"),
    (SWEEP + "search: [grid]\n", "search"),
    (SWEEP + "scheduler: none\n", "scheduler"),
    (SWEEP + "samples: 0\n", "samples"),
    (SWEEP + "retries: -1\n", "retries"),
    (SWEEP + "cpus: two\n", "cpus"),
    (SWEEP + "cpus: .inf\n", "cpus"),
    (SWEEP + "gpus: -1\n", "gpus"),
    (SWEEP + "trial_hours: .nan\n", "trial_hours"),
    (SWEEP + "sweep_hours: long\n", "sweep_hours"),
    (SWEEP + "max_concurrent: 0\n", "max_concurrent"),
    (SWEEP + "keys: ~\n", "keys = None"),
    (SWEEP + "keys: [1]\n", "keys"),
    (SWEEP + "keys: {5: 6}\n", "5"),
    (SWEEP + "keys: {learning_rate: .inf}\n", "learning_rate"),
    (SWEEP + "keys: {seed: 1}\n", "keys.seed is not allowed: the sweep sets it by seeds"),
    (SWEEP + "keys: {resume: True}\n", "keys.resume = True is not allowed: a sweep sets it"),
    (SWEEP + "keys: {result_file: r.json}\n", "keys.result_file = 'r.json'"),
    (SWEEP + "keys: {checkpoint_dir: here}\n", "keys.checkpoint_dir = 'here'"),
    (SWEEP + "keys: {config_files: a.yaml}\n", "keys.config_files = 'a.yaml'"),
    (SWEEP + "keys: {show_progress: True}\n", "keys.show_progress = True"),
    (SWEEP + "keys: {state: INFO}\n", "keys.state = 'INFO'"),
    (SWEEP + "keys: {log_wandb: True}\n", "keys.log_wandb = True"),
    (SWEEP + "keys: {gpu_id: 1}\n", "keys.gpu_id = 1"),
    (SWEEP + "dataset_keys: {tiny: {resume: a-last.pth}}\n", "dataset_keys.tiny.resume = 'a-last.pth'"),
    (SWEEP + "method_keys: {mine: {neg_sampler: rns, result_file: r}}\n", "method_keys.mine.result_file = 'r'"),
    (SWEEP + "space: {all: {checkpoint_dir: [a, b]}}\n", "space.all.checkpoint_dir = ['a', 'b']"),
    (SWEEP + "keys: {epochz: 1}\n", "bad.yaml: keys: epochz = 1: there is no key epochz"),
    (SWEEP + "dataset_keys: {tiny: {topk: [0]}}\n", "bad.yaml: dataset_keys.tiny: topk = [0]"),
    (SWEEP.replace("[rns]", "[mine]") + "method_keys: {mine: {mu: 5}}\n", "bad.yaml: method_keys.mine: mu = 5"),
    (SWEEP + "keys: {epochs: 0.5}\n", "epochs = 0.5"),
    (
        SWEEP + "keys: {epochs: 0}\n",
        "bad.yaml: keys: epochs = 0 is not allowed in a sweep, which chooses by validation",
    ),
    (SWEEP + "keys: {eval_step: 0}\n", "keys: eval_step = 0 is not allowed in a sweep"),
    (SWEEP + "space: {rns: {eval_step: [1, 0]}}\n", "space.rns: eval_step = 0 is not allowed in a sweep"),
    (SWEEP + "dataset_keys: {tinny: {epochs: 1}}\n", "there is no dataset tinny (did you mean tiny?)"),
    (SWEEP + "dataset_keys: {amazon-beuty: {epochs: 1}}\n", "(did you mean amazon-beauty?)"),
    (SWEEP + "dataset_keys: {tiny: 5}\n", "dataset_keys.tiny = 5"),
    (SWEEP + "method_keys: {rns: {}}\n", "method_keys.rns"),
    (SWEEP.replace("[rns]", "[mine]") + "method_keys: {mine: {seed: 3}}\n", "seed"),
    (SWEEP.replace("[rns]", "[mine]") + "method_keys: {mine: 5}\n", "method_keys.mine"),
    (SWEEP + "space: {rns: 5}\n", "space.rns"),
    (SWEEP + "space: {rns: {learning_rate: []}}\n", "learning_rate"),
    (SWEEP + "space: {rns: {learning_rate: 5}}\n", "learning_rate"),
    (SWEEP + "space: {rns: {learning_rate: [0.1, -1]}}\n", "learning_rate"),
    (SWEEP + "space: {rns: {learning_ratee: [0.1]}}\n", "learning_ratee"),
    (SWEEP + "space: {rnz: {neg_num: [1]}}\n", "there is no method rnz (did you mean rns?)"),
    (SWEEP + "space: {mine:Net: {neg_num: [1]}}\n", "there is no method mine:Net"),
    (SWEEP + "space: {rns: {neg_num: [1, 1]}}\n", "space.rns.neg_num = [1, 1]"),
    (SWEEP + "space: {rns: {learning_rate: {uniform: [0, .inf]}}}\n", "space.rns.learning_rate"),
    (SWEEP + "space: {all: {srns_std_weight: [1, x]}}\n", "bad.yaml: space.all.srns_std_weight = 'x' is not allowed"),
    (SWEEP + "keys: {neg_num: 1}\nspace: {all: {neg_num: [1, 2]}}\n", "keys.neg_num = 1 is never used"),
    (SWEEP + "space: {all: {eval_batch_size: [64, 128]}}\n", "space.all.eval_batch_size is not allowed: it changes no"),
    (SWEEP + "space: {rns: {valid_metric: [NDCG@10, Recall@10]}}\n", "rns.valid_metric is not allowed: settings are"),
    (SWEEP + "method_keys: {a/b: {neg_sampler: rns}}\n", "method_keys: name = 'a/b'"),
    (SWEEP.replace("[rns]", "[mine]") + "method_keys: {mine: {neg_sampler: 5}}\n", "neg_sampler = 5"),
    (SWEEP.replace("[rns]", "[mine]") + "method_keys: {mine: {neg_sampler: rnss}}\n", "neg_sampler = 'rnss'"),
    (SWEEP + "cpus: .nan\n", "cpus = nan"),
    (OPTUNA + "space: {rns: {neg_topnum: {randint: [1, 3]}}}\n", "neg_topnum = 1: there is no key"),
    (OPTUNA + "space: {rns: {neg_num: {randint: [0, 3]}}}\n", "neg_num = 0"),
    (
        OPTUNA.replace("[rns]", "[dns_plus]")
        + "space: {dns_plus: {neg_candidate_num: {randint: [1, 200]}, neg_top_num: [1, 5]}}\n",
        "neg_top_num = 5",
    ),
    (OPTUNA + "space: {rns: {learning_rate: [0.1, fast]}}\n", "learning_rate = 'fast'"),
]


@pytest.mark.parametrize(("text", "culprit"), BAD)
def test_dry_run_and_status_refuse_what_the_sweep_refuses(text, culprit, capsys, monkeypatch):
    monkeypatch.setattr("recbole_mdcns.tuning.grid.find_spec", lambda name: name)  # as if optuna were installed
    Path("bad.yaml").write_text(text)
    for command in (["sweep", "bad.yaml", "--dry_run"], ["status", "bad.yaml"], ["sweep", "bad.yaml"]):
        assert culprit in refused(command, capsys)
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()
    assert not Path("../elsewhere").exists() and not Path("/elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["status"], "required: grid"),
        (["fly", "good.yaml"], "'fly' is not a command"),
        (
            ["status", "god.yaml"],
            "there is no sweep god.yaml (did you mean good.yaml?): give a yaml file, or one of back",
        ),
        (["status", "smoke_gird.yaml"], "there is no sweep smoke_gird.yaml (did you mean smoke_grid.yaml?): give"),
        (["status", "data"], "config file data cannot be read"),
        (["status", "good.yaml", "--seeds", "1,x"], "seeds = [1, 'x']"),
        (["status", "good.yaml", "--seeds", ""], "seeds = ['']"),
        (["status", "good.yaml", "--seeds=-5"], "seeds = [-5]"),
        (["status", "good.yaml", "--datasets", "tiny,,b"], "datasets = ['tiny', '', 'b']"),
        (["status", "good.yaml", "--datasets", "../x"], "datasets: name = '../x'"),
        (["status", "good.yaml", "--models", "SASRek"], "did you mean SASRec"),
        (["status", "good.yaml", "--methods", "rnz"], "there is no method rnz"),
        (["status", "good.yaml", "--set", "epochz=1"], "--set: epochz = 1: there is no key epochz"),
        (["status", "good.yaml", "--set", "resume=True"], "keys.resume = True"),
        (["status", "good.yaml", "--set", "epochs="], "--epochs= has no value"),
        (["status", "good.yaml", "--set", "=1"], "'--=1' is not understood"),
        (["status", "good.yaml", "--set", "epochs=1", "--set", "epochs=2"], "--epochs is given twice"),
        (["status", "good.yaml", "--storage", "good.yaml"], "good.yaml"),
        (["status", "good.yaml", "--seed", "1"], "--seed"),
        (["status", "good.yaml", "--datasets="], "datasets"),
        (["sweep", "good.yaml", "--set", "epochs", "--dry_run"], "epochs"),
        (["sweep", "good.yaml", "--set", "epochs=many", "--dry_run"], "epochs"),
        (["best", "good.yaml", "--sampler=rns"], "--sampler"),
        (["export", "good.yaml"], "FILE"),
        (["export", "good.yaml", "x.xlsx"], "x.xlsx"),
        (["export", "good.yaml", "no/such/x.csv"], "no/such/x.csv"),
    ],
)
def test_a_bad_command_of_sweeps_ends_in_one_sentence(arguments, culprit, capsys):
    Path("good.yaml").write_text(SWEEP)
    assert culprit in refused(arguments, capsys)


@pytest.mark.parametrize("search", ["optuna", "hyperopt"])
def test_a_search_whose_package_is_missing_is_refused_in_the_dry_run(search, capsys, monkeypatch):
    monkeypatch.setattr("recbole_mdcns.tuning.grid.find_spec", lambda name: None)
    Path("bad.yaml").write_text(OPTUNA.replace("optuna", search))
    for command in (["sweep", "bad.yaml", "--dry_run"], ["status", "bad.yaml"], ["sweep", "bad.yaml"]):
        assert f"search = '{search}' needs a package: pip install {search}" in refused(command, capsys)


def test_names_on_the_command_line_are_taken_as_they_are_written(capsys):
    Path("good.yaml").write_text(SWEEP + "dataset_keys: {tiny: {epochs: 1}}\n")
    assert main(["status", "good.yaml", "--datasets", "2018", "--methods", "mdcns", "--peers", "~,GRU4Rec"]) == 0
    shown = capsys.readouterr().out
    assert "2018" in shown and "Mamba4Rec" in shown and "GRU4Rec" in shown


COMMITTED = [*(ROOT / "benchmarks" / "sweeps").glob("*.yaml"), *(properties_dir() / "sweep").glob("*.yaml")]


@pytest.mark.parametrize("path", sorted(COMMITTED), ids=lambda path: path.stem)
def test_every_committed_sweep_passes_its_dry_run(path, capsys):
    sweep = read_sweep(path)
    part = ["--datasets", sweep.datasets[0], "--models", sweep.models[0], "--seeds", "1", "--tune_seeds", "1"]
    few = ["--methods", ",".join(list(dict.fromkeys(sweep.methods))[-3:])] if len(sweep.methods) > 3 else []
    assert main(["sweep", str(path), "--dry_run", *part, *few]) == 0
    assert "to run" in capsys.readouterr().out


def test_a_sweep_without_ray_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    Path("good.yaml").write_text(SWEEP)
    with pytest.raises(ConfigError, match="a sweep needs Ray: pip install"):
        run_sweeps([read_sweep("good.yaml", {**TINY})], Store("store"))


def good_record():
    """Return the trial of a sweep of one, and the record of it."""
    Path("good.yaml").write_text(SWEEP)
    (trial,) = trials(read_sweep("good.yaml"))
    return trial.id, unscored(trial.id.to_json(), epochs=[])


def changed(record, path, value):
    """Return a record with another value at a place, or without the place where the value is ``...``."""
    record = json.loads(json.dumps(record))
    inner = record
    for name in path[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(record).encode()


EPOCH = [{"epoch": "one", "valid": {"ndcg@10": 0.5}}]
DAMAGE = {
    "empty": (lambda record: b"", "is damaged"),
    "truncated": (lambda record: json.dumps(record).encode()[:-20], "is damaged"),
    "not UTF-8": (lambda record: b"\xff" + json.dumps(record).encode(), "byte 0 is not UTF-8"),
    "UTF-16": (lambda record: json.dumps(record).encode("utf-16"), "is not UTF-8"),
    "a list": (lambda record: b"[1, 2]", "is damaged (it holds '[1, 2]')"),
    "a number that is none": (lambda record: changed(record, ["best_valid_score"], float("nan")), "NaN is no JSON"),
    "very deep": (lambda record: b"[" * 100_000, "is damaged"),
    "another schema": (lambda record: changed(record, ["schema"], 7), "has schema 7"),
    "no trial": (lambda record: changed(record, ["trial"], ...), "it has no config.protocol"),
    "no status": (lambda record: changed(record, ["status"], ...), "it has no status"),
    "another status": (lambda record: changed(record, ["status"], "done"), "status is 'done'"),
    "trial of text": (lambda record: changed(record, ["trial"], "x"), "trial is 'x', expected names"),
    "no key": (lambda record: changed(record, ["trial", "key"], ...), "it has no trial.key"),
    "another key": (lambda record: changed(record, ["trial", "key"], "x"), "a trial of another name"),
    "a key elsewhere": (lambda record: changed(record, ["trial", "key"], "../../x"), "trial.key = '../../x'"),
    "seed of text": (lambda record: changed(record, ["trial", "seed"], "1"), "seed is '1', expected a whole number"),
    "setting of text": (lambda record: changed(record, ["trial", "setting"], "x"), "setting is 'x'"),
    "cell of none": (
        lambda record: changed(record, ["trial", "cell", "dataset"], ...),
        "it has no trial.cell.dataset",
    ),
    "cell with more": (lambda record: changed(record, ["trial", "cell", "more"], 1), "there is no trial.cell.more"),
    "cell of numbers": (lambda record: changed(record, ["trial", "cell", "model"], 5), "model is 5, expected a text"),
    "no epochs": (lambda record: changed(record, ["epochs"], ...), "it has no epochs"),
    "epochs of numbers": (lambda record: changed(record, ["epochs"], [5]), "epochs[0] is 5"),
    "an epoch of text": (lambda record: changed(record, ["epochs"], EPOCH), "epoch is 'one'"),
    "no valid": (lambda record: changed(record, ["valid"], ...), "it has no valid"),
    "a score alone": (
        lambda record: changed(record, ["best_valid_score"], 0.5),
        "only one of best_epoch and best_valid_score",
    ),
    "a score of text": (lambda record: changed(record, ["best_valid_score"], "x"), "best_valid_score is 'x'"),
    "test of others": (lambda record: changed(record, ["test"], {"peer": {"mrr@5": 1}}), "it has no test.self"),
    "failed": (lambda record: changed(record, ["status"], "failed"), "there is no stopped"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_record_is_named(case, capsys):
    damage, culprit = DAMAGE[case]
    trial, record = good_record()
    store = Store("sweeps/good")
    path = store.records / f"{trial.key}.json"
    store.write(Record.from_json(record, "here"))
    assert main(["status", "good.yaml"]) == 0 and capsys.readouterr()
    path.write_bytes(damage(record))
    for command in (["status", "good.yaml"], ["best", "good.yaml"], ["export", "good.yaml", "all.csv"]):
        error = refused(command, capsys)
        assert str(path) in error and culprit in error


NOTES = {
    "empty": (lambda note: b"", "is damaged"),
    "truncated": (lambda note: json.dumps(note).encode()[:-9], "is damaged"),
    "not UTF-8": (lambda note: b"\xff", "is not UTF-8"),
    "a list": (lambda note: b"[]", "is damaged"),
    "no cell": (lambda note: changed(note, ["trial", "cell"], ...), "it has no trial.cell"),
    "no attempts": (lambda note: changed(note, ["attempts"], ...), "it has no attempts"),
    "attempts of text": (lambda note: changed(note, ["attempts"], "two"), "attempts is 'two', expected a whole number"),
    "another key": (lambda note: changed(note, ["trial", "key"], "other"), "trial.key is 'other'"),
    "a key elsewhere": (lambda note: changed(note, ["trial", "key"], "../../../x"), "trial.key = '../../../x'"),
}


@pytest.mark.parametrize("case", NOTES)
def test_a_damaged_note_of_a_trial_is_named(case, capsys):
    damage, culprit = NOTES[case]
    trial, _ = good_record()
    store = Store("sweeps/good")
    store.trial_folder(trial.key).mkdir(parents=True)
    store.begin(trial)
    assert main(["status", "good.yaml"]) == 0 and capsys.readouterr()
    path = store.trial_folder(trial.key) / "begun.json"
    path.write_bytes(damage({"trial": trial.to_json(), "attempts": 1}))
    error = refused(["status", "good.yaml"], capsys)
    assert str(path) in error and culprit in error
    with pytest.raises(ConfigError, match="begun.json"):
        store.renew(trial.key)
    assert not list(Path(".").glob("**/x")) and not Path("../x").exists()
