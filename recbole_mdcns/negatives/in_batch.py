"""The other targets of a batch as negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.negatives.base import Proposed
from recbole_mdcns.sampler.candidates import CandidateSampler
from recbole_mdcns.sampler.popularity import Popularity
from recbole_mdcns.sampler.rejection import draw_allowed


class InBatch(Proposed):
    """K of the batch's targets, drawn with replacement: items in proportion to their popularity among the targets.

    Those in a target's history, and the target itself, are drawn again.
    """

    views = ("in batch",)

    def prepare(self, dataset: HistoryDataset, sampler: CandidateSampler) -> None:
        """Count the targets, for the correction of softmax losses."""
        super().prepare(dataset, sampler)
        counts = torch.bincount(dataset.inter_feat[dataset.iid_field], minlength=dataset.item_num)
        self.popularity = Popularity(counts, 1.0, self.device)

    def propose(self, batch: TargetBatch) -> Tensor:
        """Draw K of the batch's targets for each target."""

        def draw(rows: Tensor) -> Tensor:
            shape = (len(rows), self.negative_num)
            place = torch.randint(len(batch), shape, generator=self.generator, device=self.device)
            return batch.target[place]

        return draw_allowed(draw, batch, self.sampler)
