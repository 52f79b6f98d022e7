"""DNS and DNS+: hard negatives among N, by the model's own scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.equations import draw_some, top_candidates
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


class DNSPlus(NegativeStrategy):
    """K negatives drawn without repetition from the M candidates that the model scores highest: DNS(M, N).

    Shi et al., "On the Theories Behind Hard Negative Sampling for Recommendation", WWW 2023. Their released code does
    not draw one negative but takes the mean loss over all M, which has the same expectation and less variance; here
    ``neg_num`` = M does this. It draws candidates with replacement and does not exclude the history. Our candidates are
    all different and never in the history.

    Raises:
        ConfigError: K is more than M.
    """

    views = ("hard",)
    fixed_top: int | None = None

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse to draw more than the top M without repetition."""
        super().check(keys)
        top = cls.fixed_top or keys["neg_top_num"]
        if keys["neg_num"] > top:
            of_top = "1" if cls.fixed_top else f"neg_top_num = {top}"
            raise ConfigError(
                f"neg_num = {keys['neg_num']} is not allowed: {keys['neg_sampler']} draws from the {of_top} highest "
                "candidates, so it is at most that"
            )

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.top_num = self.fixed_top or config["neg_top_num"]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Draw from the top M."""
        return Negatives(self.pick(pool, self.draw(pool.scores[0].detach())), list(self.weights))

    def draw(self, scores: Tensor) -> Tensor:
        """Return K of the columns of the M highest scores [T, N], shape [T, K]."""
        return draw_some(top_candidates(scores, self.top_num), self.negative_num, self.generator)


class DNS(DNSPlus):
    """The hardest of N (Zhang et al., "Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling",
    SIGIR 2013): DNS+ with M = 1.
    """

    fixed_top = 1
