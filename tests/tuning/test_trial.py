"""A trial without Ray: records, failures, time, and going on where it stopped."""

import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from helpers.paths import python_path
from helpers.planted_records import failure
from helpers.planted_records import record as planted
from helpers.sweeps import failed, one_trial, trained, without_times

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.data.load import load_dataset
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.recommend import load
from recbole_mdcns.records.environment import peak_memory
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.trial import add_test, end_trial, final_score, run_trial, trial_config


def test_a_record_has_everything_but_test_which_is_read_from_the_weights_left():
    store, trial, reports = Store("store"), one_trial(), []
    record = trained(run_trial(trial, store, report=lambda epoch, score: reports.append((epoch, score))))
    assert record.status == "finished" and record.test is None and len(record.epochs) == 4
    assert [epoch for epoch, _ in reports] == [1, 2, 3, 4]
    assert max(score for _, score in reports) == record.best_valid_score
    assert store.record(trial.id.key) == record and record.trial == trial.id
    assert record.config["data_path"] == "data"  # no folder of this machine
    assert not list(store.trial_folder(trial.id.key).rglob("*-last.pth"))
    saved = load(store.trial_folder(trial.id.key) / "saved" / "model.pth")
    assert saved.roles == ["self", "peer", "teacher"] and saved.best_role == record.best_role is not None
    assert len(saved.recommend([["i1", "i2"]], k=1, model="best")) == 1
    replayed = []
    assert run_trial(trial, store, report=lambda *each: replayed.append(each)) == store.record(trial.id.key)
    assert replayed == reports  # what a scheduler or a search has to know
    add_test(trial, store)
    again = trained(store.record(trial.id.key))
    assert again.test and again.test_rows and again.test_rows.names
    assert set(again.test) == set(again.test_rows.places) == {"self", "peer", "teacher"}
    assert again.test_rows.names.split("\n") == sorted(f"u{number}" for number in range(40))
    assert replace(again, test=None, test_rows=None) == record


def test_a_dataset_from_elsewhere_gives_the_same_numbers():
    trial = one_trial()
    given = load_dataset(trial_config(trial, Store("a").trial_folder("x")))
    records = [run_trial(trial, Store(name), dataset) for name, dataset in (("a", given), ("b", None))]
    assert without_times(records[0]) == without_times(records[1])


def test_a_trial_that_was_killed_goes_on_and_ends_with_the_same_record():
    trial = one_trial()
    whole = run_trial(trial, Store("whole"))

    def killed(epoch, score):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(trial, Store("broken"), report=killed)
    reports, store = [], Store("broken")
    (last,) = store.folder.rglob("*-last.pth")
    state = checkpoint.load(last, "training")
    seconds = [entry["train_seconds"] for entry in state["epoch_log"]]
    again = trained(run_trial(trial, store, report=lambda epoch, _: reports.append(epoch), retries=1))
    assert reports == [1, 2, 3, 4]  # the first two from the checkpoint
    assert [entry.train_seconds for entry in again.epochs][:2] == seconds
    assert without_times(again) == without_times(whole)


def test_a_trial_that_raises_is_tried_again_and_ends_as_a_record():
    trial, store = one_trial(), Store("store")

    def broken(epoch, score):
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError):
        run_trial(trial, store, report=broken, retries=1)
    record = failed(run_trial(trial, store, report=broken, retries=1))
    assert record.status == "failed" and "disk on fire" in record.error and record.attempts == 2
    assert store.record(trial.id.key) == record
    store.renew(trial.id.key)
    assert store.record(trial.id.key) is None and store.attempts(trial.id.key) == 0
    assert store.begun() == [trial.id]


def test_mistakes_and_lost_workers_are_not_tried_again():
    diverging = one_trial(learning_rate=1e30)
    record = failed(run_trial(diverging, Store("store"), retries=3))
    assert record.status == "failed" and "lower learning_rate" in record.error and record.attempts == 1
    trial, store = one_trial(), Store("store")
    store.trial_folder(trial.id.key).mkdir(parents=True)
    for attempt in (1, 2):  # two workers died before they could say why
        assert store.begin(trial.id) == attempt
    record = failed(run_trial(trial, store, retries=1))
    assert record.status == "failed" and record.error == "begun 2 times, and its worker died each time"


def test_a_trial_out_of_time_stops_with_what_it_has():
    record = trained(run_trial(one_trial(epochs=50), Store("store"), hours=1e-9))
    assert record.status == "stopped" and record.stopped == "after 1e-09 hours of training"
    assert len(record.epochs) == 1 and record.best_epoch == 0


def test_hours_are_of_training_and_the_seconds_of_an_epoch_are_the_median(monkeypatch):
    """Epochs of 600, 1,200 and 2,400 seconds: an hour is over after the third."""
    times = iter([0.0, 600.0, 0.0, 1200.0, 0.0, 2400.0])
    monkeypatch.setattr("recbole_mdcns.trainer.trainer.perf_counter", lambda: next(times))
    record = trained(run_trial(one_trial(epochs=50, neg_candidate_num=2), Store("store"), hours=1))
    assert [entry.train_seconds for entry in record.epochs] == [600.0, 1200.0, 2400.0]
    assert record.stopped == "after 1 hours of training" and record.seconds_per_epoch == 1200.0


def test_a_trial_that_a_scheduler_stopped_leaves_what_it_has():
    trial, store = one_trial(), Store("store")

    def stopped(epoch, score):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(trial, store, report=stopped)
    end_trial(trial, store, None, "by asha")
    record = trained(store.record(trial.id.key))
    assert (record.status, record.stopped, len(record.epochs)) == ("stopped", "by asha", 3)
    whole = trained(run_trial(replace(trial, values={**trial.values, "epochs": 3}), Store("whole")))
    assert record.valid == whole.valid
    other, empty = one_trial(learning_rate=0.02), Store("empty")
    empty.trial_folder(other.id.key).mkdir(parents=True)
    end_trial(other, empty, None, "by asha")
    assert failed(empty.record(other.id.key)).error == "stopped by asha before its first epoch ended"


def test_the_command_of_a_record_does_the_same_without_a_sweep():
    trial, store = one_trial(), Store("store")
    record = trained(run_trial(trial, store))
    program, *argv = record.command
    assert program == "run_recbole_mdcns"
    alone = run_recbole_mdcns(argv=argv, saved=False)["record"]
    assert alone["valid"] == record.valid and alone["best_epoch"] == record.best_epoch
    assert record.valid["self"]["ndcg@10"] == record.best_valid_score
    add_test(trial, store)
    tested = trained(store.record(trial.id.key))
    assert tested.test == alone["test"] != alone["valid"]
    assert tested.test_rows is not None and tested.test_rows.to_json() == alone["test_rows"]


def test_the_last_score_of_a_trial_is_the_higher_the_better():
    more = planted("rns", 1, [1], valid=0.4)
    less = replace(more, valid_metric="AveragePopularity@10", best_valid_score=3.0)
    assert (final_score(more), final_score(less)) == (0.4, -3.0)
    assert math.isnan(final_score(failure(more))) and math.isnan(final_score(replace(more, best_valid_score=None)))


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used: Not a directory"):
        Store(tmp_path / "file" / "sweep").make()
    store = Store(tmp_path / "sweep")
    with store.locked(), pytest.raises(ConfigError, match="another sweep is running in"), Store(store.folder).locked():
        pass
    (store.records / "a.json").write_text('{"schema": 0}')
    with pytest.raises(
        ConfigError,
        match=r"a\.json has schema 0, .* reads schema 2: .*export --migrate",
    ):
        store.all_records()
    (store.records / "a.json").write_text("{")
    with pytest.raises(ConfigError, match=r"a\.json is damaged .*: remove it"):
        store.all_records()


@pytest.mark.cpu_only("a first use of a GPU takes memory of the host")
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks cannot be forgotten here")
def test_the_memory_of_a_trial_is_its_own():
    """Ray may have trained another one in the same process before."""
    large = torch.ones(2**28, dtype=torch.uint8)
    before = peak_memory(torch.device("cpu"))["resident"]
    assert before > len(large)
    del large
    record = trained(run_trial(one_trial(epochs=1), Store("store")))
    assert record.environment.peak_memory["resident"] < before - 2**27


SAY = "from recbole_mdcns.records.environment import peak_memory; import torch; print(peak_memory(torch.device('cpu')))"


@pytest.mark.cpu_only("it says nothing about a GPU")
@pytest.mark.skipif(not os.access("/proc/self/status", os.R_OK), reason="only Linux tells the peak of a process alone")
def test_the_memory_of_a_process_is_not_that_of_the_one_that_started_it():
    """The system's ru_maxrss begins with the memory of the parent, such as a sweep with all its data."""
    large = torch.ones(2**30, dtype=torch.uint8)
    environment = {**os.environ, "PYTHONPATH": python_path()}
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True, env=environment)
    assert 2**25 < int(said.stdout.split(":")[1].strip(" }\n")) < len(large)
