"""MDCNS: several views choose each other's negatives, and the teacher's view of the pool is distilled."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.equations import distillation, divergence, divergence_aware, draw_one, top_candidates
from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool


class MDCNS(NegativeStrategy):
    """Multi-source scoring, divergence re-ranking and consensus distillation, Eqs. (4) to (13).

    All models are trained in the same way: on the negatives that the model itself, the other models and the teacher
    chose, and with distillation towards the teacher. Only the roles in the weights differ.

    Several peers are an extension of the paper. The teacher is the mean or sum over all models, the divergence of a
    candidate is the distance between its highest and its lowest score, and the negatives that any other model chose
    have the weight beta.
    """

    needs_peer = True

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
        self.distill_weight = config["distill_weight"]
        self.temperature = config["distill_temperature"]
        self.distill_positive = config["distill_positive"]
        self.reduction = config["distill_reduction"]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Return one negative per view for all models, and all models' distillation."""
        columns = self.view_columns(*(scores.detach() for scores in pool.scores))  # [T, views]
        return Negatives(self.pick(pool, columns), list(self.weights), self._distill(pool))

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
        if self.distill_weight == 0:
            return []
        students = list(pool.scores)
        if self.distill_positive:
            students = [torch.cat([p[:, None], s], dim=1) for p, s in zip(pool.positive, pool.scores)]  # [T, 1 + N]
        teacher = self.teacher(*(student.detach() for student in students))
        return [
            {"distill": self.distill_weight * distillation(student, teacher, self.temperature, self.reduction)}
            for student in students
        ]
