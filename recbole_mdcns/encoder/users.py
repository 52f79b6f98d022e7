"""Does a model know users, or histories alone? Measured, as everything that is asked of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns.encoder.encoder import Encoder, full_ranking
from recbole_mdcns.encoder.measuring import alike, measuring, random_sequences
from recbole_mdcns.errors import ConfigError


def refuse_unknown_users(encoders: Sequence[Encoder], protocol: str, user_num: int) -> None:
    """Refuse models that read the user, where the users of validation and test are not trained on.

    Args:
        encoders: The models of a run, not yet trained.
        protocol: The run's protocol.
        user_num: Number of users with the padding, the size of RecBole's user tables.

    Raises:
        ConfigError: Names the model and its role.
    """
    if protocol != "paper":
        return
    for encoder in encoders:
        if reads_user(encoder.model, user_num):
            raise ConfigError(
                f"protocol = 'paper' is not allowed with {type(encoder.model).__name__} as the {encoder.role} model: "
                "its scores depend on the user, and no user of validation or test is trained on; set "
                "protocol=leave_one_out, or take a model that reads histories alone"
            )


def reads_user(model: SequentialRecommender, user_num: int) -> bool:
    """Tell whether a model scores one and the same history otherwise for another user."""
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
