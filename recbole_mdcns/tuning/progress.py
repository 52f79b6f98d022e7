"""How far a sweep is, and how long the rest takes by the seconds that epochs took so far."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from recbole_mdcns.tuning.driver import sweep_records
from recbole_mdcns.tuning.grid import Cell, cells, make_trial, trials
from recbole_mdcns.tuning.store import FAILED, FINISHED, STOPPED, Store
from recbole_mdcns.tuning.sweep_file import Sweep

#: A trial still to run: its cell, and the most epochs that it may train.
Job = tuple[Cell, int]
#: What trials of the same kind share, from close to far.
_LIKENESS = (("dataset", "protocol", "model", "peer", "sampler", "loss"), ("dataset", "model", "sampler"), ("dataset",))
_STATES = (FINISHED, STOPPED, FAILED, "begun", "to do")


def progress(sweep: Sweep, store: Store) -> tuple[list[dict[str, Any]], list[Job]]:
    """Return a row per cell with the number of its trials in each state, and the trials still to run."""
    state = {note["key"]: "begun" for note in store.begun()}
    state.update((record["trial"]["key"], record["status"]) for record in store.all_records())
    by_cell: dict[Cell, list[tuple[str, int]]] = {cell: [] for cell in cells(sweep)}
    if sweep.is_adaptive:
        for cell in by_cell:
            epochs = make_trial(sweep, cell, {}, sweep.seeds[0]).values["epochs"]
            known = [r["trial"]["key"] for r in sweep_records(sweep, store) if Cell(**r["trial"]["cell"]) == cell]
            unknown = sweep.samples * len(sweep.seeds) - len(known)
            by_cell[cell] = [(key, epochs) for key in [*known, *[""] * unknown]]
    else:
        for trial in trials(sweep):
            by_cell[trial.cell].append((trial.key, trial.values["epochs"]))
    rows, rest = [], []
    for cell, jobs in by_cell.items():
        count = Counter(state.get(key, "to do") for key, _ in jobs)
        rows.append({**vars(cell), "trials": len(jobs), **{name: count[name] for name in _STATES}})
        rest += [(cell, epochs) for key, epochs in jobs if state.get(key) not in (FINISHED, STOPPED)]
    return rows, rest


def trial_seconds(job: Job, records: Iterable[dict[str, Any]]) -> float | None:
    """Return the seconds that a trial should take, by the most similar trials done; None without any.

    A trial counts for as many epochs as those trained in the mean, but not for more than it may.
    """
    cell, epochs = job
    done = [record for record in records if record["status"] != FAILED]
    for names in _LIKENESS:
        alike = [r for r in done if all(r["trial"]["cell"][name] == getattr(cell, name) for name in names)]
        if alike:
            seconds = statistics.median(record["seconds_per_epoch"] for record in alike)
            return seconds * min(epochs, statistics.mean(len(record["epochs"]) for record in alike))
    return None


def total_hours(rest: Sequence[Job], records: Sequence[dict[str, Any]], parallel: float) -> float | None:
    """Return the hours that trials should take side by side; None where nothing like one of them is done."""
    known = {job: trial_seconds(job, records) for job in set(rest)}
    seconds = [known[job] for job in rest]
    return None if None in seconds else sum(filter(None, seconds)) / parallel / 3600


def at_once(sweep: Sweep) -> int:
    """Return how many trials fit on this machine side by side."""
    by_cores = max(1, int((os.cpu_count() or 1) / sweep.cpus)) if sweep.cpus else os.cpu_count() or 1
    return min(by_cores, sweep.max_concurrent or by_cores)
