"""Ranking losses: of a positive and its negatives, or over the catalogue."""

from __future__ import annotations

from recbole_mdcns.support.declared import resolve


def resolve_loss(name: str) -> type:
    """Return the loss that a value of ``ranking_loss`` names: one of ours, or ``package.module:Class``.

    Raises:
        ConfigError: There is none of that name.
    """
    return resolve("losses", name)
