"""DNS+: one of the M hardest of N. DNS is its case M = 1."""

from __future__ import annotations

import torch
from recbole.config import Config

from recbole_mdcns.divergence import draw_one, top_candidates
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


class DNSPlus(NegativeStrategy):
    """A negative drawn uniformly from the M candidates that the model scores highest (Shi et al., WWW 2023)."""

    views = ("hard",)

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.top_num = config["neg_top_num"]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Draw one of the top M."""
        columns = draw_one(top_candidates(pool.scores[0].detach(), self.top_num), self.generator)
        return Negatives(self.pick(pool, columns[:, None]), list(self.weights))
