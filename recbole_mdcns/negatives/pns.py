"""PNS: popular items as negatives."""

from __future__ import annotations

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.negatives.base import DrawnNegatives, ScoredPool
from recbole_mdcns.negatives.draws.popularity import Popularity, item_counts
from recbole_mdcns.negatives.draws.rejection import draw_allowed


class PNS(DrawnNegatives):
    """K negatives drawn in proportion to a power of the items' popularity (Mikolov et al., 2013, for words).

    Popularity is the number of positions of an item in the training sequences. Draws are independent: an item may occur
    twice. Draws of the target or of excluded items are repeated.
    """

    views = ("popular",)

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.power = config["pop_power"]

    def prepare(self, dataset: HistoryDataset) -> None:
        """Count the items."""
        super().prepare(dataset)
        self.popularity = Popularity(item_counts(dataset), self.power, self.device)

    def propose(self, batch: TargetBatch) -> Tensor:
        """Draw K popular items for each target."""
        draw = self.popularity.draw
        return draw_allowed(lambda rows: draw((len(rows), self.negative_num), self.generator), batch, self.sampler)

    def log_q(self, pool: ScoredPool) -> tuple[Tensor, Tensor]:
        """Return the log probabilities of targets [T] and candidates [T, K]."""
        return self.popularity.log_q[pool.batch.target], self.popularity.log_q[pool.candidates]
