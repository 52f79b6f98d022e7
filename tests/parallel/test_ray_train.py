"""One training by Ray Train: a process that dies is replaced, and the mistakes of the input are one sentence each."""

import sys
from pathlib import Path

import pytest
from helpers.processes import dying_strategy, keys, results, to, train

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import USER_ERROR


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers=2"], "--workers=2 is not allowed without --ray"),
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


def test_ray_starts_a_killed_process_again_and_the_result_is_that_of_a_run_that_was_never_stopped(capfd, monkeypatch):
    """In the same Ray: more workers than CPUs, and data that are not there."""
    monkeypatch.delitem(sys.modules, "dying", raising=False)
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    pytest.importorskip("ray.train.torch", reason="Ray Train is not installed")
    named = keys(neg_sampler=dying_strategy(1))
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert main(["train", "--ray", "--workers=3", *named]) == USER_ERROR
        assert "--workers=3 is not allowed: they need 3 CPUs of 2" in capfd.readouterr().err
        assert main(["train", "--ray", "--workers=2", *named, *to("killed")]) == 0
        capfd.readouterr()
        assert main(["train", "--ray", "--workers=2", *keys(data_path="gone")]) == USER_ERROR
        assert "recbole-mdcns train: dataset 'tiny' is not in gone/tiny" in capfd.readouterr().err
    finally:
        ray.shutdown()
    assert Path("dead").exists()
    ((codes, _),) = train([*named, *to("whole")])
    assert codes == [0, 0]
    assert len(results("whole")["epochs"]) == 3
    assert results("killed") == results("whole")
    assert not list(Path("killed").glob(".ray-*"))
