"""The checkpoints of a run: its best models, and the last state for a resume."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from logging import getLogger
from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.data_identity import DataIdentity, check_numbers, check_same_data
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.trainer.best_models import BestModels
from recbole_mdcns.trainer.training_state import Progress, TrainingState


class RunCheckpoints:
    """The checkpoints of one run.

    Attributes:
        files: The files of the run.
        identity: The training part that the models are built for; None until :meth:`use_data`.
        is_saved: The training writes files; otherwise the best models are kept in memory.
    """

    def __init__(self, config: MDCNSConfig, state: TrainingState):
        self.config = config
        self.files = checkpoint.RunFiles.new(config)
        self.identity: DataIdentity | None = None
        self.is_saved = False
        self._state = state
        self._best = BestModels(state.scoring_models, state.device)
        self._order: torch.Generator | None = None
        self._resumed: tuple[dict[str, Any], tuple[int, int] | None] | None = None  # content, version of the file

    def use_data(self, dataset: HistoryDataset) -> None:
        """Set the training part that the models are built for; checkpoints of other data are then refused."""
        if self.identity is None or self.identity.dataset is not dataset:
            self.identity = DataIdentity(dataset)

    # -- saving -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def training(self, order: torch.Generator, is_saved: bool) -> Iterator[None]:
        """Hold the run's lock in a ``with`` block around training, and load the state to resume first.

        Raises:
            CheckpointError: Another process trains this run, or has continued it since it was loaded, or the resumed
                training was on other data.
            ConfigError: A model, the loss or the strategy holds a value that a checkpoint cannot hold.
            WriteError: The best models of an earlier training that wrote no files cannot be written.
        """
        with self.files.lock.held() if is_saved else contextlib.nullcontext():
            if self._resumed is not None:
                state, version = self._resumed
                if _version(self.files.last) != version:
                    raise CheckpointError(
                        f"checkpoint {self.files.last} was overwritten after it was loaded: resume again"
                    )
                assert self.identity is not None
                check_same_data(state, self.identity, self.files.last)
                self._state.restore_random(state, order, self.files.last)
                self._resumed = None
            self._state.check_storable()  # also what stays in memory: it is restored from the same form
            if is_saved:
                assert self.identity is not None
                self._best.save_kept(self.files, self.identity)
            self.is_saved, self._order = is_saved, order
            yield

    def save_best(self, progress: Progress) -> None:
        """Write the current models, one file each, with the averages of their weights if the run has them.

        Raises:
            WriteError: A file cannot be written.
        """
        assert self.identity is not None
        with self._state.average.in_place():
            self._best.save(self.files, progress, self.identity)

    def keep_best(self, progress: Progress) -> None:
        """Keep the current models in memory as :meth:`save_best` would write them, if no files are written."""
        if not self.is_saved:
            with self._state.average.in_place():
                self._best.keep_in_memory(progress)

    def finish_epoch(self, progress: Progress) -> None:
        """Write the whole state if files are written.

        Raises:
            WriteError: The file cannot be written.
        """
        if self.is_saved:
            assert self.identity is not None and self._order is not None
            checkpoint.save(self._state.content(progress, self._order, self.identity), self.files.last)

    # -- loading ------------------------------------------------------------------------------------------------------

    def load_best(
        self, model_file: str | Path | None, epoch: int | None, evaluated: HistoryDataset | None = None
    ) -> None:
        """Load the best epoch's weights into the models; their averages over steps begin anew.

        These weights are averages already, if the run has them.

        Args:
            model_file: Load this file into the self model instead; the other models do not change.
            epoch: The best epoch, if known.
            evaluated: Another part of the data, for its numbers of items where the training part is unknown.

        Raises:
            CheckpointError: A file is missing, damaged, of another model, of another epoch, or numbers items in
                another way than the data.
        """
        identity = self.identity or (DataIdentity(evaluated) if evaluated is not None else None)
        check = check_same_data if self.identity else check_numbers
        if model_file:
            self._best.load_self_model(model_file, identity)
            self._state.average.reset("self")
        else:
            self._best.load(self.files, identity, epoch, check)
            self._state.average.reset()

    def resume(self, resume_file: str | Path | bool) -> Progress | None:
        """Restore a stopped training, except its random numbers, which :meth:`training` restores.

        Args:
            resume_file: A ``*-last.pth`` file, or True for the newest one with the same settings, if there is one.

        Returns:
            Its progress; None if a new run begins.

        Raises:
            CheckpointError: See :meth:`TrainingState.load`.
        """
        files = checkpoint.RunFiles.to_resume(self.config, resume_file)
        if files is None:
            return None
        if files.last != self.files.last:  # otherwise its lock may be held
            self.files = files
        version = _version(self.files.last)
        state, progress = self._state.load(self.files.last, self.identity)
        self._best.forget()
        self._resumed = state, version
        getLogger().info(f"Checkpoint {self.files.last} loaded. Resume training from epoch {progress.epoch + 1}")
        return progress


def _version(path: Path) -> tuple[int, int] | None:
    """Return values that change when a file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
