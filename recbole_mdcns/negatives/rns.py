"""RNS: one uniform negative."""

from __future__ import annotations

import torch
from recbole.config import Config

from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


class RNS(NegativeStrategy):
    """One negative drawn uniformly from the allowed items: a pool of one."""

    views = ("uniform",)

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.candidate_num = 1

    def choose(self, pool: ScoredPool) -> Negatives:
        """Take the only candidate."""
        return Negatives(scores=pool.scores, weights=list(self.weights))
