"""What a strategy of the user's own returns, looked at at the first step: a wrong shape might train on, wrongly."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, ScoredPool


def check_candidates(name: str, candidates: Tensor, target_num: int, item_num: int) -> None:
    """Refuse what ``propose`` returned where it is no table of items.

    Args:
        name: Of the strategy.
        candidates: What it returned.
        target_num: T, the targets of the batch.
        item_num: V + 1.

    Raises:
        ConfigError: Says what was found and what is expected.
    """
    where = f"neg_sampler {name}: propose returned"
    if not isinstance(candidates, Tensor) or candidates.dtype != torch.int64:
        raise ConfigError(f"{where} {_described(candidates)}, expected int64 item numbers of shape [{target_num}, N]")
    if candidates.dim() != 2 or len(candidates) != target_num:
        raise ConfigError(
            f"{where} {_described(candidates)}, expected a row of candidates for each of {target_num} targets"
        )
    if int(candidates.min()) < 1 or int(candidates.max()) >= item_num:
        raise ConfigError(
            f"{where} items from {int(candidates.min())} to {int(candidates.max())}, expected 1 to {item_num - 1}"
        )


def check_negatives(name: str, chosen: Negatives, pool: ScoredPool) -> None:
    """Refuse what ``choose`` returned where its shapes do not fit each other and the pool.

    Args:
        name: Of the strategy.
        chosen: What it returned.
        pool: What it was given.

    Raises:
        ConfigError: Names the field, what was found and what is expected.
    """
    where = f"neg_sampler {name}: choose returned"
    if not isinstance(chosen, Negatives):
        raise ConfigError(f"{where} {_described(chosen)}, expected Negatives")
    target_num, model_num = len(pool.positive[0]), len(pool.positive)
    for field in ("scores", "weights"):
        parts = getattr(chosen, field)
        if len(parts) != model_num or not all(isinstance(part, Tensor) for part in parts):
            raise ConfigError(
                f"{where} {field} of {len(parts)} parts, expected a tensor for each of {model_num} models"
            )
    for scores, weights in zip(chosen.scores, chosen.weights):
        if scores.dim() != 2 or len(scores) != target_num or weights.shape != scores.shape[1:]:
            shapes = f"scores {_described(scores)} and weights {_described(weights)}"
            raise ConfigError(f"{where} {shapes}, expected [{target_num}, K] and [K]")
    if chosen.factors is not None and chosen.factors.shape not in (chosen.scores[0].shape, (target_num, 1)):
        raise ConfigError(
            f"{where} factors {_described(chosen.factors)}, expected [{target_num}, K] or [{target_num}, 1]"
        )


def _described(value: object) -> str:
    return f"{value.dtype} of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
