"""Ctrl-C and SIGTERM end every command with one sentence and its code, and leave what the next one goes on from."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import TINY
from helpers.waiting import wait_for

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.cli import program
from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.main import COMMANDS, TRAIN_PROGRAM, main, train_main
from recbole_mdcns.cli.program import run_program
from recbole_mdcns.errors import FAILURE, INTERRUPTED, PIPE_CLOSED, TERMINATED, ConfigError

CODES = [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)]


@pytest.fixture(autouse=True)
def as_in_a_terminal():
    """A shell starts a command in the background with Ctrl-C ignored, and these tests may run there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def handlers():
    return [signal.getsignal(number) for number, _ in CODES]


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("name", [*COMMANDS, TRAIN_PROGRAM])
def test_every_command_ends_with_a_sentence_and_the_code_of_the_signal(name, number, code, monkeypatch, capfd):
    """Whatever the command is doing: it is interrupted while its options are parsed."""
    monkeypatch.setattr(Parser, "__init__", lambda *_, **__: signal.raise_signal(number))
    before = handlers()
    assert (train_main([]) if name == TRAIN_PROGRAM else main([name])) == code
    assert handlers() == before
    program = name if name == TRAIN_PROGRAM else f"recbole-mdcns {name}"
    said = capfd.readouterr().err
    assert said.startswith(f"{program}: interrupted; ") and said.count("\n") == 1


def test_sigterm_in_the_middle_of_ray_asks_ray_to_stop_as_ctrl_c_does():
    asked = []

    def work():
        signal.signal(signal.SIGINT, lambda number, _: asked.append(number))  # as Ray Tune does while it runs
        signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt  # what Workers says once Ray has stopped

    assert run_program("x", work, "advice") == TERMINATED
    assert asked == [signal.SIGINT]


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_second_signal_ends_the_process_at_once(number, code, monkeypatch, capfd):
    ended = []

    def end(code):  # the real one would say no more
        ended.append(code)
        raise KeyboardInterrupt

    def work():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGINT)  # while the first is on its way out

    monkeypatch.setattr(os, "_exit", end)
    assert run_program("x", work, "advice") == code
    assert (
        ended == [code] and capfd.readouterr().err == "x: advice\n" * 2
    )  # the real one would have ended after the first


def test_sigterm_ends_a_command_in_the_background_where_ctrl_c_is_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert run_program("x", lambda: signal.raise_signal(signal.SIGTERM), "advice") == TERMINATED


def test_a_signal_that_was_ignored_before_is_still(monkeypatch):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as for a command in the background
    try:
        assert run_program("x", lambda: signal.raise_signal(signal.SIGTERM), "advice") == 0
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("wrong"), 2, "x: wrong\n"),
        (OSError(28, "No space left on device", "a.txt"), FAILURE, "x: a.txt cannot be written (No space left on"),
        (OSError(30, "Read-only file system", "b"), FAILURE, "x: b cannot be written (Read-only file system"),
        (BrokenPipeError(32, "Broken pipe"), PIPE_CLOSED, ""),
    ],
)
def test_errors_end_in_one_sentence_and_their_code(error, code, said, capsys):
    def work():
        raise error

    assert run_program("x", work, "advice") == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("error", [KeyError("a bug"), AttributeError("a bug"), FileNotFoundError(2, "No such file")])
def test_bugs_stay_visible(error):
    def work():
        raise error

    with pytest.raises(type(error)):
        run_program("x", work, "advice")


def test_a_process_without_output_has_somewhere_to_write_to(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert program.run_program("x", lambda: print("hello", file=sys.stderr), "advice") == 0


KEYS = [f"--{k}={v}" for k, v in {**TINY, "epochs": 9999, "stopping_step": 9999, "neg_sampler": "rns"}.items()]
TRAIN = [sys.executable, str(ROOT / "run_recbole_mdcns.py"), "-m", "SASRec", "-d", "tiny", *KEYS]


def start(*arguments):
    """Start a training that does not end by itself."""
    hear = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731  (a background test's is ignored)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*TRAIN, *arguments], stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=hear)


def test_a_training_that_is_signalled_leaves_its_last_epoch_and_goes_on():
    first = start("--resume")  # nothing to resume yet
    wait_for(lambda: list(Path("saved").glob("*-last.pth")), first)
    first.send_signal(signal.SIGTERM)
    said = first.communicate(timeout=60)[1]
    assert first.returncode == TERMINATED, said[-3000:]
    assert "Traceback" not in said and said.strip().splitlines()[-1].startswith(
        "run_recbole_mdcns: interrupted; finished epochs of a training are kept: --resume"
    )
    (last,) = Path("saved").glob("*-last.pth")
    done = checkpoint.load(last, "training")["epoch"]

    second = start("--resume")
    wait_for(lambda: checkpoint.load(last, "training")["epoch"] > done, second)
    second.send_signal(signal.SIGINT)
    second.send_signal(signal.SIGINT)
    said = second.communicate(timeout=60)[1]
    assert second.returncode == INTERRUPTED, said[-3000:]
    assert "Traceback" not in said and said.count("interrupted") == 1
    assert checkpoint.load(last, "training")["epoch"] > done
    assert [path.name for path in Path("saved").glob("*-last.pth")] == [last.name]
