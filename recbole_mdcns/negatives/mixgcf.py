"""MixGCF and MixGCF+: hard negatives mixed with the positive."""

from __future__ import annotations

import torch
from recbole.config import Config

from recbole_mdcns.negatives.base import Negatives, ScoredPool
from recbole_mdcns.negatives.dns_plus import DNSPlus


class MixGCFPlus(DNSPlus):
    """K of the M hardest mixtures of the positive and a candidate.

    Huang et al., "MixGCF: An Improved Training Method for Graph Neural Network-based Recommender Systems", KDD 2021.
    ``e' = a e(target) + (1 - a) e(candidate)``; a is uniform in (0, 1) and drawn for each target. Scores are inner
    products: ``s' = a s+ + (1 - a) s``, and no mixed embedding is needed. A sequence model has no graph layers, and the
    mixing over layers is left out. With one a per target, mixtures have the order of the candidates' scores
    (``mix_per: sample``, the original); ``mix_per: candidate`` draws one a per candidate.

    With BCE a mixture also pushes the positive down, by a; this is part of the method, and ``mix_detach_positive``
    stops this gradient. The released code of MDCNS trains this baseline with BPR.
    """

    views = ("mixed",)

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.per_candidate = config["mix_per"] == "candidate"
        self.detach_positive = config["mix_detach_positive"]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Mix, then draw from the top M mixtures."""
        shape = pool.scores[0].shape if self.per_candidate else (len(pool.positive[0]), 1)
        share = torch.rand(shape, generator=self.generator, device=self.device)
        positives = [each.detach() if self.detach_positive else each for each in pool.positive]
        mixed = [share * own[:, None] + (1 - share) * scores for own, scores in zip(positives, pool.scores)]
        columns = self.draw(mixed[0].detach())
        return Negatives([each.gather(1, columns) for each in mixed], list(self.weights))


class MixGCF(MixGCFPlus):
    """The hardest mixture: MixGCF+ with M = 1."""

    fixed_top = 1
