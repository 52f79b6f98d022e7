"""Trainings in several processes of this machine, forked after the imports; run as a program by :func:`train`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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
    if taken[0] == 9 and os.environ["RANK"] == "{rank}" and not pathlib.Path("{folder}/dead").exists():
        pathlib.Path("{folder}/dead").touch()
        os.kill(os.getpid(), 9)
    return own(loop, batch)

if "RANK" in os.environ:
    TrainingLoop.train_step = step
"""


def dying_strategy(rank: int) -> str:
    """Write the module of a strategy whose process of a rank dies once, and return the strategy's name."""
    Path("dying.py").write_text(DYING.format(rank=rank, folder=Path.cwd()))
    return "dying:Mortal"


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


def _train(run: int, number: int, arguments: list[str]) -> tuple[list[int], list[str]]:
    from torch.distributed import TCPStore

    store = TCPStore(
        "127.0.0.1", 0, is_master=True, wait_for_workers=False
    )  # as torchrun, which outlives the processes
    children, files = [], []
    for rank in range(number):
        files.append(str(Path(f"stderr-{run}-{rank}").absolute()))
        children.append(os.fork() or _work(rank, number, store.port, files[-1], arguments))
    return [os.WEXITSTATUS(status) or -os.WTERMSIG(status) for _, status in (os.waitpid(c, 0) for c in children)], files


def _work(rank: int, number: int, port: int, stderr: str, arguments: list[str]) -> int:
    """Be one of the processes, as torchrun starts it."""
    from recbole_mdcns.cli.main import train_main

    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": number, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    own["TORCHELASTIC_USE_AGENT_STORE"] = True
    os.environ.update({name: str(value) for name, value in own.items()})
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(2, 1)
    os._exit(train_main(arguments))


if __name__ == "__main__":
    import recbole_mdcns.quick_start  # noqa: F401  (what takes longest, before the forks)

    process_num, all_arguments = json.loads(sys.argv[1])
    print(json.dumps([_train(place, process_num, each) for place, each in enumerate(all_arguments)]))
