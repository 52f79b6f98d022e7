"""GNNO: negatives whose neighbourhood overlaps with the target's up to a limit that grows from epoch to epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.config.keys import check_unused
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, ScoredPool
from recbole_mdcns.negatives.dns_plus import DNSPlus
from recbole_mdcns.negatives.overlap import NeighbourOverlap

#: Proposals per negative; a proposal is accepted with probability exp(J - t), at least exp(-1).
PROPOSALS = 8


class GNNO(DNSPlus):
    """Graph negatives and uniform ones, with a hardness t that grows.

    Fan et al., "Neighborhood-based Hard Negative Mining for Sequential Recommendation", SIGIR 2023. J is the overlap of
    the neighbourhoods of target and item. A graph negative is drawn with probability proportional to ``exp(J)`` among
    the items with ``J <= t``; items with a greater overlap count as false negatives. t begins at 0 and grows by
    ``gnno_pace`` in each epoch from ``gnno_start_epoch``, up to ``gnno_max``. Uniform proposals outside of the history
    are accepted with probability ``exp(J - t)``. If a target has too few accepted proposals, it takes refused ones with
    ``J <= t``, and then those with the least overlap (the reference code would divide by zero here).

    ``gnno_combine: add`` is the original: the mean loss over ``gnno_hard_num`` graph and ``neg_num`` uniform negatives.
    ``dns`` is the comparison of MDCNS: graph negatives replace some of the N candidates, and K of the M hardest are
    taken. There t begins at .05 and grows by .01 to .4, and history and padding are not excluded.
    """

    views = ("overlap",)

    @classmethod
    def key_of_pool(cls, keys: Mapping[str, Any]) -> str:
        """Return the key of the uniform candidates: ``add`` has no pool, and takes them all."""
        return "neg_num" if keys["gnno_combine"] == "add" else cls.candidate_key

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse graph negatives that leave no room for uniform candidates, and a choice among those that are added."""
        if keys["gnno_combine"] == "add":
            check_unused(keys, "neg_top_num", "gnno_combine = 'add', which takes all negatives: leave it out")
            return
        super().check(keys)
        hard, candidates = keys["gnno_hard_num"], keys["neg_candidate_num"]
        if hard >= candidates:
            raise ConfigError(
                f"gnno_hard_num = {hard} is not allowed with neg_candidate_num = {candidates}: that many of the "
                f"candidates are graph negatives, so it is at most {candidates - 1}"
            )

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.hard_num, self.adds = config["gnno_hard_num"], config["gnno_combine"] == "add"
        self.start, self.pace, self.limit = config["gnno_start_epoch"], config["gnno_pace"], config["gnno_max"]
        uniform = self.negative_num if self.adds else self.candidate_num - self.hard_num
        self.uniform_num = uniform
        self.candidate_num = uniform + self.hard_num * PROPOSALS
        uniform_key, per_hard = ("neg_num", PROPOSALS) if self.adds else ("neg_candidate_num", PROPOSALS - 1)
        self.candidate_key = f"{uniform_key} + {per_hard} gnno_hard_num"
        if self.adds:
            self.weights = self.equal_weights(uniform + self.hard_num)
        self.hardness = torch.zeros((), device=device)  # t: in place, where a captured step finds it

    def prepare(self, dataset: HistoryDataset) -> None:
        """Build the graph."""
        super().prepare(dataset)
        self.overlap = NeighbourOverlap(dataset, self.device)

    def start_epoch(self, epoch: int) -> None:
        """Set the hardness of the epoch."""
        super().start_epoch(epoch)
        self.hardness.fill_(min(self.limit, self.pace * max(0, epoch - self.start)))

    def propose(self, batch: TargetBatch) -> Tensor:
        """Return uniform candidates and graph negatives, shape [T, uniform + hard]."""
        drawn = self.sampler.sample(batch)
        uniform, proposals = drawn[:, : self.uniform_num], drawn[:, self.uniform_num :]
        overlap = self.overlap(batch.target, proposals)
        chance = torch.rand(proposals.shape, generator=self.generator, device=self.device)
        too_close, refused = overlap > self.hardness, chance >= (overlap - self.hardness).exp()
        first = torch.where(too_close, 2 + overlap, refused.float()).argsort(dim=1, stable=True)[:, : self.hard_num]
        return torch.cat([uniform, proposals.gather(1, first)], dim=1)

    def choose(self, pool: ScoredPool) -> Negatives:
        """Take all, or K of the hardest."""
        return Negatives(pool.scores, list(self.weights)) if self.adds else super().choose(pool)
