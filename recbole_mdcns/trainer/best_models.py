"""The models of the best epoch: one file of plain weights each, or copies in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

import torch

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.data_identity import DataIdentity, check_numbers
from recbole_mdcns.checkpoints.saved_state import load_weights
from recbole_mdcns.checkpoints.storable import other_parameters
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import CheckpointError
from recbole_mdcns.trainer.training_state import Progress, plain_score


class BestModels:
    """Keeps the weights of the best epoch, and restores them."""

    def __init__(self, scoring_models: Sequence[ScoringModel], device: torch.device):
        self.scoring_models = scoring_models
        self.device = device
        self._in_memory: list[dict[str, Any]] | None = None  # the content of a file for each model

    def keep_in_memory(self, progress: Progress) -> None:
        """Copy the models as they are now."""
        self._in_memory = [copy.deepcopy(self._content(each, progress)) for each in self.scoring_models]

    def forget(self) -> None:
        """Drop the copies in memory: from now on files hold the best models."""
        self._in_memory = None

    def save(self, files: checkpoint.RunFiles, progress: Progress, identity: DataIdentity) -> None:
        """Write the models as they are now, one file each.

        Raises:
            WriteError: A file cannot be written.
        """
        self._write([self._content(each, progress) for each in self.scoring_models], files, identity)

    def save_kept(self, files: checkpoint.RunFiles, identity: DataIdentity) -> None:
        """Write the copies in memory, if there are any, one file each, and forget them.

        Raises:
            WriteError: A file cannot be written.
        """
        self._write(self._in_memory or [], files, identity)
        self.forget()

    def _content(self, scoring_model: ScoringModel, progress: Progress) -> dict[str, Any]:
        return {
            "kind": "model",
            "role": scoring_model.role,
            "config": scoring_model.config.plain(),
            "epoch": progress.epoch,
            "cur_step": progress.cur_step,
            "best_valid_score": plain_score(progress.best_valid_score),
            "valid": None,
            "state_dict": scoring_model.model.state_dict(),
            "other_parameter": other_parameters(scoring_model.model),
        }

    def _write(self, contents: list[dict[str, Any]], files: checkpoint.RunFiles, identity: DataIdentity) -> None:
        for each, content in zip(self.scoring_models, contents):
            checkpoint.save({**content, **identity.entries(each.model)}, files.model(each.role))

    @staticmethod
    def add_valid(files: checkpoint.RunFiles, valid: Mapping[str, dict[str, float]]) -> None:
        """Write into the self model's file how all models do on validation, by role, once the training is over.

        Raises:
            WriteError: The file cannot be written.
        """
        content = checkpoint.load(files.best, "model")
        checkpoint.save({**content, "valid": {role: dict(metrics) for role, metrics in valid.items()}}, files.best)

    def load(
        self,
        files: checkpoint.RunFiles,
        identity: DataIdentity | None,
        epoch: int | None,
        check: Callable[[dict[str, Any], DataIdentity, Path], None],
    ) -> None:
        """Load the best weights into the models, from the copies in memory or else from the files.

        Args:
            files: The files of the run.
            identity: The data that the files must belong to; None if unknown.
            epoch: The epoch that the files must belong to; None if unknown.
            check: Refuses a file whose data are not those of ``identity``.

        Raises:
            CheckpointError: A file is missing, damaged, of another model, of another epoch, or of other data.
        """
        if self._in_memory is not None:
            for each, content in zip(self.scoring_models, self._in_memory):
                load_weights(each.model, content, "in memory")
            return
        for each in self.scoring_models:
            path = files.model(each.role)
            content = checkpoint.load(path, "model", self.device)
            if epoch is not None and content["epoch"] != epoch:
                raise CheckpointError(
                    f"checkpoint {path} holds epoch {content['epoch']}, and the best epoch of this run is {epoch}: the "
                    "run was killed between two files, or another process trained it; resume it with epochs = "
                    f"{max(content['epoch'], epoch) + 1} or more, or train from scratch"
                )
            if identity is not None:
                check(content, identity, path)
            self._load_weights(each, content, path)

    def load_self_model(self, path: str | Path, identity: DataIdentity | None) -> None:
        """Load the weights of a file into the self model; the other models do not change.

        Raises:
            CheckpointError: The file is missing, damaged, of another model, or numbers items in another way.
        """
        content = checkpoint.load(path, "model", self.device)
        if identity is not None:
            check_numbers(content, identity, path)
        self._load_weights(self.scoring_models[0], content, path)

    @staticmethod
    def _load_weights(scoring_model: ScoringModel, content: dict[str, Any], path: str | Path) -> None:
        load_weights(scoring_model.model, content, path)
        getLogger().info(f"Loading model structure and parameters from {path}")
