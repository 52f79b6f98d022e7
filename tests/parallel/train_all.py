"""Trains some short runs by one, two and three processes, and writes what they gave: ``train_all.py FOLDER``.

``FOLDER/runs.json`` has the keys of each run by its name, by the number of processes.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import torch
from helpers.processes import forked
from helpers.runs import states, tiny_run

from recbole_mdcns.errors import UserError
from recbole_mdcns.parallel.processes import met, started


def results_of(keys: dict) -> dict:
    """Train a run, and return its losses, metrics and places; ``resume_after`` stops it in between."""
    between = keys.pop("resume_after", None)
    if between is not None:
        first = tiny_run(**{**keys, "epochs": between})
        first.trainer.fit(first.train, first.valid, verbose=False)
    run = tiny_run(**keys)
    if between is not None:
        written = [str(first.trainer.files.last)]
        if torch.distributed.is_initialized():
            torch.distributed.broadcast_object_list(written)  # the first process has written it
        run.trainer.resume_checkpoint(written[0])
    run.trainer.fit(run.train, run.valid, verbose=False)
    evaluation = run.trainer.evaluate_all(run.test)
    run.trainer.load_best()
    best = run.trainer.evaluate_all(run.test)
    weights = [{name: weight.tolist() for name, weight in of_model.items()} for of_model in states(run.trainer)]
    epochs = [{k: v for k, v in entry.items() if k != "train_seconds"} for entry in run.trainer.epoch_log]
    return {
        "epochs": epochs, "weights": weights, "test": evaluation.metrics, "places": evaluation.places,
        "best": best.metrics,
    }  # fmt: skip


def work(folder: Path, runs: dict[str, dict]) -> int:
    """Train the runs as one of the processes."""
    torch.set_num_threads(1)
    with met() as store:
        group = started(store, "auto", "cpu")
        for name, keys in runs.items():
            keys["checkpoint_dir"] = f"saved-{group.size}-{name}"
            try:
                result: dict = results_of(keys)
            except UserError as error:
                result = {"error": str(error)}
            (folder / f"{name}-{group.size}-{group.rank}.json").write_text(json.dumps(result))
    return 0


def main(folder: Path) -> None:
    for number, runs in json.loads((folder / "runs.json").read_text()).items():
        codes, files = forked(int(number), f"stderr-{number}", partial(work, folder, runs))
        assert not any(codes), [Path(file).read_text()[-3000:] for file in files]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
