"""Trainings in several processes of this machine, forked after the imports; run as a program by :func:`train`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from helpers.paths import ROOT, python_path
from helpers.runs import TINY

from recbole_mdcns.checkpoints import checkpoint

#: A strategy whose process ends by ``kill -9`` in the second epoch (of 6 steps), unless it has done so before.
DYING = """
import os, pathlib
from recbole_mdcns.negatives.dns_plus import DNS
from recbole_mdcns.trainer.loop import TrainingLoop

class Mortal(DNS):
    pass

def step(loop, batch, taken=[0], own=TrainingLoop.train_step):
    taken[0] += 1
    if taken[0] == 9 and os.environ["RANK"] == "{rank}" and not pathlib.Path("{folder}/dead-{rank}").exists():
        pathlib.Path("{folder}/dead-{rank}").touch()
        os.kill(os.getpid(), 9)
    return own(loop, batch)

if "RANK" in os.environ:
    TrainingLoop.train_step = step
"""


def dying_strategy(rank: int) -> str:
    """Write the module of a strategy whose process of a rank dies once, and return the strategy's name."""
    Path(f"dying{rank}.py").write_text(DYING.format(rank=rank, folder=Path.cwd()))
    return f"dying{rank}:Mortal"


def keys(**own) -> list[str]:
    """Return the keys of a short training as arguments; the tiny dataset has 6 steps an epoch."""
    of_all = {key: value for key, value in TINY.items() if key != "gpu_id"}  # each process has its own
    named = {"model": "SASRec", "dataset": "tiny", **of_all, "epochs": 3, **own}
    return [f"--{key}={value}" for key, value in named.items()]


def to(name: str) -> list[str]:
    """Return the arguments that name the record of a run and the folder of its checkpoints."""
    return [f"--checkpoint_dir={name}", f"--result_file={name}.json"]


def results(name: str) -> dict[str, Any]:
    """Return every number of a run that went :func:`to` a name: of its epochs, its tests and its best weights."""
    record = json.loads(Path(f"{name}.json").read_text())
    (last,) = Path(name).glob("*-last.pth")
    best = checkpoint.load(last.with_name(last.name.replace("-last", "")), "model")
    weights = {parameter: value.tolist() for parameter, value in best["state_dict"].items()}
    epochs = [{key: value for key, value in epoch.items() if "seconds" not in key} for epoch in record["epochs"]]
    return {"epochs": epochs, "test": record["test"], "weights": weights}


def train(*runs: Sequence[str], number: int = 2) -> list[tuple[list[int], list[str]]]:
    """Train by several processes, one run after the other.

    Args:
        *runs: The arguments of each.
        number: The number of processes.

    Returns:
        For each run the exit code and stderr of each process.
    """
    asked = json.dumps([number, [list(arguments) for arguments in runs]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": python_path(ROOT / "tests")}
    command = [sys.executable, __file__, asked]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return [(codes, [Path(file).read_text() for file in files]) for codes, files in json.loads(done.stdout)]


def forked(number: int, files: str, work: Callable[[], int]) -> tuple[list[int], list[str]]:
    """Fork this process, which has imported what takes long, into processes as torchrun starts them.

    Args:
        number: The number of processes.
        files: The names of the files of their stderr, before the rank.
        work: What each does; its exit code.

    Returns:
        Their exit codes, the negative signal of one that was killed, and their files.
    """
    from torch.distributed import TCPStore

    store = TCPStore(
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )  # as torchrun, which outlives the processes
    children, of_all = [], [str(Path(f"{files}-{rank}").absolute()) for rank in range(number)]
    for rank, file in enumerate(of_all):
        children.append(os.fork() or _work(rank, number, store.port, file, work))
    statuses = [status for _, status in (os.waitpid(child, 0) for child in children)]
    return [os.WEXITSTATUS(status) or -os.WTERMSIG(status) for status in statuses], of_all


def _work(rank: int, number: int, port: int, stderr: str, work: Callable[[], int]) -> int:
    """Be one of the processes."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": number, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own["TORCHELASTIC_USE_AGENT_STORE"] = True
    os.environ.update({name: str(value) for name, value in own.items()})
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(2, 1)
    code = 1
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    import recbole_mdcns.quick_start  # noqa: F401  (what takes longest, before the forks)
    from recbole_mdcns.cli.main import train_main

    process_num, runs_of = json.loads(sys.argv[1])
    print(json.dumps([forked(process_num, f"stderr-{i}", partial(train_main, run)) for i, run in enumerate(runs_of)]))
