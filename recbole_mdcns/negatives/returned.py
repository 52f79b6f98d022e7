"""Checks of the first results of a user's own strategy: a wrong shape might train without an error."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, ScoredPool


def check_candidates(name: str, candidates: Tensor, target_num: int, item_num: int) -> None:
    """Refuse a result of ``propose`` that is no table of items.

    Args:
        name: Name of the strategy.
        candidates: The result.
        target_num: T, the number of targets in the batch.
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
    """Refuse a result of ``choose`` whose shapes do not fit each other or the pool.

    Args:
        name: Name of the strategy.
        chosen: The result.
        pool: The pool that ``choose`` received.

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
