"""Checks of the first results of a user's own strategy: a wrong shape might train without an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


def check_candidates(name: str, candidates: Tensor, target_num: int, item_num: int) -> None:
    """Refuse a result of ``propose`` that is not a table of items.

    Raises:
        ConfigError: Says what was found and what is expected.
    """
    where = f"neg_sampler {name}: propose returned"
    if not isinstance(candidates, Tensor) or candidates.dtype != torch.int64:
        raise ConfigError(f"{where} {described(candidates)}, expected int64 item numbers of shape [{target_num}, N]")
    if candidates.dim() != 2 or len(candidates) != target_num:
        raise ConfigError(
            f"{where} {described(candidates)}, expected a row of candidates for each of {target_num} targets"
        )
    if not candidates.numel():
        raise ConfigError(f"{where} no candidates, expected one or more for each target")
    if int(candidates.min()) < 1 or int(candidates.max()) >= item_num:
        raise ConfigError(
            f"{where} items from {int(candidates.min())} to {int(candidates.max())}, expected 1 to {item_num - 1}"
        )


def check_prepared(name: str, strategy: NegativeStrategy) -> None:
    """Refuse a strategy whose ``prepare`` left ours out, unless it needs no candidate sampler.

    Raises:
        ConfigError: Says what to call.
    """
    cls = type(strategy)
    needs_sampler = cls.propose is NegativeStrategy.propose or cls.state_dict is NegativeStrategy.state_dict
    if needs_sampler and not hasattr(strategy, "sampler"):
        raise ConfigError(f"neg_sampler {name} cannot be used: its prepare does not call super().prepare(dataset)")


def check_negatives(
    name: str, views: Sequence[str], chosen: Negatives, pool: ScoredPool, takes_mass: bool = False
) -> None:
    """Refuse a result of ``choose`` whose shapes do not fit each other or the pool.

    Raises:
        ConfigError: Names the field, what was found and what is expected.
    """
    if not isinstance(views, (tuple, list)) or not views:
        raise ConfigError(f"neg_sampler {name}: views = {views!r} is not allowed: give a tuple of one or more names")
    where = f"neg_sampler {name}: choose returned"
    if not isinstance(chosen, Negatives):
        raise ConfigError(f"{where} {described(chosen)}, expected Negatives")
    target_num, model_num = len(pool.positive[0]), len(pool.positive)
    for field in ("scores", "weights"):
        parts = getattr(chosen, field)
        if not _is_list_of(Tensor, parts, model_num):
            raise ConfigError(f"{where} {field} = {described(parts)}, expected a tensor for each of {model_num} models")
    for scores, weights in zip(chosen.scores, chosen.weights):
        if scores.dim() != 2 or len(scores) != target_num or weights.shape != scores.shape[1:]:
            shapes = f"scores {described(scores)} and weights {described(weights)}"
            raise ConfigError(f"{where} {shapes}, expected [{target_num}, K] and [K]")
    if any(of_pool.requires_grad and not scores.requires_grad for of_pool, scores in zip(pool.scores, chosen.scores)):
        raise ConfigError(
            f"{where} scores without gradient, expected those of the pool, as pick gives them: no model would learn "
            "from its negatives"
        )
    shape = chosen.scores[0].shape  # [T, K]
    for field in ("factors", "log_mass"):
        part = getattr(chosen, field)
        if part is not None and getattr(part, "shape", None) not in (shape, (target_num, 1)):
            raise ConfigError(f"{where} {field} {described(part)}, expected [{target_num}, K] or [{target_num}, 1]")
    if chosen.log_q is not None:
        parts = chosen.log_q
        if not _is_list_of(Tensor, parts, 2) or (parts[0].shape, parts[1].shape) != ((target_num,), shape):
            raise ConfigError(f"{where} log_q = {described(parts)}, expected tensors [{target_num}] and {list(shape)}")
    candidate_num = pool.scores[0].size(1)
    if takes_mass and chosen.log_mass is None and shape[1] != candidate_num and (pool.shared or chosen.log_q is None):
        raise ConfigError(
            f"{where} log_mass = None, expected [{target_num}, {shape[1]}]: its negatives are not all {candidate_num} "
            "candidates, and the loss takes how many items each stands for"
        )
    if chosen.extra:
        _check_extra(where, views, chosen.extra, model_num)


def _check_extra(where: str, views: Sequence[str], extra: Sequence[dict[str, Tensor]], model_num: int) -> None:
    if not _is_list_of(dict, extra, model_num):
        raise ConfigError(
            f"{where} extra = {described(extra)}, expected a dict of further terms for each of {model_num} models"
        )
    for term, value in (item for of_model in extra for item in of_model.items()):
        if term in views:
            raise ConfigError(f"{where} the further term {term!r}, which is also the name of a view: rename it")
        if not isinstance(value, Tensor) or value.dim() != 0:
            raise ConfigError(f"{where} the further term {term!r} as {described(value)}, expected a scalar tensor")


def _is_list_of(kind: type, parts: Any, number: int) -> bool:
    is_list = isinstance(parts, (list, tuple)) and len(parts) == number
    return is_list and all(isinstance(part, kind) for part in parts)


def described(value: object) -> str:
    """Return a value's type, and a tensor's shape or a list's length."""
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{value.dtype} of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
