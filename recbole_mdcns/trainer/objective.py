"""The interface of a training step's objective, for one or more models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import RankingLoss
from recbole_mdcns.negatives import NegativeStrategy
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.support.declared import is_known

#: The loss to minimise, summed over the models, and its weighted parts, named ``role/part``.
StepLoss = tuple[Tensor, dict[str, Tensor]]


class Objective(ABC):
    """The loss of a step of one or more models.

    Attributes:
        strategy: The strategy that chooses the negatives; None if the loss takes none.
    """

    strategy: NegativeStrategy | None = None

    def __init__(self, config: MDCNSConfig, loss: RankingLoss, scoring_models: Sequence[ScoringModel]):
        self.loss = loss
        self.scoring_models = scoring_models
        self.loss_name = config["ranking_loss"]
        self.checks_loss = not is_known(type(loss))
        self.uses_autocast = bool(config["enable_amp"])
        self.device_type = config["device"].type
        # float16 needs the gradient scaler, which is for GPUs; bfloat16 has the range of float32
        self.autocast_type = torch.float16 if config["enable_scaler"] and self.device_type == "cuda" else torch.bfloat16
        self.group = Group.current()
        for scoring_model in scoring_models:
            loss.check_model(scoring_model)

    def prepare(self, dataset: HistoryDataset) -> None:  # noqa: B027
        """Prepare the draws for the training part."""

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""
        self.loss.start_epoch(epoch)

    @abstractmethod
    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """Encode every history once per model, and return the loss of a step and its parts."""

    def encode(self, batch: TargetBatch) -> list[Tensor]:
        """Return each model's encodings of the histories of a batch, shape [T, .] each."""
        with torch.autocast(device_type=self.device_type, dtype=self.autocast_type, enabled=self.uses_autocast):
            return [scoring_model.encode(batch) for scoring_model in self.scoring_models]

    def summed(self, losses: Sequence[Tensor]) -> Tensor:
        """Return the sum of the models' losses.

        Raises:
            ConfigError: One of them has no gradient: its model would not learn.
        """
        for scoring_model, loss in zip(self.scoring_models, losses):
            if torch.is_grad_enabled() and not loss.requires_grad:
                raise ConfigError(
                    f"the loss of the {scoring_model.role} model {type(scoring_model.model).__name__} has no gradient, "
                    "and the model would not learn: its scores or its loss are computed without gradients (no_grad, "
                    "detach)"
                )
        return torch.stack(list(losses)).sum()

    def teacher(self, *scores: Tensor) -> Tensor | None:
        """Return the models' joint scores, see :meth:`NegativeStrategy.teacher`; None without a strategy."""
        return self.strategy.teacher(*scores) if self.strategy is not None else None

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the loss and of the strategy, as tensors and plain values."""
        return {"loss": self.loss.state_dict()}

    def fixed_state(self) -> dict[str, Any]:
        """Return the part of :meth:`state_dict` with fixed names and shapes; a user's own class may change its part."""
        parts = {"loss": self.loss, "strategy": self.strategy}
        return {name: state for name, state in self.state_dict().items() if is_known(type(parts[name]))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self.loss.load_state_dict(state["loss"])
