"""The other targets of a batch as negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.negatives.base import DrawnNegatives, ScoredPool
from recbole_mdcns.negatives.draws.own_rows import own_rows
from recbole_mdcns.negatives.draws.rejection import draw_allowed


class InBatch(DrawnNegatives):
    """K of the batch's targets of other users, drawn uniformly with replacement.

    Rows of the row's own user are never drawn: with ``batching: user`` a batch holds whole sequences, and their targets
    would be items that the user takes later. Another user's row may have the same item, which only ``exclude:
    user_train`` keeps out. Draws of excluded items or of the target are repeated. In every
    batching the draws are therefore uniform over the allowed targets of other users in the batch. If there are none,
    uniform items of the catalogue replace them, as in :func:`draw_allowed`.

    Over random batches, item v is drawn for user u in proportion to ``c(v) - c(u, v)``, its number of targets of other
    users. This is q, for negatives and targets. Repeated draws scale the probabilities of all items of a row equally,
    and cancel in the softmax. An item that no other user has counts as one target.
    """

    views = ("in batch",)

    def prepare(self, dataset: HistoryDataset) -> None:
        """Count the targets of all users and of each user, for the correction of softmax losses."""
        super().prepare(dataset)
        rows, self.item_num = dataset.inter_feat, dataset.item_num
        user, item = rows[dataset.uid_field], rows[dataset.iid_field]
        pairs, times = (user * self.item_num + item).unique(return_counts=True)  # sorted
        self.pairs, self.times = pairs.to(self.device), times.to(self.device)
        self.of_item = torch.bincount(item, minlength=self.item_num).to(self.device)
        self.of_user = torch.bincount(user).to(self.device)

    def propose(self, batch: TargetBatch) -> Tensor:
        """Draw K of the batch's targets of other users for each target."""
        order, first, own_num = own_rows(batch.user)

        def draw(rows: Tensor) -> Tensor:
            shape = (len(rows), self.negative_num)
            share = torch.rand(shape, generator=self.generator, device=self.device, dtype=torch.float64)
            own, begin = own_num[rows, None], first[rows, None]
            place = (share * (len(batch) - own)).long()  # among the others
            place = torch.where(place >= begin, place + own, place)
            alone = own == len(batch)  # its own target is drawn again, until a uniform item takes its place
            return batch.target[torch.where(alone, rows[:, None], order[place.clamp_(max=len(batch) - 1)])]

        return draw_allowed(draw, batch, self.sampler)

    def log_q(self, pool: ScoredPool) -> tuple[Tensor, Tensor]:
        """Return the log probabilities of targets [T] and candidates [T, K] among the targets of other users."""
        user = pool.batch.user[:, None]
        items = torch.cat([pool.batch.target[:, None], pool.candidates], dim=1)  # [T, 1 + K]
        key = user * self.item_num + items
        place = torch.searchsorted(self.pairs, key).clamp_(max=len(self.pairs) - 1)
        own = torch.where(self.pairs[place] == key, self.times[place], 0)
        others = self.times.sum() - self.of_user[user]  # [T, 1]
        log_q = ((self.of_item[items] - own).clamp(min=1) / others.clamp(min=1)).log()
        return log_q[:, 0], log_q[:, 1:]
