"""RecBole's collector of what its metrics need, with ranks by counting."""

from __future__ import annotations

from collections.abc import Callable

import torch
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector
from recbole.evaluator.collector import DataStruct
from torch import Tensor

#: What other metrics than those of the top K ask for.
_OTHERS = ("rec.items", "rec.meanrank", "rec.score", "data.label")
#: Rows that are counted together on a CPU, few enough for its cache.
ROWS_AT_ONCE = 32


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
        above, tied = _count(torch.gt, scores_tensor, own), _count(torch.eq, scores_tensor, own) != 1
        hits = torch.zeros(len(rows), max(self.topk) + 1, dtype=torch.int64, device=scores_tensor.device)
        hits.scatter_(1, above.clamp(max=max(self.topk))[:, None], 1)
        if tied.any():
            order = scores_tensor[tied].topk(max(self.topk), dim=1).indices
            hits[tied, :-1] = (order == target[tied]).long()
        hits[:, -1] = 1  # number of targets
        self.data_struct.update_tensor("rec.topk", hits)

    def get_data_struct(self) -> DataStruct:
        """Return what was collected; RecBole's own way counts on tensors, which numbers of the data are not."""
        numbers = {name: value for name, value in self.data_struct._data_dict.items() if not isinstance(value, Tensor)}
        for name in numbers:
            del self.data_struct[name]
        collected = super().get_data_struct()
        for name, value in numbers.items():
            self.data_struct.set(name, value)
            collected.set(name, value)
        return collected


def _count(compare: Callable[..., Tensor], scores: Tensor, own: Tensor) -> Tensor:
    """Return how many scores [B, V + 1] compare with their row's own [B, 1], shape [B].

    Counted in floating point, exact up to 2^24 items: torch would turn the truth values into a matrix of 64-bit numbers
    first, which takes three times as long, and without these blocks of rows on a CPU twenty times.
    """
    rows_at_once = ROWS_AT_ONCE if scores.device.type == "cpu" else len(scores)
    buffer = scores.new_empty(min(rows_at_once, len(scores)), scores.size(1), dtype=torch.float32)
    blocks = zip(scores.split(rows_at_once), own.split(rows_at_once))
    return torch.cat([compare(s, o, out=buffer[: len(s)]).sum(1) for s, o in blocks]).long()
