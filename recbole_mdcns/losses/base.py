"""What every ranking loss is."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any


class RankingLoss(ABC):  # noqa: B024
    """A loss that a model is trained with."""

    needs_negatives = True

    @classmethod  # noqa: B027
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse keys that do not go together."""
