"""RecBole's trainer for one or more models, whose every finished epoch is on disk and can be gone on from."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from recbole.data.dataloader import AbstractDataLoader
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.trainer import Trainer
from recbole.utils import set_color
from torch.optim import Optimizer

from recbole_mdcns import compat, run_log
from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.data_identity import DataIdentity, check_numbers, check_same_data
from recbole_mdcns.checkpoints.saved_state import load_weights, state_fault, training_fault
from recbole_mdcns.checkpoints.storable import check_weights, other_parameters, restored, storable
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.encoder.encoder import Encoder
from recbole_mdcns.encoder.selftest import measured_encoder
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.kernels.optimizer import fused, lazy
from recbole_mdcns.trainer.early_stopping import check_can_go_on, kept_epoch


class ResumableTrainer(Trainer):
    """Saves the best models as plain weights, and the whole state of the training after every epoch.

    Args:
        config: The run.
        model: The self model, on ``config["device"]``.

    Attributes:
        encoders: The trained models, the self model first.
        optimizers: One per model.
        files: Where the run saves.
        history: One record per finished epoch: losses, seconds, validation metrics.
        dataset: The training part, as soon as somebody has told; checkpoints are checked against it.
    """

    # What RecBole's trainer keeps, and a resumed run takes up.
    start_epoch: int
    cur_step: int
    best_valid_score: float
    best_valid_result: dict[str, float] | None

    def __init__(self, config: MDCNSConfig, model: SequentialRecommender):
        files = checkpoint.RunFiles.new(config)
        board = run_log.tensorboard(config, files.best.stem)
        # RecBole's constructor, which here makes no folders: a trainer that only evaluates writes nothing.
        initialise = compat.with_globals(Trainer.__init__, get_tensorboard=lambda _: board, ensure_dir=lambda _: None)
        initialise(self, config, model)
        self.gpu_available = self.device.type == "cuda"  # RecBole's is true for --gpu_id= on a machine with a GPU
        self.encoders: list[Encoder] = [measured_encoder(model, config)]
        self.optimizers = [self.optimizer]
        self.scaler = compat.grad_scaler(self.device, self.enable_scaler)
        self.history: list[dict[str, Any]] = []
        self.use_files(files)
        self.dataset: HistoryDataset | None = None
        self._identity: DataIdentity | None = None
        self._resumed: dict[str, Any] | None = None
        self._resumed_file: tuple[int, int] | None = None
        self._best_in_memory: list[dict[str, Any]] | None = None
        self._train_data: AbstractDataLoader | None = None
        self._saved = False
        self._validates = False

    def use_files(self, files: checkpoint.RunFiles) -> None:
        """Save to, and load the best models from, these files."""
        self.files = files
        self.saved_model_file = str(files.best)

    def _build_optimizer(self, **kwargs) -> Optimizer:
        optimizer = fused(super()._build_optimizer(**kwargs))
        return lazy(optimizer) if self.config["lazy_items"] else optimizer

    def extra_state(self) -> dict[str, Any]:
        """Return what a subclass must not lose over a resume, as tensors and plain values."""
        return {}

    def fixed_extra_state(self) -> dict[str, Any]:
        """Return the part of :meth:`extra_state` that keeps its names and shapes, which a file must have too."""
        return self.extra_state()

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`extra_state` gave."""

    # -- the run ------------------------------------------------------------------------------------------------------

    def fit(
        self,
        train_data: AbstractDataLoader,
        valid_data: AbstractDataLoader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> tuple[float, dict[str, float] | None]:
        """Train as RecBole's ``Trainer.fit`` does, from the first epoch that is not done yet.

        With ``saved=False`` nothing is written, and the best models are kept in memory.

        Raises:
            CheckpointError: Another process trains this run, or has gone on with it since it was loaded, or the
                training to go on with was on other data.
            ConfigError: A model or a strategy holds what a checkpoint cannot hold.
            WriteError: A checkpoint cannot be written.
        """
        with self.files.lock.held() if saved else contextlib.nullcontext():
            if self._resumed is not None and _version(self.files.last) != self._resumed_file:
                raise CheckpointError(
                    f"checkpoint {self.files.last} was written anew since it was loaded: resume again"
                )
            return self._fit(train_data, valid_data, verbose, saved, show_progress, callback_fn)

    def _fit(self, train_data, valid_data, verbose, saved, show_progress, callback_fn):
        self._train_data, self._saved = train_data, saved
        self.use_data(train_data._dataset)
        if self._resumed is not None:
            check_same_data(self._resumed, self._data_identity(), self.files.last)
        self._validates = valid_data is not None and self.eval_step > 0
        if saved:
            self._best_in_memory = None
        self._restore_random(train_data)
        if saved:
            self._check_storable()
        if self.epochs == 0:
            self._keep_best()
        if self.start_epoch > 0 and (self.start_epoch >= self.epochs or self.cur_step > self.stopping_step):
            self.logger.info(f"Nothing left to train: {self.start_epoch} epochs are done")
            return float(self.best_valid_score), self.best_valid_result

        def after_validation(epoch_idx: int, valid_score: float) -> None:
            if self.cur_step == 0:
                self._keep_best()
            self._finish_epoch(epoch_idx)
            if callback_fn:
                callback_fn(epoch_idx, valid_score)

        try:
            with compat.no_anomaly_mode():
                score, result = super().fit(train_data, valid_data, verbose, saved, show_progress, after_validation)
        finally:
            self.tensorboard.close()
        self.start_epoch = len(self.history)
        return float(score), result

    def _valid_epoch(self, valid_data, show_progress=False):
        score, result = super()._valid_epoch(valid_data, show_progress)
        self.history[-1]["valid"] = dict(result)
        return score, result

    def _epoch_trained(self, epoch_idx: int) -> None:
        """Save an epoch that no validation follows; called by the subclass at the end of its epoch."""
        if not (self._validates and (epoch_idx + 1) % self.eval_step == 0):
            if not self._validates:
                self._keep_best()
                if self._saved:  # before the epoch counts as done; RecBole would do it after
                    self._save_checkpoint(epoch_idx, verbose=False)
            self._finish_epoch(epoch_idx)

    def _keep_best(self) -> None:
        if not self._saved:
            self._best_in_memory = [copy.deepcopy(encoder.model.state_dict()) for encoder in self.encoders]

    def _finish_epoch(self, epoch_idx: int) -> None:
        if self._saved:
            assert self._train_data is not None
            checkpoint.save(self._training_state(epoch_idx), self.files.last)

    # -- best models --------------------------------------------------------------------------------------------------

    def _save_checkpoint(self, epoch, verbose=True, **kwargs) -> None:
        """Save the best models as plain tensors and a plain config, one file per model; replaces RecBole's pickle."""
        for encoder in self.encoders:
            content = {
                "kind": "model",
                "role": encoder.role,
                "config": encoder.config.plain(),
                "epoch": epoch,
                "cur_step": self.cur_step,
                "best_valid_score": _finite(self.best_valid_score),
                "state_dict": encoder.model.state_dict(),
                "other_parameter": other_parameters(encoder.model),
                **self._data_identity().entries(encoder.model),
            }
            checkpoint.save(content, self.files.model(encoder.role))
        if verbose:
            self.logger.info(set_color("Saving current", "blue") + f": {self.saved_model_file}")

    def load_best(self, model_file: str | Path | None = None) -> None:
        """Put the best epoch's weights into the models.

        Args:
            model_file: Weights of the self model to take instead; the others stay as they are.

        Raises:
            CheckpointError: A file is missing, damaged, of another model, of another epoch than the history's best, or
                numbers items in another way than the data.
        """
        if model_file is None and self._best_in_memory is not None:
            for encoder, state in zip(self.encoders, self._best_in_memory):
                encoder.model.load_state_dict(state)
            return
        for encoder in self.encoders[:1] if model_file else self.encoders:
            path = model_file or self.files.model(encoder.role)
            content = checkpoint.load(path, "model", self.device)
            if not model_file and self.history:
                self._check_epoch(content["epoch"], path)
            if self.dataset is not None:
                (check_numbers if model_file else check_same_data)(content, self._data_identity(), path)
            load_weights(encoder.model, content, path)
            self.logger.info(f"Loading model structure and parameters from {path}")

    def _check_epoch(self, found: int, path: str | Path) -> None:
        expected = kept_epoch(self.history, self.config)
        if found != expected:
            raise CheckpointError(
                f"checkpoint {path} holds epoch {found}, and the best epoch of this run is {expected}: the "
                "run was killed between two files, or another process trained it; resume it with epochs = "
                f"{max(found, expected) + 1} or more, or train anew"
            )

    # -- the whole state ----------------------------------------------------------------------------------------------

    def _training_state(self, epoch_idx: int) -> dict[str, Any]:
        assert self._train_data is not None
        return {
            "kind": "training",
            "config": self.config.plain(),
            "device": self.device.type,
            "epoch": epoch_idx,
            "cur_step": self.cur_step,
            "best_valid_score": _finite(self.best_valid_score),
            "best_valid_result": dict(self.best_valid_result) if self.best_valid_result else None,
            "history": self.history,
            "models": {encoder.role: encoder.model.state_dict() for encoder in self.encoders},
            "optimizers": {e.role: optimizer.state_dict() for e, optimizer in zip(self.encoders, self.optimizers)},
            "scaler": self.scaler.state_dict(),
            "random": checkpoint.random_states(self.device),
            "loader": self._train_data.generator.get_state(),
            "extra": self._stored_extra(),
            **self._data_identity().entries(*(encoder.model for encoder in self.encoders)),
        }

    def _stored_extra(self) -> dict[str, Any]:
        return storable(self.extra_state(), f"neg_sampler = {self.config['neg_sampler']!r}: its state")

    def _check_storable(self) -> None:
        """Refuse before the first epoch what could not be saved after it."""
        self._stored_extra()
        for encoder in self.encoders:
            check_weights(encoder.model)
            other_parameters(encoder.model)

    def resume_checkpoint(self, resume_file: str | Path | bool) -> None:
        """Take up a training where it stopped; the next ``fit`` goes on as if it had never stopped.

        Args:
            resume_file: A ``*-last.pth`` file, or True for the newest one of the same settings, if there is one.

        Raises:
            CheckpointError: No such file, or it is damaged, or of a run with other settings, on other data or on
                another device, or that has gone on for longer than ``epochs`` or ``stopping_step`` allow.
        """
        files = checkpoint.RunFiles.to_resume(self.config, resume_file)
        if files is None:
            return
        if files.last == self.files.last:
            files = self.files  # whose lock may be held
        version = _version(files.last)
        state = checkpoint.load(files.last, "training", self.device)
        checkpoint.check_same_settings(state["config"], self.config, files.last)
        check_can_go_on(state["history"], self.config, files.last)
        if state["device"] != self.device.type:
            raise CheckpointError(
                f"checkpoint {files.last} is of a run on {state['device']}, this one is on {self.device.type}: "
                "the random numbers of one cannot go on in the other"
            )
        if self.dataset is not None:
            check_same_data(state, self._data_identity(), files.last)
        optimizers = {encoder.role: optimizer for encoder, optimizer in zip(self.encoders, self.optimizers)}
        fault = training_fault(state, optimizers, self.scaler.state_dict(), self.device)
        if fault:
            raise CheckpointError(f"checkpoint {files.last} does not fit this run: {fault}")
        for encoder, optimizer in zip(self.encoders, self.optimizers):
            load_weights(encoder.model, {"state_dict": state["models"][encoder.role]}, files.last)
            optimizer.load_state_dict(state["optimizers"][encoder.role])
        self.scaler.load_state_dict(state["scaler"])
        self.start_epoch = state["epoch"] + 1
        self.cur_step = state["cur_step"]
        if state["best_valid_score"] is not None:
            self.best_valid_score = state["best_valid_score"]
        self.best_valid_result = state["best_valid_result"]
        self.history = state["history"]
        self.train_loss_dict = {entry["epoch"]: entry["loss"] for entry in self.history}
        self.use_files(files)
        self._resumed, self._resumed_file = state, version
        self.logger.info(f"Checkpoint {files.last} loaded. Resume training from epoch {self.start_epoch}")

    def _restore_random(self, train_data: AbstractDataLoader) -> None:
        if self._resumed is not None:
            fault = state_fault(self._resumed["extra"], self.fixed_extra_state(), "extra")
            if fault:
                raise CheckpointError(f"checkpoint {self.files.last} does not fit this run: {fault}")
            self.load_extra_state(restored(self._resumed["extra"]))
            train_data.generator.set_state(self._resumed["loader"].cpu())
            checkpoint.set_random_states(self._resumed["random"], self.device)
            self._resumed = None

    # -- the data -----------------------------------------------------------------------------------------------------

    def use_data(self, dataset: HistoryDataset) -> None:
        """Say which training part the models are built for, so that checkpoints of other data are refused."""
        if dataset is not self.dataset:
            self.dataset, self._identity = dataset, None

    def data_fingerprint(self) -> str:
        """Return the fingerprint of the sequences that are trained on."""
        return self._data_identity().fingerprints["sequences"]

    def _data_identity(self) -> DataIdentity:
        assert self.dataset is not None
        if self._identity is None:
            self._identity = DataIdentity(self.dataset)
        return self._identity


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _finite(score: float | np.floating) -> float | None:
    """Return a score as a plain float; the infinity before the first validation as None."""
    return float(score) if math.isfinite(score) else None
