"""Sweeps on Ray from end to end: the same records whatever is killed in the middle, and nothing run twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
from helpers.paths import python_path
from helpers.runs import TINY, cycle_lines, write_inter
from helpers.sweeps import Here, failed, sweep_of, trained, without_times
from helpers.waiting import in_the_middle, wait_for

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import ConfigError, DataError, WriteError
from recbole_mdcns.records.record import Failure
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.engine import LostWorkers
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.progress import progress
from recbole_mdcns.tuning.sweep_file import read_sweep
from recbole_mdcns.tuning.trial import add_test
from recbole_mdcns.tuning.workers import Workers

pytestmark = pytest.mark.cpu_only("workers without a GPU of their own train on the CPU, on every machine")

ray = pytest.importorskip("ray", reason="sweeps need ray[tune]")

KEYS = {key: value for key, value in TINY.items() if key != "learning_rate"}
GRID = """
datasets: [tiny]
models: [SASRec]
peers: [GRU4Rec]
methods: [mdcns, rns]
seeds: [1, 2]
max_concurrent: 1
space: {mdcns: {learning_rate: [0.01, 0.003]}}
keys: %s
"""
EPOCHS = 15  # some seconds: enough time to be killed in the middle
NUMBER = 6  # (2 settings of mdcns + 1 of rns) x 2 seeds
#: A variable of the environment by which the processes of these sweeps are known.
STARTED_IN = "RECBOLE_MDCNS_TEST"


@pytest.fixture(scope="module", autouse=True)
def importable_by_workers():
    """Let processes in other folders find the package, installed or not, and be known as those of these tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", python_path())
        patched.setenv(STARTED_IN, str(os.getpid()))
        yield


def prepare(folder):
    """Go to a folder with the tiny dataset and the grid."""
    os.chdir(folder)
    write_inter(cycle_lines())
    Path("grid.yaml").write_text(GRID % json.dumps({**KEYS, "epochs": EPOCHS, "stopping_step": EPOCHS}))


def start(folder):
    """Start a sweep as a separate process."""
    prepare(folder)
    command = [sys.executable, "-m", "recbole_mdcns", "sweep", "grid.yaml"]
    with open("out.log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def records(folder="."):
    return {record.trial.key: record for record in Store(Path(folder) / "sweeps" / "grid").all_records()}


def comparable(found):
    return {key: (without_times(record), record.test) for key, record in found.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of the same sweep without Ray, one trial after the other in this process."""
    folder, before = tmp_path_factory.mktemp("whole"), os.getcwd()
    try:
        prepare(folder)
        torch.set_num_threads(1)
        store = Store("sweeps/grid")
        run_sweeps([read_sweep("grid.yaml")], store, Here(store))
    finally:
        os.chdir(before)
    return folder


def check_finished():
    """Check the records of a whole sweep: one a trial, test of the chosen alone, and nothing that runs again."""
    found = records()
    assert len(found) == NUMBER and {record.status for record in found.values()} == {"finished"}
    assert all(len(record.epochs) == EPOCHS for record in found.values())
    read = {(r.trial.cell.method, str(r.trial.setting)) for r in found.values() if r.test}
    scores = {}
    for record in found.values():
        if record.trial.cell.method == "mdcns":
            scores.setdefault(str(record.trial.setting), []).append(record.best_valid_score)
    best = {setting for setting in scores if sum(scores[setting]) == max(map(sum, scores.values()))}
    ((chosen,),) = ([setting for sampler, setting in read if sampler == "mdcns"],)
    assert chosen in best and read == {("rns", "{}"), ("mdcns", chosen)}
    assert {trial.id.key for trial in trials(read_sweep("grid.yaml"))} == set(found)  # Ray's flags are in no config
    assert not list(Path("sweeps").rglob("*-last.pth"))
    before = {path: path.stat().st_mtime_ns for path in Path("sweeps/grid/records").iterdir()}
    assert main(["sweep", "grid.yaml"]) == 0
    assert {path: path.stat().st_mtime_ns for path in Path("sweeps/grid/records").iterdir()} == before


def test_a_node_of_a_cluster_that_dies_takes_no_trial_with_it(whole, tmp_path):
    """The driver's own node lives; a separate process of the driver might be on the node that dies."""
    from ray.cluster_utils import Cluster

    prepare(tmp_path)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        mine = ray.get_runtime_context().get_node_id()
        (store_of_mine,) = (node["ObjectStoreSocketName"] for node in ray.nodes() if node["NodeID"] == mine)
        victims = [node for node in nodes if node.plasma_store_socket_name != store_of_mine][:1]

        def kill():
            wait_for(in_the_middle)
            for victim in victims:
                cluster.remove_node(victim, allow_graceful=False)

        killer = threading.Thread(target=kill)
        killer.start()
        run_sweeps([read_sweep("grid.yaml", methods=["mdcns"], seeds=[1])], Store("sweeps/grid"))
        killer.join()
        wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 2)  # Ray notices some seconds late
        found, expected = records(), records(whole)
        assert len(found) == 2  # those of the whole sweep, except which of them has test metrics
        assert all(without_times(record) == without_times(expected[key]) for key, record in found.items())
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def local_ray():
    # one process, started once for all tests
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_sweep_outlives_its_driver_the_end_that_a_cluster_puts_to_it_and_a_worker(whole, local_ray, tmp_path):
    """One sweep, for speed: its driver is killed; the next gets SIGTERM; a third one loses a worker, and finishes.

    Ray trains the trial of a killed worker again, in a new worker. The third driver is this process.

    ``tests/cli/test_signals.py`` has Ctrl-C, which takes the same way as SIGTERM.
    """
    process = start(tmp_path)
    wait_for(lambda: records() and in_the_middle())
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not _workers())  # they see that their driver is gone
    done = _untested()
    assert 0 < len(done) < NUMBER

    Path("out.log").unlink()
    process = start(tmp_path)
    wait_for(lambda: process.poll() is not None or (_workers() and in_the_middle()))
    process.terminate()
    assert process.wait(timeout=300) == 143, Path("out.log").read_text()[-3000:]
    said = Path("out.log").read_text()
    assert "Traceback" not in said
    told = "interrupted; the same command continues where this one stopped"
    assert [line.endswith(told) for line in said.splitlines()].count(True) == 1  # before or after Ray's last table
    assert len(records()) < NUMBER
    wait_for(lambda: not _workers())

    started, killed = time.time(), []

    def kill():
        wait_for(lambda: _workers() and in_the_middle(since=started))
        killed.extend(_workers())
        killed[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    assert main(["sweep", "grid.yaml"]) == 0
    killer.join()
    assert len(killed) == 1
    assert comparable(records()) == comparable(records(whole))
    after = _untested()
    assert all(after[path] == done[path] for path in done.keys() & after.keys())  # nothing done is trained again
    check_finished()


def _untested():
    """Return when the records without test metrics were written."""
    paths = Path("sweeps/grid/records").glob("*.json")
    return {path: path.stat().st_mtime_ns for path in paths if json.loads(path.read_text())["test"] is None}


def _workers():
    """Return the processes that train here, and no other Ray's on this machine."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        text = " ".join(process.info["cmdline"] or [])
        with contextlib.suppress(psutil.Error):
            if text.startswith("ray::") and "train" in text and process.environ().get(STARTED_IN) == str(os.getpid()):
                found.append(process)
    return found


SMALL = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1]\n"


def test_what_fails_ends_as_a_record_and_asha_stops_what_is_behind(local_ray):
    rates = "[0.01, 0.00001, 0.00002, 0.00003, 1.0e+30]"
    text = SMALL + f"scheduler: asha\nspace: {{rns: {{learning_rate: {rates}}}}}\n"
    sweep, store = sweep_of(text, keys={"epochs": 12}), Store("store")
    found = {record.trial.setting["learning_rate"]: record for record in run_sweeps([sweep], store)}
    assert len(found) == 5
    assert "lower learning_rate" in failed(found[1e30]).error
    stopped = [trained(record) for record in found.values() if record.status == "stopped"]
    assert stopped and all(record.stopped == "by asha" and record.valid["self"] for record in stopped)
    assert all(5 <= len(record.epochs) < 12 for record in stopped)
    assert found[0.01].status == "finished" and trained(found[0.01]).test
    before = {path: path.stat().st_mtime_ns for path in store.records.iterdir()}
    again = run_sweeps([sweep], store)
    assert len(again) == 5
    changed = [path.stem for path in store.records.iterdir() if path.stat().st_mtime_ns != before[path]]
    assert changed == [found[1e30].trial.key]  # only what failed ran again


def test_what_a_job_in_a_worker_says_is_one_sentence_here(local_ray):
    def full(trial, store, dataset):
        raise WriteError("record.json", "No space left on device", "make room there")

    sweep = sweep_of(SMALL)
    workers = Workers(sweep, Store("store"))
    workers.start()
    with pytest.raises(
        WriteError, match=r"^record.json cannot be written \(No space left on device\): make room there$"
    ):
        workers.each(full, list(trials(sweep)))


def test_what_ray_itself_cannot_end_is_one_sentence(monkeypatch):
    def lost(jobs):
        raise ray.exceptions.WorkerCrashedError

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(LostWorkers, match=r"^add_test of a trial failed 3 times: .*died unexpectedly"):
        Workers(sweep_of(SMALL), Store("store")).each(add_test, [])


def test_an_address_that_is_none_is_told_with_what_is_allowed(monkeypatch):
    def init(**options):
        raise ValueError("Invalid address format: headnode")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=r"at --address=headnode: Invalid .*; give auto, HOST:PORT or ray://"):
        Workers(sweep_of(SMALL), Store("store"), address="headnode").start()


def test_the_hours_of_a_sweep_end_it_and_the_next_one_goes_on(local_ray):
    text, store = SMALL.replace("[1]", "[1, 2, 3]"), Store("store")
    keys = {"epochs": 15, "stopping_step": 15}
    late = run_sweeps([sweep_of(text + "sweep_hours: 0.0008\n", keys=keys)], store)
    assert len(late) < 3 and not any(trained(record).test for record in late)
    found = list(map(trained, run_sweeps([sweep_of(text, keys=keys)], store)))
    assert [len(record.epochs) for record in found] == [15] * 3 and all(record.test for record in found)


@pytest.mark.parametrize("search", ["grid", "optuna"])
def test_the_setting_that_some_seeds_chose_is_trained_with_the_others(local_ray, search):
    space = "[0.00001, 0.01]"
    if search == "optuna":
        pytest.importorskip("optuna")
        space = "{loguniform: [0.00001, 0.01]}"
    text = SMALL.replace("[1]", "[1, 2, 3]") + f"tune_seeds: [2]\nsearch: {search}\nsamples: 2\nscheduler: median\n"
    sweep = sweep_of(text + f"space: {{rns: {{learning_rate: {space}}}}}\n", keys={"epochs": 8, "stopping_step": 8})
    both = run_sweeps([sweep, sweep_of(SMALL.replace("rns", "ce"), keys={"epochs": 8})], Store("store"))
    assert not [record.reason for record in both if isinstance(record, Failure)]
    (other,) = (trained(record) for record in both if record.trial.cell.method == "ce")
    assert other.test and other.trial.cell.loss == "CE"
    found = [trained(record) for record in both if record.trial != other.trial]
    tried = [record for record in found if record.trial.seed == 2]
    best = max(tried, key=lambda record: record.best_valid_score or 0.0).trial.setting
    assert len(tried) == 2 and len(found) == 4
    read = [record.trial.seed for record in found if record.test]
    assert sorted(read) == [1, 2, 3]
    assert all(record.trial.setting == best for record in found if record.test)
    assert not progress(sweep, Store("store"))[1]


@pytest.mark.parametrize("search", ["optuna", "hyperopt"])
def test_a_search_that_learns_counts_what_it_has_tried(local_ray, search):
    pytest.importorskip(search)
    text = SMALL + f"search: {search}\nsamples: 2\nspace: {{rns: {{learning_rate: {{loguniform: [0.001, 0.1]}}}}}}\n"
    first = list(map(trained, run_sweeps([sweep_of(text)], Store("store"))))
    assert len(first) == 2 and sum(record.test is not None for record in first) == 1
    more = run_sweeps([sweep_of(text.replace("samples: 2", "samples: 3"))], Store("store"))
    keys = {record.trial.key for record in first}
    assert len(more) == 3 and keys < {record.trial.key for record in more}


@pytest.mark.parametrize("samples", [2, 1])
def test_a_search_tries_few_settings_once_each_and_loads_the_data_that_it_draws(local_ray, samples):
    pytest.importorskip("optuna")
    text = SMALL + f"search: optuna\nsamples: {samples}\nspace: {{rns: {{rm_dup_inter: [first, last]}}}}\n"
    found = run_sweeps([sweep_of(text)], Store("store"))
    assert not [record.reason for record in found if isinstance(record, Failure)]
    tried = {record.trial.setting["rm_dup_inter"] for record in found}
    assert len(found) == len(tried) == samples and tried <= {"first", "last"}
    assert not progress(sweep_of(text), Store("store"))[1]


@pytest.mark.parametrize(
    ("extra", "error", "message"),
    [
        ("cpus: 1000\n", ConfigError, "cpus = 1000 is not allowed: no node has more than 1 CPUs"),
        ("gpus: 0.5\n", ConfigError, "gpus = 0.5 is not allowed: no node has more than 0 GPUs"),
        ("", DataError, "dataset 'nowhere' is not in"),
    ],
)
def test_what_cannot_run_is_refused_before_any_trial(local_ray, extra, error, message):
    datasets = ["tiny", "nowhere"] if error is DataError else ["tiny"]
    sweep, store = sweep_of(SMALL + extra, datasets=datasets), Store("store")
    with pytest.raises(error, match=message):
        run_sweeps([sweep], store)
    assert not store.all_records() and not store.begun()
