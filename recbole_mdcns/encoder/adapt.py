"""Find out on random histories how a model scores items, and make the :class:`ScoringModel` that does the same."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.data.batch import Sequences
from recbole_mdcns.encoder.measuring import alike, measuring, random_sequences
from recbole_mdcns.encoder.model_calls import ModelCallError, call_model
from recbole_mdcns.encoder.scoring_model import (
    FullRankingModel,
    InnerProductModel,
    ScoringModel,
    forward_fields,
    ranking_rows,
)
from recbole_mdcns.errors import ConfigError


class Adapter(Protocol):
    """Makes the scoring model of a model with known abilities."""

    def __call__(self, **abilities: bool | None) -> ScoringModel: ...


def make_scoring_model(model: SequentialRecommender, config: ModelConfig, role: str = "self") -> ScoringModel:
    """Return the scoring model of a model with unknown abilities; see :func:`find_adapter`."""
    return find_adapter(model, config, role)()


def find_adapter(model: SequentialRecommender, config: ModelConfig, role: str = "self") -> Adapter:
    """Find out, on random histories, how a model scores items.

    Args:
        model: The model, as RecBole builds it; its weights, its mode and all random generators do not change.
        config: The configuration that it was built from.
        role: ``self``, ``peer``, or ``peer1`` and so on.

    Returns:
        The constructor of the scoring model that does the same.

    Raises:
        ConfigError: The model needs more than users and items, or does not rank all items.
    """
    sequences = random_sequences(model)
    rows = ranking_rows(model, sequences)
    with measuring(model):
        try:
            ranked = call_model(model.full_sort_predict, rows)
        except ModelCallError as error:
            raise ConfigError(
                f"{type(model).__name__} cannot be the {role} model: it does not rank items by users and histories "
                f"alone ({error})"
            ) from error.__cause__
        if not _is_ranking(ranked, len(sequences.user), model.n_items):
            raise ConfigError(
                f"{type(model).__name__} cannot be the {role} model: its full_sort_predict returns "
                f"{list(ranked.shape) if isinstance(ranked, Tensor) else type(ranked).__name__}, expected a score of "
                f"each of {model.n_items} items for each of {len(sequences.user)} rows"
            )
        scores = ranked.view(len(sequences.user), -1)
        table = _inner_product_table(model, sequences, scores)
    if table is not None:
        return partial(InnerProductModel, model, config, role, table)
    gives_probabilities = bool((scores >= 0).all()) and torch.allclose(
        scores.sum(1), torch.ones_like(scores[:, 0]), atol=1e-3
    )
    return partial(FullRankingModel, model, config, role, gives_probabilities)


def _is_ranking(ranked: object, row_num: int, item_num: int) -> bool:
    """Tell whether a result has a score of each item for each row, as a table or flat."""
    if not isinstance(ranked, Tensor):
        return False
    return [size for size in ranked.shape if size > 1] in ([row_num, item_num], [row_num * item_num])


def _inner_product_table(
    model: SequentialRecommender, sequences: Sequences, scores: Tensor
) -> torch.nn.Embedding | None:
    """Return the embedding whose inner products with the model's output are its scores, if there is one."""
    fields = forward_fields(model)
    if fields is None:
        return None
    try:
        state = call_model(model.forward, *(getattr(sequences, field) for field in fields))
    except ModelCallError:  # its forward is another one than RecBole's, and it ranks all the same
        return None
    if not isinstance(state, Tensor):
        return None
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and state.shape[1:] == (module.embedding_dim,):
            table = module.weight[: scores.size(1)]
            if alike(F.linear(state, table), scores):
                return module
    return None
