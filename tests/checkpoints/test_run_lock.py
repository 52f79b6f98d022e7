"""A run belongs to one process, and what is evaluated is the epoch that its record names."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.runs import TINY, fit, tiny_run

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.run_lock import RunLock
from recbole_mdcns.cli.main import train_main
from recbole_mdcns.errors import USER_ERROR, CheckpointError, WriteError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.records.store import Store

COMMAND = ["-m", "SASRec", "-d", "tiny", *(f"--{key}={value}" for key, value in TINY.items() if key != "epochs")]


@pytest.fixture
def run():
    """A run of two epochs."""
    run = tiny_run(epochs=2)
    fit(run)
    return run


@pytest.mark.parametrize("how", ["True", "file"])
def test_a_second_process_does_not_resume_a_run_that_is_being_trained(run, how, capsys):
    last = run.trainer.files.last
    before = last.read_bytes()
    resume = how if how == "True" else last
    with RunLock(run.trainer.files.best).held():
        assert train_main([*COMMAND, f"--resume={resume}", "--epochs=3", "--result_file=r.json"]) == USER_ERROR
    error = capsys.readouterr().err
    assert last.name in error and "another process" in error and "Traceback" not in error
    assert last.read_bytes() == before and not Path("r.json").exists()
    assert train_main([*COMMAND, f"--resume={resume}", "--epochs=3", "--result_file=r.json"]) == 0


def test_the_lock_of_a_killed_process_is_gone_with_it(tmp_path):
    best = tmp_path / "x.pth"
    code = "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(1, flush=True); "
    holder = subprocess.Popen([sys.executable, "-c", code + "time.sleep(60)", RunLock(best).path], stdout=-1)
    holder.stdout.read(1)
    with pytest.raises(CheckpointError, match=r"x-last.pth is being trained by another process"), RunLock(best).held():
        pass
    holder.kill()
    holder.communicate()
    lock = RunLock(best)
    with lock.held(), lock.held():  # the same one may hold it twice over
        pass


def test_a_trial_waits_for_a_process_that_is_on_its_way_out(tmp_path):
    other, holds, ended = RunLock(tmp_path / "x.pth"), threading.Event(), []

    def end_soon():
        with other.held():
            holds.set()
            time.sleep(0.3)
            ended.append(True)

    thread = threading.Thread(target=end_soon)
    thread.start()
    holds.wait()
    with RunLock(tmp_path / "x.pth").held(30):
        assert ended
    thread.join()


@pytest.mark.parametrize("error", [NotImplementedError("no flock here"), OSError(95, "Operation not supported")])
def test_a_file_system_without_locks_trains_with_a_warning(error, tmp_path, monkeypatch, caplog):
    def acquire(self, **_):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with RunLock(tmp_path / "x.pth").held():
        pass
    assert "the run cannot be locked" in caplog.text and str(error.args[-1]) in caplog.text
    with Store(tmp_path / "sweep").locked():
        pass
    assert f"the sweep in {tmp_path / 'sweep'} cannot be locked" in caplog.text


def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    def acquire(self, **_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    sentence = r"\.x\.lock cannot be written \(Read-only file system\)"
    with pytest.raises(WriteError, match=sentence), RunLock(tmp_path / "x.pth").held():
        pass
    with pytest.raises(WriteError, match=r"\.lock cannot be written"), Store(tmp_path / "sweep").locked():
        pass


def test_a_state_that_was_replaced_since_it_was_loaded_is_not_trained_on(run):
    mine, other = (tiny_run(epochs=4) for _ in range(2))
    for each in (mine, other):
        each.trainer.resume_checkpoint(run.trainer.files.last)
    fit(other)
    with pytest.raises(CheckpointError, match=r"-last.pth was overwritten"):
        fit(mine)


@pytest.mark.parametrize("role", ["self", "peer"])
def test_a_best_model_of_another_epoch_is_not_evaluated_as_the_best(run, role):
    path = run.trainer.files.model(role)
    content = checkpoint.load(path, "model")
    checkpoint.save({**content, "epoch": 7}, path)
    with pytest.raises(CheckpointError, match=rf"{path.name} holds epoch 7, and the best epoch of this run is [01]:"):
        run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "resume": True, "result_file": "r.json"})
    assert not Path("r.json").exists()


def test_two_runs_of_one_second_share_no_file(monkeypatch):
    import logging

    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, because of which no log would be written
    for module in ("run_log", "checkpoints.checkpoint"):
        monkeypatch.setattr(f"recbole_mdcns.{module}.get_local_time", lambda: "Jan-01-2026_00-00-00")
    for _ in range(2):
        run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "epochs": 1, "neg_sampler": "rns"})
    assert len(list(Path("log/SASRec").glob("*.log"))) == 2
    folders = list(Path("log_tensorboard").iterdir())
    assert len(folders) == 2 and all(len(list(folder.glob("events*"))) == 1 for folder in folders)
    assert len(list(Path("saved").glob("*-last.pth"))) == 2
