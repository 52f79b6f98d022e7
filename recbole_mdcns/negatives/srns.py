"""SRNS: negatives with high and varying scores, from a memory per target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.passes import targets_of
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.support.growing_weight import GrowingWeight

#: The number of past visits whose probabilities are stored.
RING = 5
_STATE = ("candidates", "ring", "visits", "memory")


class SRNS(NegativeStrategy):
    """The item of a small memory with the highest ``P + a std(P)``; P is its probability of beating the target.

    Ding et al., "Simplify and Robustify Negative Sampling for Implicit Collaborative Filtering", NeurIPS 2020. Each
    target has N fixed candidates. ``P = sigmoid(s - s+)``; std is over its last 5 visits, one per epoch; a grows
    linearly to its full value over the first T0 epochs. True negatives have high variance, false ones keep high
    scores. After each visit a new memory of S1 candidates is drawn from the old one and S2 others, without repetition,
    with probability ``softmax(s / tau)`` (Gumbel top S1).

    The original has a memory per user. Here the last state depends on the prefix, and the memories are per target. Its
    candidate sets rotate; ours are fixed. The released code of MDCNS stores scores by position although the candidates
    change between visits, uses scores instead of P, and updates the memory without drawing.

    Memory: 14 N + 4 S1 + 1 bytes per training target.
    """

    views = ("robust",)

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse memories and renewals that need more than N candidates."""
        memory, fresh, candidates = keys["srns_memory_num"], keys["srns_fresh_num"], keys["neg_candidate_num"]
        if memory + fresh > candidates:
            raise ConfigError(
                f"srns_memory_num = {memory} with srns_fresh_num = {fresh} is not allowed with neg_candidate_num = "
                f"{candidates}: the two sets do not overlap, so their sum is at most that"
            )
        if keys["neg_num"] > memory:
            raise ConfigError(f"neg_num = {keys['neg_num']} is not allowed: it is at most srns_memory_num = {memory}")

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.memory_num, self.fresh_num = config["srns_memory_num"], config["srns_fresh_num"]
        self.std_weight = GrowingWeight(config["srns_std_weight"], config["srns_warm_up"], device)  # a
        self.temperature = config["srns_temperature"]

    def prepare(self, dataset: HistoryDataset) -> None:
        """Draw every target's candidates and its first memory."""
        super().prepare(dataset)
        target_num, shape = len(dataset), (len(dataset), self.candidate_num)
        self.candidates = torch.empty(shape, dtype=torch.int32, device=self.device)
        self.ring = torch.zeros((target_num, RING, self.candidate_num), dtype=torch.float16, device=self.device)
        self.visits = torch.zeros(target_num, dtype=torch.uint8, device=self.device)
        self.memory = torch.empty((target_num, self.memory_num), dtype=torch.int32, device=self.device)
        everyone = targets_of(dataset, self.device)
        for index in everyone.row_index.split(4096):
            self.candidates[index] = self.sampler.sample(everyone.select(index)).int()
            keys = torch.rand(len(index), self.candidate_num, generator=self.generator, device=self.device)
            self.memory[index] = keys.topk(self.memory_num, dim=1).indices.int()

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch; the weight of the deviation grows."""
        super().start_epoch(epoch)
        self.std_weight.start_epoch(epoch)

    def propose(self, batch: TargetBatch) -> Tensor:
        """Return the targets' own candidates."""
        return self.candidates[batch.row_index].long()

    def choose(self, pool: ScoredPool) -> Negatives:
        """Take the best of each memory, then renew it."""
        rows, scores = pool.batch.row_index, pool.scores[0].detach()
        probability = torch.sigmoid(scores - pool.positive[0].detach()[:, None])  # [T, N]
        self._remember(rows, probability)
        memory = self.memory[rows].long()
        value = (probability + self.std_weight.now * self.deviation(rows)).gather(1, memory)  # [T, S1]
        best = memory.gather(1, value.topk(self.negative_num, dim=1).indices)
        self._renew(rows, scores, memory)
        return Negatives(self.pick(pool, best), list(self.weights))

    def deviation(self, rows: Tensor) -> Tensor:
        """Return the standard deviation of each candidate's P over the stored visits, shape [T, N]."""
        count = self.visits[rows].long().clamp(min=1, max=RING)
        filled = (torch.arange(RING, device=self.device) < count[:, None])[:, :, None]
        values = self.ring[rows].float()  # [T, RING, N]
        mean = (values * filled).sum(1) / count[:, None]
        return ((values - mean[:, None]).square() * filled).sum(1).div(count[:, None]).sqrt()

    def _remember(self, rows: Tensor, probability: Tensor) -> None:
        visits = self.visits[rows].long()
        self.ring[rows, visits % RING] = probability.half()
        self.visits[rows] = torch.where(visits + 1 < 2 * RING, visits + 1, visits + 1 - RING).to(torch.uint8)

    def _renew(self, rows: Tensor, scores: Tensor, memory: Tensor) -> None:
        keys = torch.rand(scores.shape, generator=self.generator, device=self.device).scatter(1, memory, -1.0)
        others = keys.topk(self.fresh_num, dim=1).indices
        both = torch.cat([memory, others], dim=1)  # [T, S1 + S2]
        noise = torch.rand(both.shape, generator=self.generator, device=self.device).clamp_(min=1e-20)
        gumbel = -(-noise.log()).log()
        drawn = (scores.gather(1, both) / self.temperature + gumbel).topk(self.memory_num, dim=1).indices
        self.memory[rows] = both.gather(1, drawn).int()

    def state_dict(self) -> dict[str, Any]:
        """Return candidates, scores and memories as well."""
        return {**super().state_dict(), **{name: getattr(self, name) for name in _STATE}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore candidates, scores and memories."""
        super().load_state_dict(state)
        for name in _STATE:
            getattr(self, name).copy_(state[name])
