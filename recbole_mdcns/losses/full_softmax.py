"""Softmax over all items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses.base import RankingLoss


class CrossEntropy(RankingLoss):
    """Softmax over all items."""

    needs_negatives = False

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        if keys["lazy_items"]:
            raise ConfigError(
                f"lazy_items is not allowed with ranking_loss = {keys['ranking_loss']!r}, which scores all items"
            )
