"""Ranking losses by the value of ``ranking_loss``: on a positive and its negatives, or over the catalogue."""

from recbole_mdcns.losses.base import CatalogueLoss, LossOfNegatives, ModelScores, RankingLoss
from recbole_mdcns.support.declared import resolve

__all__ = ["CatalogueLoss", "LossOfNegatives", "ModelScores", "RankingLoss", "resolve_loss"]


def resolve_loss(name: str) -> type[RankingLoss]:
    """Return the loss that a value of ``ranking_loss`` names: a declared one, or ``package.module:Class``.

    Raises:
        ConfigError: There is no loss of that name.
    """
    return resolve("losses", name)
