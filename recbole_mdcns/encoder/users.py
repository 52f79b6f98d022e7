"""Measure whether a model reads the user, or only histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.encoder.measuring import alike, measuring, random_sequences
from recbole_mdcns.encoder.scoring_model import ScoringModel, full_ranking
from recbole_mdcns.errors import ConfigError


def refuse_unknown_users(scoring_models: Sequence[ScoringModel], protocol: str, user_num: int) -> None:
    """Refuse models that read the user if the users of validation and test are not in training.

    Args:
        scoring_models: The models of a run, not yet trained.
        protocol: The run's protocol.
        user_num: Number of users with the padding, the size of RecBole's user tables.

    Raises:
        ConfigError: Names the model and its role.
    """
    if protocol != "paper":
        return
    for scoring_model in scoring_models:
        if reads_user(scoring_model.model, user_num):
            raise ConfigError(
                f"protocol = 'paper' is not allowed with {type(scoring_model.model).__name__} as the "
                f"{scoring_model.role} model: its scores depend on the user, and the users of validation and test "
                "are not in training; set protocol=leave_one_out, or take a model that reads histories alone"
            )


def reads_user(model: SequentialRecommender, user_num: int) -> bool:
    """Tell whether a model gives the same history other scores for another user."""
    if user_num < 3:  # the padding and one user
        return False
    first = random_sequences(model)
    last = replace(first, user=torch.full_like(first.user, user_num - 1))
    with measuring(model):
        scores = []
        for sequences in (first, last):
            torch.manual_seed(0)  # for a model that draws while it scores
            scores.append(full_ranking(model, sequences))
    return not alike(*scores)
