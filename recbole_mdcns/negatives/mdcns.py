"""MDCNS: several views choose each other's negatives, and the teacher's view of the pool is distilled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.equations import divergence, divergence_aware, draw_one, resampled, top_candidates
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.pool_softmax import Consensus
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.support.growing_weight import GrowingWeight


class MDCNS(NegativeStrategy):
    """Multi-source scoring, divergence re-ranking and consensus distillation, Eqs. (4) to (13).

    All models are trained in the same way: on the negatives that the model itself, the other models and the teacher
    chose, and with distillation towards the teacher. Only the roles in the weights differ.

    Several peers are an extension of the paper. The teacher is the mean or sum over all models, the divergence of a
    candidate is the distance between its highest and its lowest score, and the negatives that any other model chose
    have the weight beta.

    A softmax or gBCE takes all candidates instead of one per view. With ``pool_hard_num`` it takes draws from them:
    hard ones by the teacher's scores and the divergence, with importance weights.
    """

    needs_peer = True
    knows_proposal = True
    draws_uniformly = True
    not_of_pools = ("neg_top_num", "self_neg_weight", "peer_neg_weight", "teacher_neg_weight")

    @classmethod
    def unused_by_pools(cls, keys: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the keys of single negatives; without hard draws nothing is re-ranked either."""
        return cls.not_of_pools if keys["pool_hard_num"] else (*cls.not_of_pools, "divergence_weight")

    @classmethod
    def check(cls, keys: Mapping[str, Any]) -> None:
        """Refuse hard draws of a pool without a loss that takes their weights."""
        super().check(keys)
        scaled = "ssm_scale" in keys and keys["ssm_scale"]
        if keys["pool_hard_num"] and not scaled:
            raise ConfigError(
                f"pool_hard_num = {keys['pool_hard_num']} is not allowed without ranking_loss = SSM and ssm_scale = "
                "True, which weighs the draws"
            )

    def __init__(self, config: MDCNSConfig, device: torch.device):
        super().__init__(config, device)
        models = ("self", *config.peer_roles)
        self.views = (*models, "teacher")
        self.top_num = config["neg_top_num"]
        self.divergence_weight = config["divergence_weight"]
        own, other, teacher = (config[f"{view}_neg_weight"] for view in ("self", "peer", "teacher"))
        self.weights = torch.tensor(
            [[*(own if view == model else other for view in models), teacher] for model in models], device=device
        )  # [models, views]
        self.hard_num, self.hard_temperature = config["pool_hard_num"], config["pool_hard_temperature"]
        self.distill_weight = GrowingWeight(config["distill_weight"], config["distill_warmup_epochs"], device)
        self.temperature = config["distill_temperature"]
        self.distill_positive = config["distill_positive"]
        self.reduction = config["distill_reduction"]

    def start_epoch(self, epoch: int) -> None:
        """Set the weight of the distillation."""
        super().start_epoch(epoch)
        self.distill_weight.start_epoch(epoch)

    def choose(self, pool: ScoredPool) -> Negatives:
        """Return one negative per view, or the whole pool, for all models, and all models' distillation."""
        if pool.takes_all:
            return self._all(pool)
        columns = self.view_columns(*(scores.detach() for scores in pool.scores))  # [T, views]
        return Negatives(self.pick(pool, columns), list(self.weights), self._distill(pool))

    def _all(self, pool: ScoredPool) -> Negatives:
        """Return all candidates, or hard ones among them with their importance weights."""
        number = self.hard_num or pool.candidates.size(1)
        weights = [pool.scores[0].new_full((number,), 1 / number)] * len(pool.scores)
        if not self.hard_num:
            return Negatives(pool.scores, weights, self._distill(pool), log_q=pool.proposal())
        detached = [each.detach() for each in pool.scores]
        hardness = divergence_aware(self.teacher(*detached), divergence(*detached), self.divergence_weight)
        columns, log_mass = resampled(hardness, self.hard_num, self.hard_temperature, self.generator)
        log_mass += self.log_mass(pool).expand_as(hardness).gather(1, columns)
        return Negatives(self.pick(pool, columns), weights, self._distill(pool), log_mass=log_mass)

    @torch.no_grad()
    def view_columns(self, *scores: Tensor) -> Tensor:
        """Return the pool column that each view chooses, Eqs. (4) to (8).

        Args:
            *scores: Scores of each model, self first, shape [T, N].

        Returns:
            Columns in the order self, peers, teacher, shape [T, views].
        """
        distance = divergence(*scores)
        chosen = []
        for view in (*scores, self.teacher(*scores)):
            ranked = divergence_aware(view, distance, self.divergence_weight)
            chosen.append(draw_one(top_candidates(ranked, self.top_num), self.generator))
        return torch.stack(chosen, dim=1)

    def _distill(self, pool: ScoredPool) -> list[dict[str, Tensor]]:
        if self.distill_weight.full == 0:
            return []
        positives = list(pool.positive) if self.distill_positive else [None] * len(pool.scores)
        of_teacher = self.teacher(*(s.detach() for s in pool.positive)) if self.distill_positive else None
        teacher = Consensus(of_teacher, self.teacher(*(s.detach() for s in pool.scores)), self.temperature)
        distances = [teacher.distance(positive, scores) for positive, scores in zip(positives, pool.scores)]  # [T] each
        reduced = [each.mean() if self.reduction == "mean" else each.sum() for each in distances]
        return [{"distill": self.distill_weight.now * each} for each in reduced]
