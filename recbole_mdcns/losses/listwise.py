"""Losses of a positive against all its negatives at once: sampled softmax and gBCE.

Letters: T targets, K negatives, V items. Everything is in log space.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses.base import LossOfNegatives, ModelScores
from recbole_mdcns.negatives import resolve_strategy, strategy_names


def sampled_softmax(positive: Tensor, negative: Tensor, log_q: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Cross-entropy over the positive and its K negatives; the log proposal probability is subtracted from each score.

    This is the correction of Bengio and Senécal (2008). With a uniform proposal it cancels.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of the negatives, shape [T, K].
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the proposal; None if uniform.

    Returns:
        Shape [T].
    """
    if log_q is not None:
        positive, negative = positive - log_q[0], negative - log_q[1]
    return torch.cat([positive[:, None], negative], dim=1).logsumexp(1) - positive


def gbce(positive: Tensor, negative: Tensor, item_num: int, calibration: float) -> Tensor:
    """Generalised binary cross-entropy of gSASRec (Petrov and Macdonald, RecSys 2023).

    ``(b softplus(-s+) + sum_k softplus(s_k)) / (K + 1)`` with ``b = 1 - t + t a`` and the sampling rate
    ``a = K / (V - 1)``: at t = 0 plain BCE, at t = 1 probabilities are calibrated.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of uniform negatives, shape [T, K].
        item_num: V.
        calibration: t, from 0 to 1.

    Returns:
        Shape [T].
    """
    negative_num = negative.size(1)
    weight = 1 - calibration + calibration * min(1.0, negative_num / (item_num - 1))
    return (weight * F.softplus(-positive) + F.softplus(negative).sum(1)) / (negative_num + 1)


class ListwiseLoss(LossOfNegatives):
    """One loss per target, on all of its negatives together; it has no weights of single negatives."""

    @abstractmethod
    def of_lists(self, scores: ModelScores) -> Tensor:
        """Return one loss per target, shape [T]."""

    def __call__(self, scores: ModelScores) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the targets and the weight 1, shape [1] each.

        Raises:
            ConfigError: The strategy gives a separate factor to each negative.
        """
        losses = self.of_lists(scores)  # [T]
        if scores.factors is not None:
            if scores.factors.size(1) != 1:
                raise ConfigError(
                    f"ranking_loss: {type(self).__name__} is not allowed with a neg_sampler that gives a separate "
                    "factor to each negative: it has one loss for all negatives of a target; choose BCE or BPR"
                )
            losses = losses * scores.factors.squeeze(1)
        return losses.mean(0, keepdim=True), losses.new_ones(1)


class SampledSoftmax(ListwiseLoss):
    """Softmax over the target and negatives from a known distribution; see :func:`sampled_softmax`."""

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse strategies that do not know the probabilities of their negatives."""
        if not resolve_strategy(keys["neg_sampler"]).knows_proposal:
            raise ConfigError(
                f"neg_sampler = {keys['neg_sampler']!r} is not allowed with ranking_loss = {keys['ranking_loss']!r}, "
                f"which takes draws from a known distribution: choose {_strategies_that('knows_proposal')}"
            )

    def __init__(self, config: Config, item_num: int, device: torch.device):
        super().__init__(config, item_num, device)
        self.is_corrected = config["logq_correction"]

    def of_lists(self, scores: ModelScores) -> Tensor:
        """See :func:`sampled_softmax`."""
        return sampled_softmax(scores.positive, scores.negative, scores.log_q if self.is_corrected else None)


class GBCE(ListwiseLoss):
    """Binary cross-entropy calibrated for uniform negatives; see :func:`gbce`."""

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse strategies whose negatives are not uniform draws."""
        if not resolve_strategy(keys["neg_sampler"]).draws_uniformly:
            raise ConfigError(
                f"neg_sampler = {keys['neg_sampler']!r} is not allowed with ranking_loss = {keys['ranking_loss']!r}, "
                f"calibrated for uniform draws: choose {_strategies_that('draws_uniformly')}"
            )

    def __init__(self, config: Config, item_num: int, device: torch.device):
        super().__init__(config, item_num, device)
        self.calibration = config["gbce_calibration"]

    def of_lists(self, scores: ModelScores) -> Tensor:
        """See :func:`gbce`."""
        return gbce(scores.positive, scores.negative, self.item_num, self.calibration)


def _strategies_that(ability: str) -> str:
    """Return the names of our strategies with an ability."""
    return ", ".join(name for name in strategy_names() if getattr(resolve_strategy(name), ability))
