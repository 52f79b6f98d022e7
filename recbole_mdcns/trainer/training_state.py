"""The whole state of a training; a resumed training gives the same numbers as an uninterrupted one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.data_identity import DataIdentity, check_same_data
from recbole_mdcns.checkpoints.saved_state import load_weights, state_fault, training_fault
from recbole_mdcns.checkpoints.storable import check_weights, other_parameters, restored, storable
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import CheckpointError, ConfigError
from recbole_mdcns.trainer.early_stopping import check_can_go_on
from recbole_mdcns.trainer.loop import TrainingLoop


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        epoch: The last finished epoch, -1 before the first.
        cur_step: Validations since the best one.
        best_valid_score: Its score, infinite before the first.
        best_valid_result: Its metrics.
        epoch_log: One entry per finished epoch.
    """

    epoch: int
    cur_step: int
    best_valid_score: float | np.floating
    best_valid_result: dict[str, float] | None
    epoch_log: list[dict[str, Any]]

    def without_last_validation(self, bigger: bool) -> Progress:
        """Return the progress without the validation of its last epoch, if there is one.

        RecBole validates a training of fewer epochs than ``eval_step`` at its end, and nowhere before. Where such a
        training goes on to more epochs, that validation does not count.
        """
        *before, last = self.epoch_log
        if "valid" not in last:
            return self
        last = {name: value for name, value in last.items() if name not in ("valid", "valid_peers")}
        return Progress(self.epoch, 0, no_score(bigger), None, [*before, last])


class TrainingState:
    """Reads and writes the state of everything that a training changes."""

    def __init__(self, config: MDCNSConfig, loop: TrainingLoop):
        self.config = config
        self.device: torch.device = config["device"]
        self.scoring_models = loop.scoring_models
        self.optimizers = {each.role: optimizer for each, optimizer in zip(loop.scoring_models, loop.optimizers)}
        self.scaler = loop.scaler
        self.objective = loop.objective
        self.average = loop.average

    def content(self, progress: Progress, order: torch.Generator, identity: DataIdentity) -> dict[str, Any]:
        """Return the content of a checkpoint; ``order`` is the random generator of the order of batches."""
        return {
            "kind": "training",
            "config": self.config.plain(),
            "device": self.device.type,
            "epoch": progress.epoch,
            "cur_step": progress.cur_step,
            "best_valid_score": plain_score(progress.best_valid_score),
            "best_valid_result": dict(progress.best_valid_result) if progress.best_valid_result else None,
            "epoch_log": progress.epoch_log,
            "models": {each.role: each.model.state_dict() for each in self.scoring_models},
            "other_parameters": {each.role: other_parameters(each.model) for each in self.scoring_models},
            "optimizers": {role: optimizer.state_dict() for role, optimizer in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "random": checkpoint.random_states(self.device),
            "loader": order.get_state(),
            "objective": self._stored_objective(),
            **({"weight_average": self.average.state_dict()} if self.config["ema_decay"] else {}),
            **identity.entries(*(each.model for each in self.scoring_models)),
        }

    def check_storable(self) -> None:
        """Check before the first epoch that everything can be saved.

        Raises:
            ConfigError: A model, the loss or the strategy holds a value that a checkpoint cannot hold.
        """
        self._stored_objective()
        for each in self.scoring_models:
            check_weights(each.model)
            other_parameters(each.model)

    def _stored_objective(self) -> dict[str, Any]:
        stored = {}
        for name, state in self.objective.state_dict().items():
            key = {"loss": "ranking_loss", "strategy": "neg_sampler"}[name]
            whose = f"{key} = {self.config[key]!r}: its state"
            if not isinstance(state, dict):
                raise ConfigError(f"{whose} is a {type(state).__name__}, expected the dict that load_state_dict takes")
            stored[name] = storable(state, whose)
        return stored

    def load(self, path: Path, identity: DataIdentity | None) -> tuple[dict[str, Any], Progress]:
        """Restore models, their average, optimisers and scaler from a file; :meth:`restore_random` restores the rest.

        Args:
            path: A ``*-last.pth`` file.
            identity: The data that the file must belong to; None if unknown.

        Returns:
            The content, and the progress of the training.

        Raises:
            CheckpointError: The file is missing or damaged, the run has other settings, other data or another device,
                or it has already passed the limits ``epochs`` or ``stopping_step``.
        """
        state = checkpoint.load(path, "training", self.device)
        checkpoint.check_same_settings(state["config"], self.config, path)
        check_can_go_on(state["epoch_log"], self.config, path)
        if state["device"] != self.device.type:
            raise CheckpointError(
                f"checkpoint {path} belongs to a run on {state['device']}, this one is on {self.device.type}: "
                "random states cannot move between the two"
            )
        if identity is not None:
            check_same_data(state, identity, path)
        fault = training_fault(state, self.optimizers, self.scaler.state_dict(), self.device)
        if self.config["ema_decay"] and not fault:
            fault = state_fault(state.get("weight_average"), self.average.state_dict(), "weight_average")
        if fault:
            raise CheckpointError(f"checkpoint {path} does not fit this run: {fault}")
        for each in self.scoring_models:
            own = {"state_dict": state["models"][each.role], "other_parameter": state["other_parameters"][each.role]}
            load_weights(each.model, own, path)
            self.optimizers[each.role].load_state_dict(state["optimizers"][each.role])
        self.scaler.load_state_dict(state["scaler"])
        if self.config["ema_decay"]:
            self.average.load_state_dict(state["weight_average"])
        score = state["best_valid_score"]
        if score is None:
            score = no_score(self.config["valid_metric_bigger"])
        progress = Progress(state["epoch"], state["cur_step"], score, state["best_valid_result"], state["epoch_log"])
        return state, progress

    def restore_random(self, state: dict[str, Any], order: torch.Generator, path: Path) -> None:
        """Restore the states of strategy, loss and random generators from what :meth:`load` returned.

        Raises:
            CheckpointError: They do not fit.
        """
        fault = state_fault(state["objective"], self.objective.fixed_state(), "objective")
        if fault:
            raise CheckpointError(f"checkpoint {path} does not fit this run: {fault}")
        self.objective.load_state_dict(restored(state["objective"]))
        order.set_state(state["loader"].cpu())
        checkpoint.set_random_states(state["random"], self.device)


def no_score(bigger: bool) -> float:
    """Return the score before the first validation, which every score exceeds."""
    return -math.inf if bigger else math.inf


def plain_score(score: float | np.floating) -> float | None:
    """Return a score as a plain float; the infinity before the first validation as None."""
    return float(score) if math.isfinite(score) else None
