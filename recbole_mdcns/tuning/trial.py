"""One trial: train it, or continue it, and write its record."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from recbole.utils import init_seed

from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import dataset_of, load_dataset, split_dataset
from recbole_mdcns.errors import UserError
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.records.building import build_record, rows_of_test
from recbole_mdcns.records.environment import reset_peak_memory
from recbole_mdcns.records.parts import Epoch, Metrics
from recbole_mdcns.records.record import FINISHED, STOPPED, AnyRecord, Failure, Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.run_log import start_log
from recbole_mdcns.support.safe_write import remove_abandoned
from recbole_mdcns.trainer import NegativeSamplingTrainer
from recbole_mdcns.trainer.best_models import BestModels
from recbole_mdcns.tuning.grid import Trial
from recbole_mdcns.tuning.one_data import check_unchanged
from recbole_mdcns.version import __version__

#: Called with the number of finished epochs and the validation score, the higher the better.
Report = Callable[[int, float], None]

#: Seconds to wait for a process to let go of a trial: one that was stopped, or one on a node that died.
_PATIENCE = 120


class OutOfTime(Exception):
    """A trial has used up its hours; raised from the end of an epoch."""


def run_trial(
    trial: Trial,
    store: Store,
    dataset: HistoryDataset | None = None,
    report: Report | None = None,
    hours: float | None = None,
    retries: int = 0,
    threads: int = 1,
) -> AnyRecord:
    """Train a trial, from its last finished epoch if it has begun before, and write its record.

    Args:
        trial: Which trial.
        store: Where records and checkpoints are.
        dataset: Its dataset, not yet split; loaded when not given.
        report: Called after every validation.
        hours: Hours of training after which it stops with what it has.
        retries: How often it may start again after a failure.
        threads: Threads of torch.

    Returns:
        The record.

    Raises:
        Exception: Its own error, as long as it has retries left.
    """
    done = store.record(trial.id.key)
    if isinstance(done, Record):
        _replay(done.epochs, done.score, report)
        return done
    folder = store.trial_folder(trial.id.key)
    folder.mkdir(parents=True, exist_ok=True)
    attempt = store.begin(trial.id)
    torch.set_num_threads(threads)
    try:
        if attempt > retries + 1:
            raise UserError(f"begun {attempt - 1} times, and its worker died each time")
        for place in (folder, folder / "saved"):
            remove_abandoned(place)
        record = _train(trial, store, dataset, report, hours)
    except Exception as error:
        if not isinstance(error, UserError) and attempt <= retries:
            raise
        reason = str(error) if isinstance(error, UserError) else traceback.format_exc()
        return fail_trial(trial, store, reason)
    finally:
        torch.cuda.empty_cache()  # the process lives on, and others share its GPU
    store.write(record)
    _files(folder).last.unlink(missing_ok=True)
    return record


def end_trial(trial: Trial, store: Store, dataset: HistoryDataset | None, reason: str) -> None:
    """Write the record of a trial that was stopped, from its last finished epoch.

    Args:
        trial: See :func:`run_trial`.
        store: Where records and checkpoints are.
        dataset: Its dataset, not yet split; loaded when not given.
        reason: Who stopped it.
    """
    folder = store.trial_folder(trial.id.key)
    last = _files(folder).last
    if not last.is_file():
        fail_trial(trial, store, f"stopped {reason} before its first epoch ended")
        return
    config = trial_config(trial, folder)
    trainer, splits = prepare_trial(config, dataset)
    with trainer.files.lock.held(_PATIENCE):
        trainer.resume_checkpoint(last)
        store.write(_record(trial, config, trainer, splits, reason))
    last.unlink()


def fail_trial(trial: Trial, store: Store, error: str) -> AnyRecord:
    """Write and return the record of a trial that failed for good; one that has been trained keeps its record."""
    trained = store.record(trial.id.key)
    if isinstance(trained, Record):
        return trained
    failure = Failure(__version__, trial.id, error, store.attempts(trial.id.key))
    store.write(failure)
    return failure


def add_test(trial: Trial, store: Store, dataset: HistoryDataset | None = None) -> None:
    """Add the test metrics of a trial's best epoch to its record, from the weights it left."""
    folder = store.trial_folder(trial.id.key)
    record = store.record(trial.id.key)
    assert isinstance(record, Record)
    trainer, splits = prepare_trial(trial_config(trial, folder), dataset)
    trainer.epoch_log = [entry.to_json() for entry in record.epochs]  # which says the epoch that the weights must be of
    trainer.load_best()
    test = trainer.evaluate_all(splits["test"])
    store.write(replace(record, test=dict(test.metrics), test_rows=rows_of_test(test, splits["test"])))


def has_weights(trial: Trial, store: Store) -> bool:
    """Tell whether a trial's best weights are in the store."""
    return _files(store.trial_folder(trial.id.key)).best.is_file()


def _train(
    trial: Trial, store: Store, dataset: HistoryDataset | None, report: Report | None, hours: float | None
) -> Record:
    config = trial_config(trial, store.trial_folder(trial.id.key))
    reset_peak_memory(config["device"])  # Ray lets a process train one trial after the other
    trainer, splits = prepare_trial(config, dataset)
    trainer.use_data(dataset_of(splits["train"]))
    check_unchanged(store, trial, trainer.data_fingerprints())

    sign, metric = 1 if config["valid_metric_bigger"] else -1, config["valid_metric"].lower()

    def score_of(metrics: Metrics) -> float:
        return sign * metrics[metric]

    def validated(epoch: int, score: float) -> None:
        _replay(_epochs(trainer)[-1:], score_of, report)
        if hours is not None and sum(entry["train_seconds"] for entry in trainer.epoch_log) > 3600 * hours:
            raise OutOfTime

    stopped = None
    with trainer.files.lock.held(_PATIENCE):
        if trainer.files.last.is_file():
            trainer.resume_checkpoint(trainer.files.last)
            _replay(_epochs(trainer), score_of, report)
        try:
            trainer.fit(splits["train"], splits["valid"], callback_fn=validated)
        except OutOfTime:
            stopped = f"after {hours} hours of training"
        return _record(trial, config, trainer, splits, stopped)


def _epochs(trainer: NegativeSamplingTrainer) -> list[Epoch]:
    return [Epoch(**entry) for entry in trainer.epoch_log]


def _replay(epochs: Iterable[Epoch], score_of: Callable[[Metrics], float], report: Report | None) -> None:
    """Report the validations of finished epochs."""
    for entry in epochs:
        if report and entry.valid is not None:
            report(entry.epoch + 1, score_of(entry.valid))


def _record(
    trial: Trial, config: MDCNSConfig, trainer: NegativeSamplingTrainer, splits: dict[str, Any], stopped: str | None
) -> Record:
    trainer.load_best()
    results = {"valid": trainer.evaluate_all(splits["valid"])}
    BestModels.add_valid(trainer.files, results["valid"].chosen_by(config["valid_metric"]))  # for load(..., "best")
    record = build_record(config, trainer, splits, trial.command, results, trial.id)
    return replace(record, config=trial.values, status=STOPPED if stopped else FINISHED, stopped=stopped)


def trial_config(trial: Trial, folder: Path) -> MDCNSConfig:
    """Return a trial's configuration, quiet and with its own folders for checkpoints and logs."""
    own = {"checkpoint_dir": str(folder / "saved"), "show_progress": False, "state": "WARNING", "log_wandb": False}
    for key, name in (("log_dir", "log"), ("tensorboard_dir", "log_tensorboard")):
        own[key] = str(folder / name) if trial.values.get(key, name) is not None else None
    return MDCNSConfig.from_plain(trial.values, **trial.paths, **own)


def prepare_trial(
    config: MDCNSConfig, dataset: HistoryDataset | None
) -> tuple[NegativeSamplingTrainer, dict[str, Any]]:
    """Return a trainer that has not begun, and the loaders by name."""
    init_seed(config["seed"], config["reproducibility"])
    start_log(config)
    splits = split_dataset(config, load_dataset(config) if dataset is None else dataset)
    trainer = build_trainer(config, dataset_of(splits["train"]))
    trainer.prepare(splits["train"])
    trainer.use_files(_files(Path(config["checkpoint_dir"]).parent))
    return trainer, splits


def _files(folder: Path) -> RunFiles:
    return RunFiles(folder / "saved" / "model.pth")


def final_score(record: AnyRecord) -> float:
    """Return the best validation score of a record, the higher the better; nan where it failed."""
    if isinstance(record, Failure) or record.best_valid_score is None:
        return math.nan
    return record.score({record.valid_metric.lower(): record.best_valid_score})
