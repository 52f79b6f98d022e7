"""The progress of a sweep: its trials by state, and those that are left."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.files import read_text
from recbole_mdcns.records.record import FAILED, FINISHED, STOPPED, Record, read_record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.driver import chosen_trials, is_of, sweep_records
from recbole_mdcns.tuning.grid import cells, check_draws, first_trials, make_trial, samples_of, settings_of
from recbole_mdcns.tuning.prices import Job
from recbole_mdcns.tuning.processes import usable_cores
from recbole_mdcns.tuning.sweep import Sweep

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
        tried: dict[Cell, dict[str, None]] = {cell: {} for cell in by_cell}  # the keys of each cell, each once
        begun = [known for known in store.begun() if known.cell in tried and is_of(sweep, known)]
        for known in [*(record.trial for record in sweep_records(sweep, store)), *begun]:
            if known.seed in sweep.choice_seeds:
                tried[known.cell][known.key] = None
        for cell, keys in tried.items():
            epochs = make_trial(sweep, cell, {}, sweep.seeds[0]).values["epochs"]
            unknown = samples_of(sweep, cell) * len(sweep.choice_seeds) - len(keys)
            by_cell[cell] = [(key, epochs) for key in [*keys, *[""] * unknown]]
    else:
        for trial in first_trials(sweep):
            by_cell[trial.id.cell].append((trial.id.key, trial.values["epochs"]))
    chosen = chosen_trials(sweep, store) if sweep.tune_seeds else []
    for cell, jobs in by_cell.items():
        if sweep.is_adaptive or len(settings_of(sweep, cell)) > 1:
            is_final = all(state.get(key) in (FINISHED, STOPPED) for key, _ in jobs)
            its = [trial.id.key for trial in chosen if trial.id.cell == cell]
            more = [key for key in its if is_final or state.get(key) in (FINISHED, STOPPED)]
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
        with contextlib.suppress(ConfigError, FileNotFoundError):  # a sweep may begin a failed trial again
            records.append(read_record(read_text(path, "record"), str(path)))
    return [record for record in records if isinstance(record, Record)]


def at_once(sweep: Sweep) -> int:
    """Return how many trials fit on this machine side by side."""
    limits = [sweep.max_concurrent] if sweep.max_concurrent else []
    limits += [int(usable_cores() / sweep.cpus)] if sweep.cpus else []
    limits += [int(torch.cuda.device_count() / sweep.gpus)] if sweep.gpus else []
    return max(1, min(limits, default=1))
