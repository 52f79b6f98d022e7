"""What the driver asks of an engine, whichever it is: here one that runs every trial in this process."""

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import record as planted
from helpers.planted_records import with_config
from helpers.strategies import ONE_EXPOSURE, write_exposures
from helpers.sweeps import Here, failed, sweep_of, trained

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import FAILURE, ConfigError
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.engine import Timed, data_key
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.one_data import check_one_data
from recbole_mdcns.tuning.progress import progress
from recbole_mdcns.tuning.trial import fail_trial, run_trial

SMALL = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\n"


def test_what_fails_is_not_tried_again_by_the_same_command():
    text = SMALL.replace("[1]", "[1, 2]\ntune_seeds: [1]")
    engine = Here(Store("store"))
    found = run_sweeps([sweep_of(text, keys={"learning_rate": 1e30})], engine.store, engine)
    assert [record.status for record in found] == ["failed", "failed"]
    assert engine.asked == ["start", "load", "load", 2, "close"]


def test_a_failed_setting_is_all_that_is_left_and_no_hours_have_passed(monkeypatch, capsys):
    text = SMALL.replace("[1]", "[1, 2]\ntune_seeds: [1]\nsweep_hours: 10")
    sweep = sweep_of(text + "space: {rns: {learning_rate: [0.01, 1.0e+30]}}\n")
    monkeypatch.setattr("recbole_mdcns.cli.sweep.sweep_and_store", lambda options: (sweep, Store("store")))
    monkeypatch.setattr("recbole_mdcns.cli.sweep.engine_of", lambda options, sweeps, store: Here(store))
    assert main(["sweep", "grid.yaml"]) == FAILURE
    assert "have passed" not in capsys.readouterr().out
    rows, left = progress(sweep, Store("store"))
    assert (rows[0]["finished"], rows[0]["failed"], len(left)) == (2, 1, 1)


def test_a_training_that_two_methods_ask_for_runs_once():
    text = SMALL.replace("[rns]", "[rns, rns_of_five]") + "space: {rns: {neg_num: [1, 5]}}\n"
    text += "method_keys: {rns_of_five: {neg_sampler: rns, neg_num: 5}}\n"
    engine = Here(Store("store"))
    found = run_sweeps([sweep_of(text)], engine.store, engine)
    assert 2 in engine.asked and 3 not in engine.asked  # of three trials in two cells
    assert [record.trial.cell.method for record in found] == ["rns", "rns", "rns_of_five"]
    assert found[1].valid == found[2].valid and all(record.test for record in found[1:])


OWN_METRIC = """
from recbole.evaluator.base_metric import TopkMetric

class LastPlace(TopkMetric):
    smaller = True

    def calculate_metric(self, dataobject):
        is_target, _ = self.used_info(dataobject)
        return self.topk_result("lastplace", -is_target.cumsum(axis=1).astype(float))
"""


def test_a_metric_of_the_users_own_of_which_less_is_better_chooses_the_setting(monkeypatch):
    Path("of_places.py").write_text(OWN_METRIC)
    monkeypatch.syspath_prepend(Path.cwd())
    text = SMALL + "space: {rns: {learning_rate: [0.01, 0.00001]}}\n"
    keys = {"metrics": ["NDCG", "of_places:LastPlace"], "valid_metric": "LastPlace@10", "epochs": 3}
    engine, reported = Here(Store("store")), []
    found = list(map(trained, run_sweeps([sweep_of(text, keys=keys)], engine.store, engine)))
    scores = [record.best_valid_score or 0.0 for record in found]
    assert len(set(scores)) == 2 and [record.valid_metric_bigger for record in found] == [False, False]
    (chosen,) = [record for record in found if record.test]
    assert chosen.best_valid_score == min(scores)
    (trial, _) = trials(sweep_of(text, keys=keys))
    run_trial(trial, engine.store, report=lambda epoch, score: reported.append(score))
    assert max(reported) == -scores[0]  # a scheduler, and a search, want more


def test_a_sweep_whose_trials_all_have_records_says_that_it_read_no_data(capsys):
    engine = Here(Store("store"))
    text = SMALL.replace("[1]", "[1, 2]\ntune_seeds: [1]")
    run_sweeps([sweep_of(text)], engine.store, engine)
    said = "every trial has its record: nothing is trained, and the data are not read again\n"
    assert said not in capsys.readouterr().out
    again = Here(engine.store)
    assert len(run_sweeps([sweep_of(text)], again.store, again)) == 2
    assert said in capsys.readouterr().out and again.asked == ["close"]


def test_a_failure_does_not_replace_the_record_of_a_trained_trial():
    sweep, store = sweep_of(SMALL), Store("store")
    (trial,) = trials(sweep)
    done = run_trial(trial, store)
    assert fail_trial(trial, store, "another process trains it") == done == store.record(trial.id.key)


def test_the_setting_that_some_seeds_chose_is_trained_with_the_others():
    text = SMALL.replace("[1]", "[1, 2, 3]") + "tune_seeds: [2]\nspace: {rns: {learning_rate: [0.00001, 0.01]}}\n"
    sweep, other = sweep_of(text, keys={"epochs": 4}), sweep_of(SMALL.replace("rns", "ce"))
    engine = Here(Store("store"))
    found = list(map(trained, run_sweeps([sweep, other], engine.store, engine)))
    tried = {r.trial.setting["learning_rate"]: r for r in found if r.trial.seed == 2}
    assert tried[0.01].best_valid_score > tried[0.00001].best_valid_score and tried[0.00001].test is None
    chosen = [(r.trial.seed, r.trial.setting.get("learning_rate")) for r in found if r.test]
    assert sorted(seed for seed, _ in chosen) == [1, 1, 2, 3] and {rate for _, rate in chosen} <= {0.01, None}
    # two settings and the softmax; the two other seeds; test metrics of four
    first, second = ["start", "load", "load", "load", 3], ["start", "load", "load", 2]
    assert engine.asked == [*first, *second, "start", *["add_test"] * 4, "close"]
    assert not progress(sweep, engine.store)[1]
    engine.asked.clear()
    assert len(run_sweeps([sweep, other], engine.store, engine)) == 5 and engine.asked == ["close"]


def test_changed_data_are_told_before_anything_is_trained_on_them():
    engine, seeds = Here(Store("store")), SMALL.replace("[1]", "[1, 2]")
    run_sweeps([sweep_of(SMALL)], engine.store, engine)
    file = Path("data/tiny/tiny.inter")
    whole = file.read_text()
    file.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    done, changed = run_sweeps([sweep_of(seeds)], engine.store, engine)
    assert "the files of 'tiny' changed between them" in failed(changed).reason and trained(done).test
    file.write_text(whole)
    done, other = map(trained, run_sweeps([sweep_of(seeds)], engine.store, engine))
    assert done.data.fingerprint == other.data.fingerprint and other.test
    engine.store.write(replace(other, data=replace(other.data, fingerprint="0")))
    engine.asked.clear()
    with pytest.raises(ConfigError, match="differ in data"):
        run_sweeps([sweep_of(SMALL.replace("[1]", "[1, 2, 3]"))], engine.store, engine)
    assert engine.asked == ["close"]


SPLIT = "".join(f"u{user}\t{part}\n" for user, part in enumerate(["train"] * 30 + ["valid"] * 5 + ["test"] * 5))


def test_a_changed_split_file_is_told_before_anything_is_trained_on_it():
    engine = Here(Store("store"))
    text = SMALL + "protocols: [paper]\nkeys: {split_file: split.tsv}\n"
    Path("split.tsv").write_text("user_id:token\tpart:token\n" + SPLIT)
    (done,) = map(trained, run_sweeps([sweep_of(text)], engine.store, engine))
    swapped = SPLIT.replace("u0\ttrain", "u0\ttest").replace("u39\ttest", "u39\ttrain")
    Path("split.tsv").write_text("user_id:token\tpart:token\n" + swapped)
    kept, changed = run_sweeps([sweep_of(text.replace("[1]", "[1, 2]"))], engine.store, engine)
    assert kept == done and "the split of 'tiny' changed between them" in failed(changed).reason
    other = trained(
        run_sweeps([sweep_of(text.replace("split_file: split.tsv", "split_seed: 1"))], engine.store, engine)[0]
    )
    assert other.data.split_fingerprint != done.data.split_fingerprint  # another split that was asked for


def test_changed_exposures_are_told_before_anything_is_trained_on_them():
    engine = Here(Store("store"))
    text = SMALL.replace("rns", "ens")
    write_exposures()
    (done,) = map(trained, run_sweeps([sweep_of(text)], engine.store, engine))
    write_exposures(ONE_EXPOSURE)
    _, changed = run_sweeps([sweep_of(text.replace("[1]", "[1, 2]"))], engine.store, engine)
    assert "what the sampler reads of 'tiny' changed between them" in failed(changed).reason
    assert done.data.sampler_fingerprint and trained(run_sweeps([sweep_of(SMALL)], engine.store, engine)[0])


def test_the_note_of_a_trial_is_read_once_as_long_as_it_does_not_change(monkeypatch):
    store, one = Store("store"), planted("rns", 1, [1]).trial
    store.trial_folder(one.key).mkdir(parents=True)
    store.begin(one)
    read = []
    monkeypatch.setattr("recbole_mdcns.records.store._read_note", lambda path: (read.append(path) or one, 1))
    assert store.begun() == store.begun() == [one] and len(read) == 1
    monkeypatch.undo()
    os.utime(store.trial_folder(one.key) / "begun.json", ns=(1, 1))
    assert store.begun() == [one] and store.attempts(one.key) == 1


def test_what_is_read_from_the_files_decides_which_records_must_have_the_same_data():
    """Two filters of one dataset leave other sequences; two runs of one filter do not."""
    one = planted("rns", 1, [1])
    data = [replace(one.data, fingerprint=name) for name in "ab"]
    filtered = {"val_interval": {"rating": "[3,inf)"}, "rm_dup_inter": "first", "discretization": {"price": "x"}}
    for key, value in filtered.items():
        other = with_config(replace(one, data=data[1]), **{key: value})
        check_one_data([replace(one, data=data[0]), other])
        assert data_key(other.config) != data_key(one.config)
    with pytest.raises(ConfigError, match="differ in data"):
        check_one_data([replace(one, data=data[0]), with_config(replace(one, data=data[1]), learning_rate=1.0)])
    assert data_key({**one.config, "learning_rate": 1.0}) == data_key(one.config)


def test_a_chosen_trial_whose_weights_are_gone_is_trained_again(capsys):
    engine = Here(Store("store"))
    (first,) = map(trained, run_sweeps([sweep_of(SMALL)], engine.store, engine))
    engine.store.write(replace(first, test=None, test_rows=None))
    shutil.rmtree(engine.store.folder / "trials")
    (again,) = map(trained, run_sweeps([sweep_of(SMALL)], engine.store, engine))
    assert again.test == first.test and again.valid == first.valid
    assert "is trained again: its record has no test metrics, and" in capsys.readouterr().out


def test_a_trial_that_its_engine_gives_up_has_a_record_that_says_why():
    class Losing(Here):
        def tune(self, plan, scheduler):
            return [(trial, "its worker was killed") for trial in plan]

    engine = Losing(Store("store"))
    (record,) = run_sweeps([sweep_of(SMALL)], engine.store, engine)
    assert (record.status, record.error) == ("failed", "its worker was killed")


@pytest.mark.parametrize(("hours", "seconds"), [(None, math.inf), (0.5, 1800.0)])
def test_the_hours_of_a_sweep_are_hours(hours, seconds, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 7.0)
    assert Timed(hours).seconds_left == seconds
