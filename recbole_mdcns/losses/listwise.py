"""Losses of a positive against many negatives at once: the softmax family and gBCE.

Letters: T targets, K negatives, V items, H hidden size. Everything is in log space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses.base import RankingLoss
from recbole_mdcns.negatives import resolve_strategy, strategy_names


def cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Full softmax cross-entropy: ``log sum_v exp s(v) - s+`` over all items.

    Args:
        scores: Scores of all items, shape [T, V + 1]; column 0 is the padding, which takes no part.
        target: Item ids, shape [T].

    Returns:
        Shape [T].
    """
    return F.cross_entropy(scores[:, 1:], target - 1, reduction="none")


def sampled_softmax(positive: Tensor, negative: Tensor, log_q: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Cross-entropy over the positive and its K negatives, each score less the logarithm of its proposal probability.

    The correction of Bengio and Senécal (2008). A uniform proposal's cancels.

    Args:
        positive: Scores of the targets, shape [T].
        negative: Scores of the negatives, shape [T, K].
        log_q: Log probabilities of the targets [T] and of the negatives [T, K] under the proposal; None when uniform.

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
    number = negative.size(1)
    weight = 1 - calibration + calibration * min(1.0, number / (item_num - 1))
    return (weight * F.softplus(-positive) + F.softplus(negative).sum(1)) / (number + 1)


class SampledSoftmax(RankingLoss):
    """Softmax over a positive and its negatives."""

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        sampler = keys["neg_sampler"]
        if not resolve_strategy(sampler).knows_proposal:
            allowed = ", ".join(name for name in strategy_names() if resolve_strategy(name).knows_proposal)
            raise ConfigError(
                f"neg_sampler = {sampler!r} is not allowed with ranking_loss = {keys['ranking_loss']!r}, which takes "
                f"draws from a known distribution: choose {allowed}"
            )


class GBCE(RankingLoss):
    """gBCE."""

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        sampler = keys["neg_sampler"]
        if sampler != "rns":
            raise ConfigError(
                f"neg_sampler = {sampler!r} is not allowed with ranking_loss = 'gBCE', calibrated for uniform draws: "
                "choose rns"
            )
