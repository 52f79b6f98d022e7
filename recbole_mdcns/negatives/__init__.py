"""Negative-sampling strategies; ``properties/negatives/`` declares ours by name."""

from __future__ import annotations

from recbole_mdcns.negatives.base import DrawnNegatives, Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.support.declared import declared, resolve

__all__ = ["DrawnNegatives", "NegativeStrategy", "Negatives", "ScoredPool", "resolve_strategy", "strategy_names"]


def strategy_names() -> list[str]:
    """Return the names of our strategies."""
    return list(declared("negatives"))


def resolve_strategy(name: str) -> type[NegativeStrategy]:
    """Return the strategy that a value of ``neg_sampler`` names: one of ours, or ``package.module:Class``.

    Raises:
        ConfigError: There is no strategy of that name.
    """
    return resolve("negatives", name)
