"""AdaSIR: negatives by importance resampling, from a pool per target that is kept between epochs."""

from __future__ import annotations

from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.negatives.draws.popularity import Popularity, item_counts
from recbole_mdcns.negatives.draws.rejection import draw_allowed


class AdaSIR(NegativeStrategy):
    """K negatives from a pool of R items per target; every visit renews the pool from R0 fresh draws.

    Chen et al., "Learning Recommenders for Implicit Feedback with Importance Resampling", WWW 2022. A visit draws R0
    items from a static proposal q (uniform, or by popularity) and resamples R of them with replacement with probability
    ``softmax(s - log q)``. The new pool has R entries, drawn uniformly from the old pool and the new entries: about
    half of the old pool survives. The K negatives are uniform draws from the pool. Their losses have the weights
    ``softmax(s - log W)`` over the K, and W is an entry's resampling probability; with K = 1 the weight is 1. The
    original renews all pools before an epoch. Here a step renews the pools of its targets with its own encodings,
    without a second pass of the model.

    ``adasir_rank_weight`` also weights a target by ``1 + 1/2 + ... + 1/r``; r is its rank as estimated from the R0
    draws. The authors' code counts the draws below the target, which looks inverted; this code counts those above it.

    The released code of MDCNS calls this baseline "two pass". Its pools begin with the padding item, and the first
    epoch has no real negatives; pools are renewed after the step, and importance weights are dropped.

    Memory: 8 R + 1 bytes per training target.
    """

    views = ("resampled",)
    candidate_key = "adasir_sample_num"

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.candidate_num = config["adasir_sample_num"]
        self.pool_num = config["adasir_pool_num"]
        self.by_popularity = config["adasir_proposal"] == "popularity"
        self.rank_weight = config["adasir_rank_weight"]

    def prepare(self, dataset: HistoryDataset) -> None:
        """Make room for a pool per target."""
        super().prepare(dataset)
        self.item_num = dataset.item_num - 1
        shape = (len(dataset), self.pool_num)
        self.items = torch.zeros(shape, dtype=torch.int32, device=self.device)
        self.probability = torch.zeros(shape, device=self.device)
        self.visited = torch.zeros(len(dataset), dtype=torch.bool, device=self.device)
        self.popularity = Popularity(item_counts(dataset), 1.0, self.device) if self.by_popularity else None

    def propose(self, batch: TargetBatch) -> Tensor:
        """Return each target's pool and R0 fresh draws, shape [T, R + R0]; on a first visit the pool is fresh too."""
        if self.popularity is None:
            fresh = self.sampler.sample(batch)
        else:
            popularity = self.popularity
            fresh = draw_allowed(
                lambda rows: popularity.draw((len(rows), self.candidate_num), self.generator), batch, self.sampler
            )
        old, seen = self.items[batch.row_index].long(), self.visited[batch.row_index]
        place = torch.arange(self.pool_num, device=self.device) % self.candidate_num
        return torch.cat([torch.where(seen[:, None], old, fresh[:, place]), fresh], dim=1)

    def choose(self, pool: ScoredPool) -> Negatives:
        """Renew the pools, then draw from them."""
        rows = pool.batch.row_index
        scores = pool.scores[0].detach()
        columns, probability = self._renewed(pool.candidates, scores, rows)  # [T, R] each
        self.items[rows] = pool.candidates.gather(1, columns).int()
        self.probability[rows] = probability
        self.visited.index_fill_(0, rows, True)  # visited[rows] = True would make a GPU wait
        place = torch.randint(
            self.pool_num, (len(rows), self.negative_num), generator=self.generator, device=self.device
        )
        negatives = self.pick(pool, columns.gather(1, place))
        factors = (negatives[0].detach() - probability.gather(1, place).log()).softmax(1) * self.negative_num
        if self.rank_weight:
            factors = factors * self._rank_weight(pool.positive[0].detach(), scores)
        return Negatives(negatives, list(self.weights), factors=factors)

    def _renewed(self, candidates: Tensor, scores: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return which of the candidates are the new pools, and their resampling probabilities, shape [T, R] each."""
        logits = scores[:, self.pool_num :]
        if self.popularity is not None:
            logits = logits - self.popularity.log_q[candidates[:, self.pool_num :]]
        resample = logits.softmax(1)  # [T, R0]
        drawable = resample.nan_to_num(1.0)  # the loss reports scores that are no longer finite
        drawn = torch.multinomial(drawable, self.pool_num, replacement=True, generator=self.generator)
        old = torch.arange(self.pool_num, device=self.device).expand(len(rows), -1)
        both = torch.cat([old, drawn + self.pool_num], dim=1)  # [T, 2 R]
        probability = torch.cat([self.probability[rows], resample.gather(1, drawn)], dim=1)
        shape = (len(rows), self.pool_num)
        keep = torch.randint(2 * self.pool_num, shape, generator=self.generator, device=self.device)
        fresh = torch.arange(self.pool_num, 2 * self.pool_num, device=self.device)
        keep = torch.where(self.visited[rows][:, None], keep, fresh)
        return both.gather(1, keep), probability.gather(1, keep)

    def _rank_weight(self, positive: Tensor, scores: Tensor) -> Tensor:
        """Return the harmonic number of each target's estimated rank, shape [T, 1]."""
        above = (scores[:, self.pool_num :] > positive[:, None]).sum(1, keepdim=True)
        rank = (above * self.item_num / self.candidate_num).ceil().clamp(min=1)
        return torch.digamma(rank + 1) - torch.digamma(torch.ones_like(rank))

    def state_dict(self) -> dict[str, Any]:
        """Return the pools as well."""
        own = {"items": self.items, "probability": self.probability, "visited": self.visited}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the pools."""
        super().load_state_dict(state)
        for name in ("items", "probability", "visited"):
            getattr(self, name).copy_(state[name])
