"""RecBole's collector of what its metrics need, with ranks by counting."""

from __future__ import annotations

import torch
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector
from torch import Tensor

#: What other metrics than those of the top K ask for.
_OTHERS = ("rec.items", "rec.meanrank", "rec.score", "data.label")


class RankCollector(Collector):
    """Finds where the target of a row ranks by counting the scores above its own, without sorting any.

    Where another item has exactly the target's score, RecBole's own way says which of them comes first; so it does
    for metrics that need more than the place of one target.
    """

    def eval_batch_collect(
        self, scores_tensor: Tensor, interaction: Interaction, positive_u: Tensor, positive_i: Tensor
    ) -> None:
        """Collect a batch: scores [B, V + 1], and the one target of each row as two index tensors [B]."""
        rows = torch.arange(len(scores_tensor))
        if any(map(self.register.need, _OTHERS)) or not torch.equal(positive_u.cpu(), rows):
            super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
            return
        target = positive_i.to(scores_tensor.device)[:, None]
        own = scores_tensor.gather(1, target)  # [B, 1]
        above = (scores_tensor > own).sum(1)
        tied = (scores_tensor == own).sum(1) != 1
        hits = torch.zeros(len(rows), max(self.topk) + 1, dtype=torch.int64, device=scores_tensor.device)
        hits.scatter_(1, above.clamp(max=max(self.topk))[:, None], 1)
        if tied.any():
            order = scores_tensor[tied].topk(max(self.topk), dim=1).indices
            hits[tied, :-1] = (order == target[tied]).long()
        hits[:, -1] = 1  # number of targets
        self.data_struct.update_tensor("rec.topk", hits)
