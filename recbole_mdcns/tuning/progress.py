"""The progress of a sweep, and the time that is left, estimated from measured epochs."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.files import read_text
from recbole_mdcns.records.record import FAILED, FINISHED, STOPPED, Record, read_record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.driver import chosen_trials, sweep_records
from recbole_mdcns.tuning.grid import cells, check_draws, first_trials, make_trial, samples_of, settings_of
from recbole_mdcns.tuning.sweep import Sweep

#: A trial still to run: its cell, and the most epochs that it may train.
Job = tuple[Cell, int]
#: What trials of the same kind share, from close to far.
_LIKENESS = (
    ("dataset", "protocol", "model", "peer", "method", "loss"),
    ("dataset", "model", "method"),
    ("dataset", "model"),
    ("dataset",),
)
_STATES = (FINISHED, STOPPED, FAILED, "begun", "to do")


def progress(sweep: Sweep, store: Store) -> tuple[list[dict[str, Any]], list[Job]]:
    """Return a row per cell with the number of its trials in each state, and the trials still to run.

    Raises:
        ConfigError: Something of the sweep cannot be used.
    """
    if sweep.is_adaptive:
        check_draws(sweep)
    state = {known.key: "begun" for known in store.begun()}
    state.update((record.trial.key, record.status) for record in store.all_records())
    by_cell: dict[Cell, list[tuple[str, int]]] = {cell: [] for cell in cells(sweep)}
    if sweep.is_adaptive:
        for cell in by_cell:
            epochs = make_trial(sweep, cell, {}, sweep.seeds[0]).values["epochs"]
            mine = [record.trial for record in sweep_records(sweep, store) if record.trial.cell == cell]
            known = [trial.key for trial in mine if trial.seed in sweep.choice_seeds]
            unknown = samples_of(sweep, cell) * len(sweep.choice_seeds) - len(known)
            by_cell[cell] = [(key, epochs) for key in [*known, *[""] * unknown]]
    else:
        for trial in first_trials(sweep):
            by_cell[trial.id.cell].append((trial.id.key, trial.values["epochs"]))
    chosen = chosen_trials(sweep, store) if sweep.tune_seeds else []
    for cell, jobs in by_cell.items():
        if sweep.is_adaptive or len(settings_of(sweep, cell)) > 1:
            is_final = all(state.get(key) in (FINISHED, STOPPED) for key, _ in jobs)
            more = [trial.id.key for trial in chosen if is_final and trial.id.cell == cell]
            unknown = len(sweep.seeds) - len(sweep.choice_seeds) - len(more)
            by_cell[cell] = [*jobs, *((key, jobs[0][1]) for key in [*more, *[""] * unknown])]
    rows, rest = [], []
    for cell, jobs in by_cell.items():
        count = Counter(state.get(key, "to do") for key, _ in jobs)
        rows.append({**cell.to_json(), "trials": len(jobs), **{name: count[name] for name in _STATES}})
        rest += [(cell, epochs) for key, epochs in jobs if state.get(key) not in (FINISHED, STOPPED)]
    return rows, rest


def measured(storage: str | Path) -> list[Record]:
    """Return what has been trained in any sweep of a folder; records that cannot be read do not count."""
    records = []
    for path in sorted(Path(storage).glob("*/records/*.json")):
        with contextlib.suppress(ConfigError):
            records.append(read_record(read_text(path, "record"), str(path)))
    return [record for record in records if isinstance(record, Record)]


def trial_seconds(job: Job, records: Iterable[Record]) -> float | None:
    """Estimate the seconds of a trial from the most similar finished trials; None if there are none.

    Its number of epochs is the mean of theirs, without trials that reached a limit of epochs below its own.
    """
    cell, epochs = job
    for names in _LIKENESS:
        alike = [r for r in records if all(getattr(r.cell, name) == getattr(cell, name) for name in names)]
        if alike:
            whole = [r for r in alike if len(r.epochs) < r.config["epochs"] or r.config["epochs"] >= epochs]
            length = statistics.mean([min(epochs, len(r.epochs)) for r in whole] or [epochs])
            return length * statistics.median(record.seconds_per_epoch for record in alike)
    return None


def total_hours(rest: Sequence[Job], records: Sequence[Record]) -> float | None:
    """Return the hours of trials one after the other; None if one of them has no similar finished trial."""
    known = {job: trial_seconds(job, records) for job in set(rest)}
    seconds = [known[job] for job in rest]
    return None if None in seconds else sum(filter(None, seconds)) / 3600


def at_once(sweep: Sweep) -> int:
    """Return how many trials fit on this machine side by side."""
    limits = [sweep.max_concurrent] if sweep.max_concurrent else []
    limits += [int((os.cpu_count() or 1) / sweep.cpus)] if sweep.cpus else []
    limits += [int(torch.cuda.device_count() / sweep.gpus)] if sweep.gpus else []
    return max(1, min(limits, default=1))
