"""Losses of a positive against all its negatives at once: sampled softmax and gBCE.

Letters: T targets, K negatives, V items. Everything is in log space.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.config.keys import check_unused
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.pool_softmax import pool_softmax
from recbole_mdcns.losses.base import LossOfNegatives, ModelScores
from recbole_mdcns.negatives import resolve_strategy, strategy_names
from recbole_mdcns.negatives.base import POOL_SHARES, DrawnNegatives


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


def scaled_softmax(positive: Tensor, negative: Tensor, log_mass: Tensor) -> Tensor:
    """Cross-entropy over all items, estimated from K negatives: ``log(exp s+ + sum_k m_k exp s_k) - s+``.

    Negative k stands for m_k items, the inverse of its expected number of draws: V' / K for K different uniform draws
    of V' allowed items, and ``1 / (K q(k))`` for draws from q. The sum over the negatives then estimates the sum over
    all allowed items. The positive is not corrected: it is always there.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of the negatives, shape [T, K].
        log_mass: Logarithms of m, shape [T, K] or [T, 1].

    Returns:
        Shape [T].
    """
    return torch.cat([positive[:, None], negative + log_mass], dim=1).logsumexp(1) - positive


def refined_softmax(positive: Tensor, negative: Tensor, log_mass: Tensor) -> Tensor:
    """The refined logQ correction (Khrylchenko et al., RecSys 2025): ``sg(1 - p) [log sum_k m_k exp s_k - s+]``.

    p is the probability of the target in :func:`scaled_softmax`; sg stops its gradient. Both losses have the same
    arguments and the same gradient.

    Returns:
        Shape [T].
    """
    against = (negative + log_mass).logsumexp(1) - positive
    return against.detach().sigmoid() * against


def log_mass_of(log_q: tuple[Tensor, Tensor]) -> Tensor:
    """Return ``log 1 / (K q'(k))`` of K draws from q without the target, ``q' = q / (1 - q+)``, shape [T, K].

    Args:
        log_q: Log probabilities of the targets [T] and of the negatives [T, K].
    """
    of_target, of_negatives = log_q
    others = torch.log1p(-of_target.exp().clamp(max=1 - 1e-6))
    return others[:, None] - of_negatives - math.log(of_negatives.size(1))


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
    """One loss per target, on all of its negatives together; single negatives have no weights."""

    takes_all = True

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse keys of single negatives, with a strategy that would use them with another loss."""
        sampler, loss = keys["neg_sampler"], keys["ranking_loss"]
        for name in resolve_strategy(sampler).unused_by_pools(keys):
            reason = f"ranking_loss = {loss!r}, which takes all candidates of {sampler}: leave it out"
            check_unused(keys, name, reason)

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
    """Softmax over the target and negatives from a known distribution.

    See :func:`sampled_softmax`; with ``ssm_scale`` :func:`scaled_softmax`, and with ``logq_refined``
    :func:`refined_softmax`.
    """

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse strategies that do not know the probabilities of their negatives, and two corrections at once."""
        super().check(keys)
        if keys["logq_refined"] and keys["ssm_scale"]:
            raise ConfigError("logq_refined = True is not allowed with ssm_scale = True: both scale the negatives")
        name = next((key for key in ("logq_refined", "ssm_scale") if keys[key]), None)
        if name and not keys["logq_correction"]:
            raise ConfigError(f"logq_correction = False is not allowed with {name} = True, which is a correction")
        strategy = resolve_strategy(keys["neg_sampler"])
        if not strategy.knows_proposal:
            raise ConfigError(
                f"neg_sampler = {keys['neg_sampler']!r} is not allowed with ranking_loss = {keys['ranking_loss']!r}, "
                f"which takes draws from a known distribution: choose {_strategies_that('knows_proposal')}"
            )
        repeats_draws = issubclass(strategy, DrawnNegatives) and not strategy.draws_uniformly
        if name and repeats_draws and keys["exclude"] != "target":
            raise ConfigError(
                f"{name} = True is not allowed with neg_sampler = {keys['neg_sampler']!r} and exclude = "
                f"{keys['exclude']!r}: the probability of a draw is known only if nothing but the target is excluded; "
                "set exclude = target"
            )

    def __init__(self, config: Config, item_num: int, device: torch.device):
        super().__init__(config, item_num, device)
        self.is_corrected = config["logq_correction"]
        self.is_refined = config["logq_refined"]
        self.takes_mass = config["ssm_scale"] or config["logq_refined"]

    def of_lists(self, scores: ModelScores) -> Tensor:
        """See :func:`sampled_softmax`, :func:`scaled_softmax` and :func:`refined_softmax`."""
        positive, negative = scores.positive, scores.negative
        if self.is_refined:
            assert scores.log_mass is not None
            return refined_softmax(positive, negative, scores.log_mass)
        if self.takes_mass:
            return pool_softmax(positive, negative, scores.log_mass)
        if scores.log_q is not None and self.is_corrected:
            return sampled_softmax(positive, negative, scores.log_q)
        return pool_softmax(positive, negative)


class GBCE(ListwiseLoss):
    """Binary cross-entropy calibrated for uniform negatives; see :func:`gbce`."""

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse strategies whose negatives are not uniform draws."""
        super().check(keys)
        for name in POOL_SHARES:
            if keys.get(name):
                raise ConfigError(
                    f"{name} = {keys[name]} is not allowed with ranking_loss = {keys['ranking_loss']!r}, which is "
                    "calibrated for uniform draws: set it to 0"
                )
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
