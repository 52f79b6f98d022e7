"""Sweeps without Ray: the same records whatever is killed in the middle, and a place for every worker."""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from helpers.paths import python_path
from helpers.runs import TINY
from helpers.sweeps import failed, sweep_of, trained, without_times
from helpers.waiting import in_the_middle, wait_for
from tqdm import tqdm

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import ConfigError, WriteError
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning import processes, progress
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.engine import LostWorkers
from recbole_mdcns.tuning.engine_options import sweep_as_asked
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.processes import Processes, places
from recbole_mdcns.tuning.sweep_file import read_sweep
from recbole_mdcns.tuning.trial import run_trial

pytestmark = pytest.mark.cpu_only("workers without a GPU of their own train on the CPU, on every machine")

EPOCHS = 15
KEYS = {key: value for key, value in TINY.items() if key != "learning_rate"}
GRID = f"""
datasets: [tiny]
models: [SASRec]
peers: [GRU4Rec]
seeds: [1, 2]
space: {{mdcns: {{learning_rate: [0.01, 0.003]}}}}
keys: {json.dumps({**KEYS, "epochs": EPOCHS, "stopping_step": EPOCHS})}
"""
SMALL = "datasets: [tiny]\nmodels: [SASRec]\nmethods: [rns]\nseeds: [1, 2, 3, 4]\n"
#: A variable of the environment by which the processes of this test's sweep are known.
STARTED_IN = "RECBOLE_MDCNS_TEST"


def start(at_once=2):
    """Start the sweep as a separate process in which, as in its workers, Ray cannot be imported."""
    Path("blocked").mkdir(exist_ok=True)
    Path("blocked/ray.py").write_text("open('ray-was-imported', 'w').close()\nraise ImportError('blocked')\n")
    environment = {**os.environ, STARTED_IN: os.getcwd(), "PYTHONPATH": python_path(Path("blocked").resolve())}
    command = [
        sys.executable,
        "-m",
        "recbole_mdcns",
        "sweep",
        "grid.yaml",
        "--engine",
        "processes",
        f"--at_once={at_once}",
    ]
    with open("out.log", "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def mine(word=STARTED_IN):
    """Return the processes of the sweep, its driver among them, or those whose command line has a word."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            is_mine = process.environ().get(STARTED_IN) == os.getcwd()
            if is_mine and (word == STARTED_IN or word in " ".join(process.info["cmdline"] or [])):
                found.append(process)
    return found


def workers():
    return mine("spawn_main")


def records():
    return {record.trial.key: record for record in Store("sweeps/grid").all_records()}


def test_a_sweep_outlives_a_worker_its_driver_and_sigterm_and_never_imports_ray():
    """One sweep, for speed: a worker is killed, then its driver; the next one gets SIGTERM; a third one finishes."""
    Path("grid.yaml").write_text(GRID)
    process = start()
    wait_for(lambda: in_the_middle() and len(workers()) == 2, process)
    before = {worker.pid for worker in workers()}
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: {worker.pid for worker in workers()} - before, process)  # it is replaced
    (other,) = before - {min(before)}
    assert psutil.pid_exists(other)  # and it alone
    wait_for(lambda: records() and in_the_middle(), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not mine())
    done = {key: record for key, record in records().items() if record.test is None}
    assert 0 < len(done) < 4

    process = start(at_once=1)
    wait_for(lambda: workers() and in_the_middle(), process)
    process.terminate()
    assert process.wait(timeout=60) == 143
    said = Path("out.log").read_text()
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].endswith("interrupted; the same command continues where this one stopped")
    wait_for(lambda: not mine())

    process = start()
    assert process.wait(timeout=300) == 0, Path("out.log").read_text()[-3000:]
    assert not Path("ray-was-imported").exists()
    found, plan = records(), list(trials(read_sweep("grid.yaml")))
    assert set(found) == {trial.id.key for trial in plan} and len(plan) == 4
    assert all(without_times(found[key]) == without_times(record) for key, record in done.items())
    sums = {}
    for trial in plan:
        assert without_times(found[trial.id.key]) == without_times(run_trial(trial, Store("here")))
        rate = trial.id.setting["learning_rate"]
        sums[rate] = sums.get(rate, 0) + found[trial.id.key].best_valid_score
    read = {trial.id.setting["learning_rate"] for trial in plan if found[trial.id.key].test}
    assert len(read) == 1 and sums[read.pop()] == max(sums.values())
    assert not list(Path("sweeps").rglob("*-last.pth"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_worker_starts_finds_it_whole_and_it_is_ended(number, monkeypatch):
    """Half started, it would show a traceback of its own, and nobody would end it."""
    engine = Processes([sweep_of(SMALL)], Store("store"), 1)
    engine.start()
    started = []

    def start(process, own=BaseProcess.start):
        signal.raise_signal(number)
        own(process)
        started.append(process)

    monkeypatch.setattr(BaseProcess, "start", start)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.each(note_place, list(trials(engine.sweep)))
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    (process,) = started
    assert process.is_alive()
    engine.close()
    assert process.exitcode == -signal.SIGKILL


def note_place(trial, store, dataset):
    """A job: leave what the environment of its process says."""
    said = [
        os.environ["CUDA_VISIBLE_DEVICES"],
        os.environ["OMP_NUM_THREADS"],
        torch.get_num_threads(),
        dataset.user_num,
        type(tqdm.get_lock()).__module__,
    ]
    (store.folder / trial.id.key).write_text(json.dumps(said))


def end_process(trial, store, dataset):
    """A job that never ends well; it counts its tries."""
    with open(store.folder / "tries", "a") as file:
        file.write(".")
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(trial, store, dataset):
    raise WriteError("record.json", "No space left on device", "make room there")


def test_every_worker_has_its_gpu_and_threads_and_what_a_job_says_is_one_sentence_here(monkeypatch):
    monkeypatch.setattr(processes, "visible_gpus", lambda: ["5", "7"])
    monkeypatch.setattr(processes, "usable_cores", lambda: 4)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    sweep, store = sweep_of(SMALL + "cpus: 2\ngpus: 1\n"), Store("store")
    plan = list(trials(sweep))
    engine = Processes([sweep], store)
    try:
        engine.start()
        engine.each(note_place, plan)
        noted = [json.loads((store.folder / trial.id.key).read_text()) for trial in plan]
        assert {gpu for gpu, *_ in noted} == {"5", "7"}
        # 40 users and the one that fills up; tqdm's own lock would be multiprocessing's, which warns of it after a kill
        assert [rest for _, *rest in noted] == [["2", 2, 41, "_thread"]] * 4
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
        with pytest.raises(WriteError, match=r"^record.json cannot be written \(No space left on device\): make room"):
            engine.each(refuse, plan[:1])
        monkeypatch.setattr(processes, "_RETRIES", 1)
        with pytest.raises(LostWorkers, match="^end_process of .* failed 2 times: its worker was killed by SIGKILL$"):
            engine.each(end_process, plan[:1])
        assert (store.folder / "tries").read_text() == ".."
    finally:
        engine.close()
    assert not engine._workers


def test_failures_are_records_and_the_hours_of_a_sweep_end_it(capsys):
    rates = "space: {rns: {learning_rate: [0.01, 1.0e+30]}}\n"
    sweep, store = sweep_of(SMALL.replace("[1, 2, 3, 4]", "[1]") + rates), Store("store")
    found = {r.trial.setting["learning_rate"]: r for r in run_sweeps([sweep], store, Processes([sweep], store, 1))}
    assert "lower learning_rate" in failed(found[1e30]).error and trained(found[0.01]).test
    assert "1 trials at once, on the CPU" in capsys.readouterr().out
    long = sweep_of(SMALL + "sweep_hours: 0.00001\n", keys={"epochs": 9999})
    assert run_sweeps([long], Store("long"), Processes([long], Store("long"), 1)) == []


MACHINE = [  # cpus, gpus, at_once, per_gpu, and the places on four cores and two GPUs
    ("cpus: 1\n", None, None, [""] * 4),
    ("cpus: 3\n", None, None, [""]),
    ("cpus: 0\n", None, None, [""] * 4),
    ("cpus: 1\n", 6, None, [""] * 6),
    ("cpus: 1\nmax_concurrent: 64\n", None, None, [""] * 4),
    ("cpus: 1\nmax_concurrent: 3\n", None, None, [""] * 3),
    ("cpus: 1\nmax_concurrent: 3\n", 6, None, [""] * 6),
    ("gpus: 0.5\nmax_concurrent: 3\n", None, None, ["0", "3", "0"]),
    ("gpus: 0.5\n", None, None, ["0", "3", "0", "3"]),
    ("gpus: 0.1\n", None, None, ["0", "3"] * 10),
    ("gpus: 0.5\n", None, 3, ["0", "3"] * 3),
    ("cpus: 1\n", 3, 8, ["0", "3", "0"]),
]


@pytest.mark.parametrize(("text", "at_once", "per_gpu", "expected"), MACHINE)
def test_the_places_of_a_machine_are_as_many_as_an_estimate_counts(text, at_once, per_gpu, expected, monkeypatch):
    for module in (processes, progress):
        monkeypatch.setattr(module, "usable_cores", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    sweep = sweep_of(SMALL + text)
    assert places(sweep, at_once, per_gpu) == expected
    options = argparse.Namespace(engine="processes", at_once=at_once, per_gpu=per_gpu)
    assert progress.at_once(sweep_as_asked(options, sweep)) == len(expected)


@pytest.mark.parametrize(
    ("text", "per_gpu", "gpus", "message"),
    [
        ("cpus: 5\n", None, 0, "cpus = 5 is not allowed: this machine has 4 CPUs"),
        ("gpus: 0.5\n", None, 0, "gpus = 0.5 is not allowed: this machine has no GPU"),
        ("", 8, 0, "--per_gpu = 8 is not allowed: this machine has no GPU"),
        ("gpus: 2\n", None, 2, "gpus = 2 is not allowed with --engine=processes: a trial uses one GPU"),
    ],
)
def test_what_a_machine_does_not_have_is_refused(text, per_gpu, gpus, message, monkeypatch):
    monkeypatch.setattr(processes, "usable_cores", lambda: 4)
    monkeypatch.setattr(processes, "visible_gpus", lambda: ["0", "1"][:gpus])
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        places(sweep_of(SMALL + text), None, per_gpu)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            "search: optuna\n",
            "--engine=processes",
            "search = 'optuna' is not allowed with --engine=processes",
        ),
        ("search: hyperopt\n", "--engine=processes", "choose grid, random, or --engine=ray"),
        ("scheduler: asha\n", "--engine=processes", "scheduler = 'asha' is not allowed with --engine=processes"),
        ("", "--engine=processes --address=auto", "--address is not allowed with --engine=processes"),
        ("", "--engine=processes --dashboard", "--dashboard is not allowed with --engine=processes"),
        ("", "--at_once=2", "--at_once is not allowed with --engine=ray: it needs --engine=processes"),
        ("", "--per_gpu=2", "--per_gpu is not allowed with --engine=ray: it needs --engine=processes"),
        ("", "--engine=processes --at_once=0", "--at_once = 0 is not allowed: give a whole number of at least 1"),
        ("", "--engine=threads", "--engine: invalid choice: 'threads'"),
    ],
)
def test_what_only_the_other_engine_can_is_refused_in_one_sentence(text, arguments, message, capsys):
    Path("grid.yaml").write_text(SMALL + text)
    for more in ([], ["--dry_run"]):
        assert main(["sweep", "grid.yaml", *arguments.split(), *more]) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1


def test_hours_retries_and_threads_of_a_sweep_reach_its_trials(monkeypatch):
    engine = Processes([sweep_of(SMALL + "trial_hours: 2\nretries: 3\ncpus: 1\n")], Store("store"), 1)
    monkeypatch.setattr(engine, "_run", lambda jobs, *_, **__: jobs)
    jobs: Any = engine.tune(list(trials(engine.sweep)), "fifo")
    assert {more for *_, more in jobs} == {(2, 3, 1)}
