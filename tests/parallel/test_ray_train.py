"""One training by Ray Train: a process that dies is replaced, and the mistakes of the input are one sentence each."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest
from helpers.processes import dying_strategy, keys, results, to, train

from recbole_mdcns.cli import ray_train
from recbole_mdcns.cli.main import main
from recbole_mdcns.cli.ray_train import Job
from recbole_mdcns.errors import USER_ERROR, UserError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers=2"], "--workers=2 is not allowed without --ray"),
        (["--evaluate=x.pth", "--workers=2"], "--workers=2 is not allowed without --ray"),
        (["--max_failures=0"], "--max_failures=0 is not allowed without --ray"),
        (["--address=auto"], "--address=auto is not allowed without --ray"),
        (["--ray"], "--ray needs --workers=N"),
        (["--ray", "--workers=0"], "--workers=0 is not allowed: give a whole number of at least 1"),
        (["--ray", "--workers=two"], "argument --workers: invalid int value: 'two'"),
        (["--ray", "--workers=2", "--workers=3"], "--workers is given twice: 2 and 3"),
        (
            ["--ray", "--workers=2", "--gpus_per_worker=2"],
            "--gpus_per_worker=2 is not allowed: a process trains on one",
        ),
        (["--ray", "--workers=2", "--max_failures=-1"], "--max_failures=-1 is not allowed"),
        (["--ray", "--workers=65"], "--workers=65 is not allowed with train_batch_size = 64"),
        (["--ray", "--workers=2", "--distributed_backend=nccl"], "'nccl' is not allowed on a CPU"),
        (["--ray", "--workers=2", "--epocs=2"], "epocs = 2: there is no key epocs (did you mean epochs?)"),
        (["--ray", "--workers=2", "--evaluate=saved/x.pth"], "--ray is not allowed with --evaluate"),
    ],
)
def test_a_mistake_ends_in_one_sentence_before_ray_starts(options, said, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # to import it would be another mistake
    assert main(["train", *keys(), *options]) == USER_ERROR
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert said in sentence


def test_without_ray_one_sentence_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["train", *keys(), "--ray", "--workers=2"]) == USER_ERROR
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert "--ray needs Ray Train: pip install 'ray[train]'" in sentence and "torchrun" in sentence


def job_of(**changed):
    """Return a training on data that are not there."""
    return replace(
        Job(
            ("SASRec", "gone", None, {}, [k for k in keys() if "model=" not in k and "dataset=" not in k]),
            [],
            os.getcwd(),
            storage=os.getcwd(),
        ),
        **changed,
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "dataset 'gone' is not in data/gone"),
        ({"folder": "/nowhere"}, "has no folder /nowhere: start the command in a folder that all nodes share"),
        (
            {"storage": "/nowhere/.ray-x"},
            "does not see checkpoint_dir = '/nowhere': give a folder that all nodes share",
        ),
    ],
)
def test_a_process_tells_its_mistake_and_fails_only_if_the_others_do_not_have_it(changed, said, monkeypatch):
    """What fails is started again by Ray, and then finds that a mistake was told."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(ray_train, "_TOGETHER", 0)
    told: Queue[tuple[int, UserError]] = Queue()
    with pytest.raises(UserError, match=re.escape(said)):
        ray_train._work(job_of(**changed), told, workers=2)
    (_, error) = told.queue[0]
    assert said in str(error) and ("process 1 on " in str(error)) == bool(changed)
    ray_train._work(job_of(**changed), told, workers=2)  # the next attempt
    assert told.qsize() == 1
    told.get()
    ray_train._work(job_of(**changed), told, workers=1)  # everybody has it
    assert told.qsize() == 1


def test_ray_starts_a_killed_process_again_and_the_result_is_that_of_a_run_that_was_never_stopped(capfd, monkeypatch):
    """In the same Ray: more workers than CPUs."""
    monkeypatch.delitem(sys.modules, "dying1", raising=False)
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    pytest.importorskip("ray.train.torch", reason="Ray Train is not installed")
    named = keys(neg_sampler=dying_strategy(1))
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert main(["train", "--ray", "--workers=3", *named]) == USER_ERROR
        assert "--workers=3 is not allowed: they need 3 CPUs, and there are 2" in capfd.readouterr().err
        assert main(["train", "--ray", "--workers=2", *named, *to("killed")]) == 0
    finally:
        ray.shutdown()
    assert Path("dead-1").exists()
    ((codes, _),) = train([*named, *to("whole")])
    assert codes == [0, 0]
    assert len(results("whole")["epochs"]) == 3
    assert results("killed") == results("whole")
    assert not list(Path("killed").glob(".ray-*"))
