"""Counts of items in training, and draws in proportion to a power of them."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_START


def item_counts(dataset: HistoryDataset) -> Tensor:
    """Count the items of the training sequences, each position once, shape [V + 1].

    Args:
        dataset: The training part; its targets count, and the first item of each sequence, which is not a target.
    """
    rows = dataset.inter_feat
    firsts = dataset.history.items.cpu()[rows[HISTORY_START].unique()]  # the histories live where training does
    return torch.bincount(torch.cat([rows[dataset.iid_field], firsts]), minlength=dataset.item_num)


class Popularity:
    """Items drawn with probability proportional to their count to a power; items that never occur are never drawn.

    Args:
        counts: Shape [V + 1]; the padding's is 0.
        power: 0 is uniform over the items that occur, 1 is proportional; at most 10, which no count overflows.
        device: The device of the draws.
    """

    def __init__(self, counts: Tensor, power: float, device: torch.device):
        weights = counts.double().pow(power).masked_fill(counts == 0, 0.0)
        probability = weights / weights.sum()
        least = probability[counts > 0].min()  # for items that only a uniform replacement draw can give
        self.probability = probability.to(device)  # [V + 1]
        self.log_q = probability.clamp(min=least).log().float().to(device)  # [V + 1]
        self.cumulated = probability.cumsum(0).to(device)

    def draw(self, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Draw items independently, by the inverse of the distribution function."""
        share = torch.rand(shape, generator=generator, device=self.cumulated.device, dtype=torch.float64)
        return torch.searchsorted(self.cumulated, share * self.cumulated[-1], right=True)
