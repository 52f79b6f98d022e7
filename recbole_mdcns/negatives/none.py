"""No negatives: for losses over the whole catalogue."""

from __future__ import annotations

import torch
from recbole.config import Config

from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


class NoNegatives(NegativeStrategy):
    """For ``ranking_loss`` CE and SCE, which need no candidates."""

    views = ()

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.candidate_num = 0

    def choose(self, pool: ScoredPool) -> Negatives:
        """Never asked."""
        raise NotImplementedError("the losses over the whole catalogue take no negatives")
