"""The interface of ranking losses: losses on negatives, and losses over the catalogue."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.built import Built


@dataclass(frozen=True)
class ModelScores:
    """One model's part of a step: its scores of the targets and of its negatives.

    Attributes:
        positive: Scores of the targets, shape [T]; with gradient.
        negative: Scores of the model's negatives, shape [T, K]; with gradient.
        weights: Weights of the negatives' mean losses, shape [K].
        factors: Factors of each target's and negative's loss, shape [T, K] or [T, 1]; None for 1.
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the distribution of the draws;
            None if it is uniform.
        log_mass: Logarithms of the number of allowed items that each negative stands for, shape [T, K] or [T, 1]; None
            unless :attr:`LossOfNegatives.takes_mass`.
    """

    positive: Tensor
    negative: Tensor
    weights: Tensor
    factors: Tensor | None = None
    log_q: tuple[Tensor, Tensor] | None = None
    log_mass: Tensor | None = None


#: A model's loss, and its parts by name, without gradient.
ModelLoss = tuple[Tensor, dict[str, Tensor]]


class RankingLoss(metaclass=Built):
    """A value of ``ranking_loss``. Subclass :class:`LossOfNegatives` or :class:`CatalogueLoss`.

    A subclass with an ``__init__`` of its own calls ``super().__init__(config, item_num, device)``.

    Args:
        config: The run; read your keys here.
        item_num: V.
        device: The device of the scores.

    Attributes:
        needs_negatives: Whether a strategy chooses negatives for it.
        needs_peer: Whether it trains peer models together with the self model, with any strategy or with none.
        generator: Random generator of the loss's own draws, seeded by the run and saved with it.
    """

    built = "generator"
    needs_negatives: ClassVar[bool] = False
    needs_peer: ClassVar[bool] = False

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse keys that do not fit the loss; called with all keys of a run before anything is loaded.

        Raises:
            ConfigError: Names the keys and what is allowed.
        """

    def __init__(self, config: Config, item_num: int, device: torch.device):
        self.item_num = item_num
        # The candidate pools have the seed itself, and the other draws of a strategy have seed + 1.
        self.generator = torch.Generator(device).manual_seed(config["seed"] + 2)

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 0."""

    def check_model(self, scoring_model: ScoringModel) -> None:
        """Refuse a model that cannot be trained with the loss; called as soon as it is built.

        Raises:
            ConfigError: Names the loss and the model.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs, as tensors and plain values."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self.generator.set_state(state["generator"].cpu())


class LossOfNegatives(RankingLoss):
    """A loss of targets and the negatives that a strategy chose for them.

    Attributes:
        takes_all: It takes all negatives of a target at once, as draws from a known distribution.
        takes_mass: It also takes how many items each negative stands for.
    """

    needs_negatives = True
    takes_all: bool = False
    takes_mass: bool = False

    @abstractmethod
    def __call__(self, scores: ModelScores) -> tuple[Tensor, Tensor]:
        """Return a model's mean losses and their weights.

        Returns:
            Losses and weights, one per negative or one for all negatives, shape [K] or [1] each.
        """


class CatalogueLoss(RankingLoss):
    """A loss of targets against the whole catalogue, or against a part of it that the loss chooses.

    Attributes:
        is_mean: The loss of a batch is the mean of its targets' losses, which several processes can compute in parts.
    """

    is_mean: ClassVar[bool] = True
    needs_negatives = False

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse item tables with sparse gradients."""
        if keys["lazy_items"]:
            raise ConfigError(
                f"lazy_items is not allowed with ranking_loss = {keys['ranking_loss']!r}, which scores all items"
            )

    @abstractmethod
    def __call__(self, scoring_model: ScoringModel, encoding: Tensor, target: Tensor) -> Tensor:
        """Return a model's mean loss, a scalar.

        Args:
            scoring_model: The model.
            encoding: Its encodings of T histories, shape [T, .]; with gradient.
            target: Their targets, shape [T].
        """

    def of_models(
        self, scoring_models: Sequence[ScoringModel], encodings: Sequence[Tensor], target: Tensor
    ) -> list[ModelLoss]:
        """Return the mean loss of each model and its parts; a loss that ties models together replaces this.

        Args:
            scoring_models: The models, the self model first.
            encodings: Per model, its encodings of T histories, shape [T, .]; with gradient.
            target: Their targets, shape [T].
        """
        losses = [self(model, encoding, target) for model, encoding in zip(scoring_models, encodings)]
        return [(loss, {"all": loss}) for loss in losses]
