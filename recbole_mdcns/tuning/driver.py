"""Sweeps from start to end: run trials without a record, then choose on validation and evaluate test once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.parts import TrialId
from recbole_mdcns.records.record import AnyRecord, Failure, Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.datasets import check_datasets
from recbole_mdcns.tuning.engine import Engine, Lost
from recbole_mdcns.tuning.grid import (
    Trial,
    cells,
    check_draws,
    few_settings,
    first_trials,
    make_trial,
    may_try,
    samples_of,
    trials,
)
from recbole_mdcns.tuning.one_data import check_one_data, note_data
from recbole_mdcns.tuning.selection import by_cell, choose, chosen_records
from recbole_mdcns.tuning.sweep import Sweep
from recbole_mdcns.tuning.trial import add_test, end_trial, fail_trial, has_weights
from recbole_mdcns.tuning.workers import Workers


def run_sweeps(sweeps: Sequence[Sweep], store: Store, engine: Engine | None = None) -> list[AnyRecord]:
    """Run every trial that has no record yet; add test metrics to the records of the chosen settings.

    Args:
        sweeps: The sweeps; several share the engine, and the first one sets the resources of a trial.
        store: The store of records; a folder that every node sees.
        engine: What runs the trials; by default Ray on this machine. It is closed at the end.

    Returns:
        The records of their trials.

    Raises:
        UserError: Something of a sweep cannot be used; raised before any trial starts.
        KeyboardInterrupt: It was interrupted; what has been trained is on disk.
    """
    first: list[Trial] = []
    for sweep in sweeps:
        if sweep.is_adaptive:
            check_draws(sweep)
            left = [cell for cell, _, _ in _searches(sweep, store)]
        else:
            mine = list(first_trials(sweep))
            first += mine
            left = [trial.id.cell for trial in mine if _is_missing(store, trial)]
        check_datasets(sweep, left)
    engine = engine or Workers(sweeps[0], store)
    with store.locked():
        try:
            _check_data(sweeps, store, first)
            begun = [_search_missing(sweep, store, engine) for sweep in sweeps if sweep.is_adaptive]
            begun.append(_run_missing(store, engine, first, sweeps[0].scheduler))
            if engine.seconds_left > 0:  # else the choice is not final
                tried = {trial.id.key for trial in first}
                chosen = [trial for sweep in sweeps for trial in chosen_trials(sweep, store)]
                others = [trial for trial in chosen if trial.id.key not in tried]
                begun.append(_run_missing(store, engine, others, "fifo"))
            unread = _each_once(trial for sweep in sweeps for trial in _unread(sweep, store))
            if unread and engine.seconds_left > 0:
                _retrain_lost(store, engine, unread)
                ready = [trial for trial in unread if not _is_missing(store, trial)]  # all, unless the hours are over
                engine.start()
                engine.each(add_test, ready)
            if not (unread or any(begun)) and engine.seconds_left > 0:
                print("every trial has its record: nothing is trained, and the data are not read again")
            return [record for sweep in sweeps for record in sweep_records(sweep, store)]
        finally:
            engine.close()


def _check_data(sweeps: Sequence[Sweep], store: Store, first: Sequence[Trial]) -> None:
    """Refuse records of different data before anything is trained, and note which data new trials must have.

    Raises:
        ConfigError: The data changed between two records.
    """
    known = [store.record(trial.id.key) for trial in first]
    known += [record for sweep in sweeps if sweep.is_adaptive for record in sweep_records(sweep, store)]
    records = [record for record in known if isinstance(record, Record)]
    check_one_data(records)
    note_data(store, records)


def _retrain_lost(store: Store, engine: Engine, unread: Sequence[Trial]) -> None:
    """Train again what has a record without test metrics, and whose weights are gone or on another machine."""
    lost = [trial for trial in unread if not has_weights(trial, store)]
    for trial in lost:
        print(f"{trial.id} is trained again: its record has no test metrics, and {store.folder} has no weights of it")
        store.renew(trial.id.key)
    _run_missing(store, engine, lost, "fifo")


def sweep_records(sweep: Sweep, store: Store) -> list[AnyRecord]:
    """Return the records in a folder that belong to the current content of the sweep, under its names for methods.

    Another sweep in the same folder may have written them, under another name for the same method.

    Raises:
        ConfigError: The data changed between them.
    """
    if sweep.is_adaptive:
        every = set(cells(sweep))
        mine = (record for record in store.all_records() if record.trial.cell in every)
        records = [record for record in mine if is_of(sweep, record.trial)]
    else:
        pairs = ((trial, store.record(trial.id.key)) for trial in trials(sweep))
        records = [replace(record, trial=trial.id) for trial, record in pairs if record is not None]
    check_one_data(record for record in records if isinstance(record, Record))
    return records


def chosen_trials(sweep: Sweep, store: Store) -> list[Trial]:
    """Return the trials of the setting that was chosen in each cell, with the seeds that did not choose it."""
    others = [seed for seed in sweep.seeds if seed not in sweep.choice_seeds]
    by_setting = by_cell(sweep_records(sweep, store)).values() if others else ()
    chosen = [choose(settings, sweep.choice_seeds)[0].trial for settings in by_setting]
    return [trial_of(sweep, replace(trial, seed=seed)) for trial in chosen for seed in others]


def _unread(sweep: Sweep, store: Store) -> list[Trial]:
    """Return the trials of the chosen settings without test metrics."""
    chosen = chosen_records(sweep_records(sweep, store), sweep.choice_seeds)
    return [trial_of(sweep, record.trial) for record in chosen if record.test is None]


def trial_of(sweep: Sweep, known: TrialId) -> Trial:
    """Return the trial that a record, or a note of the store, names."""
    return make_trial(sweep, known.cell, known.setting, known.seed)


def is_of(sweep: Sweep, known: TrialId) -> bool:
    """Tell whether a trial of a cell of the sweep is one of its trials."""
    is_asked = known.seed in sweep.seeds and may_try(sweep, known.cell, known.setting)
    return is_asked and trial_of(sweep, known).id.key == known.key


def _run_missing(store: Store, engine: Engine, plan: Sequence[Trial], scheduler: str) -> bool:
    """Run the trials without a record; return whether there are any."""
    plan = _each_once(plan)
    missing = {trial.id.key for trial in plan if _is_missing(store, trial)}
    if not missing:
        return False
    engine.start()
    for key in missing:
        store.renew(key)
    if scheduler == "fifo":
        groups = [[trial for trial in plan if trial.id.key in missing]]
    else:  # a scheduler compares the trials of one cell and seed; those that are done tell it of their epochs
        of_cell: dict[tuple[Cell, int], list[Trial]] = {}
        for trial in plan:
            of_cell.setdefault((trial.id.cell, trial.id.seed), []).append(trial)
        groups = [group for group in of_cell.values() if any(trial.id.key in missing for trial in group)]
    for group in groups:  # all data are loaded, and so looked at, before the first trial
        for trial in group:
            engine.load(trial)
    for group in groups:
        if engine.seconds_left > 0:
            _end(store, engine, group, engine.tune(group, scheduler), scheduler)
    return True


def _searches(sweep: Sweep, store: Store) -> list[tuple[Cell, int, list[Trial]]]:
    """Return the cells and seeds whose search has not ended, each with the trials that have begun."""
    wanted = []
    for cell in cells(sweep):
        for seed in sweep.choice_seeds:
            tried = _tried(sweep, store, cell, seed)
            if len(tried) < samples_of(sweep, cell) or any(_is_missing(store, trial) for trial in tried):
                wanted.append((cell, seed, tried))
    return wanted


def _search_missing(sweep: Sweep, store: Store, engine: Engine) -> bool:
    """Go on with the searches that have not ended; return whether there are any."""
    wanted = _searches(sweep, store)
    if not wanted:
        return False
    engine.start()
    for cell, seed, _ in wanted:
        engine.load(make_trial(sweep, cell, {}, seed))
    for cell, seed, tried in wanted:
        for trial in tried:
            if _is_missing(store, trial):
                store.renew(trial.id.key)
        if engine.seconds_left > 0:
            few = [make_trial(sweep, cell, setting, seed) for setting in few_settings(sweep, cell)]
            lost = engine.tune(few, sweep.scheduler) if few else _search(sweep, store, engine, cell, seed)
            _end(store, engine, _tried(sweep, store, cell, seed), lost, sweep.scheduler)
    return True


def _search(sweep: Sweep, store: Store, engine: Engine, cell: Cell, seed: int) -> Lost:
    """Search until as many settings have been tried as are asked for: a search may draw a setting twice."""
    lost: Lost = []
    tried = _tried(sweep, store, cell, seed)
    while True:
        before = len(tried)
        lost += engine.search(sweep, cell, seed, [trial.id.setting for trial in tried])
        tried = _tried(sweep, store, cell, seed)
        if not before < len(tried) < samples_of(sweep, cell) or engine.seconds_left <= 0:
            return lost


def _tried(sweep: Sweep, store: Store, cell: Cell, seed: int) -> list[Trial]:
    """Return the trials of a cell and seed that have begun, with or without a record."""
    mine = [known for known in store.begun() if known.seed == seed and known.cell == cell]
    return [trial_of(sweep, known) for known in mine if is_of(sweep, known)]


def _each_once(plan: Iterable[Trial]) -> list[Trial]:
    """Return each training once: two methods, or two sweeps, may ask for the same one."""
    return list({trial.id.key: trial for trial in plan}.values())


def _is_missing(store: Store, trial: Trial) -> bool:
    record = store.record(trial.id.key)
    return record is None or isinstance(record, Failure)


def _end(store: Store, engine: Engine, plan: list[Trial], lost: Lost, scheduler: str) -> None:
    """Leave the records that trials could not leave themselves: the engine gave them up, or the scheduler stopped them.

    Other trials without a record were interrupted, or the sweep's hours ended: the same command continues them.
    """
    for trial, reason in lost:
        if store.record(trial.id.key) is None:
            fail_trial(trial, store, reason)
    if scheduler != "fifo" and engine.seconds_left > 0:
        without = [trial for trial in plan if store.record(trial.id.key) is None]
        engine.each(end_trial, without, f"by {scheduler}")
