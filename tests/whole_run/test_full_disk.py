"""A disk that is full ends in one sentence; what is finished is kept, and nothing is left half written.

Files may not grow beyond a limit here, which is what the system then says of every way of writing.
"""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.planted_records import record
from helpers.runs import TINY, tiny_run
from helpers.sweeps import failed, one_trial

from recbole_mdcns import quick_start
from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.cli.main import main, train_main
from recbole_mdcns.data.split import write_split
from recbole_mdcns.errors import FAILURE, WriteError
from recbole_mdcns.records.files import pack_records, write_record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.trial import run_trial

resource = pytest.importorskip("resource", reason="Windows has no such limits")

KEYS = {**TINY, "epochs": 4, "neg_sampler": "rns", "stopping_step": 9}
COMMAND = ["-m", "SASRec", "-d", "tiny", *(f"--{k}={v}" for k, v in KEYS.items())]


@contextlib.contextmanager
def limit(size):
    """Let no file grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_no_rubbish():
    assert not list(Path().rglob("*.tmp"))


NAMES = {"train": [f"u{n}" for n in range(999)], "valid": [], "test": []}
RECORD = record("rns", 1, range(9999))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: checkpoint.save({"kind": "model", "names": NAMES}, path),
        lambda path: write_record(RECORD, path),
        lambda path: write_split(NAMES, path),
        lambda path: pack_records(
            [replace(RECORD, trial=replace(RECORD.trial, key=f"{n} {hash(str(n))}")) for n in range(300)], path
        ),
    ],
    ids=["checkpoint", "record", "split", "packed"],
)
def test_every_file_is_written_whole_or_left_as_it_was(write):
    path = Path("file.x")
    path.write_text("old")
    with (
        limit(1000),
        pytest.raises(WriteError, match=r"file.x cannot be written \(File too large\): make room") as error,
    ):
        write(path)
    assert error.value.exit_code == FAILURE and path.read_text() == "old"
    assert_no_rubbish()
    write(path)
    assert path.read_bytes() != b"old"


def test_a_store_that_is_full_names_the_record():
    store = Store("sweeps/x")
    with limit(1000), pytest.raises(WriteError, match=r"records/amazon-beauty-rns-None-1.json cannot be written"):
        store.write(RECORD)
    assert store.all_records() == []
    assert_no_rubbish()


def test_prepare_on_a_full_disk_is_one_sentence(capsys):
    Path("raw.csv").write_text("".join(f"u{n % 9},i{n},5,{n}\n" for n in range(999)))
    arguments = ["amazon-x", "--raw", "raw.csv", "--out", "out", "--min_user=0", "--min_item=0"]
    with limit(1000):
        assert main(["prepare", *arguments]) == FAILURE
    error = capsys.readouterr().err
    assert "amazon-x.inter cannot be written (File too large)" in error and error.count("\n") == 1
    assert_no_rubbish()
    assert main(["prepare", *arguments]) == 0


def test_a_training_whose_disk_fills_keeps_its_finished_epochs_and_goes_on(monkeypatch, capsys):
    whole = quick_start.run_recbole_mdcns("SASRec", "tiny", config_dict=KEYS)
    save, states = checkpoint.save, []

    def fills(content, path):
        states.append(path) if path.name.endswith("-last.pth") else None
        with limit(1000) if len(states) == 3 else contextlib.nullcontext():
            save(content, path)

    monkeypatch.setattr(checkpoint, "save", fills)
    assert train_main([*COMMAND, "--checkpoint_dir=mine"]) == FAILURE
    error = capsys.readouterr().err
    assert f"{states[-1]} cannot be written (File too large)" in error and "resume" in error
    assert "Traceback" not in error
    assert checkpoint.load(states[-1], "training")["epoch"] == 1
    assert_no_rubbish()
    monkeypatch.setattr(checkpoint, "save", save)
    again = quick_start.run_recbole_mdcns(
        "SASRec", "tiny", config_dict={**KEYS, "checkpoint_dir": "mine", "resume": True}
    )
    assert again["test_result"] == whole["test_result"]
    assert [e["loss"] for e in again["record"]["epochs"]] == [e["loss"] for e in whole["record"]["epochs"]]


def test_a_record_that_cannot_be_written_is_written_elsewhere_without_training_again(monkeypatch, capsys):
    def fills(record, path):
        with limit(1000):
            write_record(record, path)

    monkeypatch.setattr(quick_start, "write_record", fills)
    assert train_main([*COMMAND, "--result_file=r.json"]) == FAILURE
    error = capsys.readouterr().err
    assert "r.json cannot be written (File too large)" in error and "Traceback" not in error
    assert "--resume" in error and "--result_file=ELSEWHERE" in error and not Path("r.json").exists()
    assert_no_rubbish()
    monkeypatch.setattr(quick_start, "write_record", write_record)
    from recbole_mdcns.trainer import NegativeSamplingTrainer

    monkeypatch.setattr(NegativeSamplingTrainer, "train_step", lambda *_: pytest.fail("it trains again"))
    assert train_main([*COMMAND, "--resume", "--result_file=elsewhere.json"]) == 0
    record = json.loads(Path("elsewhere.json").read_text())
    assert len(record["epochs"]) == 4 and record["test"]["self"]


def test_a_trial_whose_disk_is_full_says_so_in_its_record_and_runs_again(monkeypatch):
    store, trial, save = Store("store"), one_trial(), checkpoint.save

    def fills(content, path):
        with limit(1000):
            save(content, path)

    monkeypatch.setattr(checkpoint, "save", fills)
    failure = failed(run_trial(trial, store, retries=3))
    assert failure.attempts == 1 and "Traceback" not in failure.error
    assert "model.pth cannot be written (File too large)" in failure.error
    assert_no_rubbish()
    monkeypatch.setattr(checkpoint, "save", save)
    store.renew(trial.id.key)
    assert run_trial(trial, store).status == "finished"


def test_log_and_tensorboard_do_not_end_a_run(monkeypatch, capsys):
    import logging

    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, because of which no log would be written
    save = checkpoint.save
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def has_room(content, path):
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        save(content, path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))

    monkeypatch.setattr(checkpoint, "save", has_room)
    with limit(1000):
        assert train_main(COMMAND) == 0
    said = capsys.readouterr().err
    assert ".log cannot be written (File too large)" in said
    assert "log_tensorboard" in said and "Traceback" not in said and "results at the best epoch" in said


def test_nothing_is_written_when_nothing_is_saved():
    run = tiny_run(epochs=1, neg_sampler="rns")
    with limit(0):
        run.trainer.tensorboard.folder = None
        run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    assert not Path("saved").exists()
