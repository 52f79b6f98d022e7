"""Softmax over all items for a self model and its peers, which also learn the teacher's view of all items."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.encoder.scoring_model import InnerProductModel, ScoringModel
from recbole_mdcns.equations import distillation, teacher_scores
from recbole_mdcns.kernels.mutual_softmax import mutual_cross_entropy
from recbole_mdcns.losses.base import ModelLoss
from recbole_mdcns.losses.full_softmax import CrossEntropy, cross_entropy
from recbole_mdcns.support.growing_weight import GrowingWeight


class MutualCrossEntropy(CrossEntropy):
    """Cross-entropy of each model and the consensus distillation of MDCNS, Eqs. (11) and (12), over the catalogue.

    Deep mutual learning (Zhang et al., CVPR 2018) with the teacher of MDCNS. The cost of a step grows with the
    catalogue.
    """

    needs_peer = True

    def __init__(self, config: Config, item_num: int, device: torch.device):
        super().__init__(config, item_num, device)
        self.weight = GrowingWeight(config["distill_weight"], config["distill_warmup_epochs"], device)
        self.temperature, self.teacher_mean = config["distill_temperature"], config["teacher_mean"]

    def start_epoch(self, epoch: int) -> None:
        """Set the weight of the distillation."""
        self.weight.start_epoch(epoch)

    def of_models(
        self, scoring_models: Sequence[ScoringModel], encodings: Sequence[Tensor], target: Tensor
    ) -> list[ModelLoss]:
        """See :meth:`CatalogueLoss.of_models`."""
        if not self.weight.full:  # no teacher is needed
            return super().of_models(scoring_models, encodings, target)
        tables = [
            each.item_table[: each.model.n_items] for each in scoring_models if isinstance(each, InnerProductModel)
        ]
        if len(tables) == len(scoring_models):
            states = [e.to(table.dtype) for e, table in zip(encodings, tables)]
            of_models = mutual_cross_entropy(
                states, tables, target, self.weight.now, self.temperature, self.teacher_mean
            )
            return [(total, {"all": all_, "distill": self.weight.now * kl}) for total, all_, kl in of_models]
        scores = [each.score_all(e)[:, 1:] for each, e in zip(scoring_models, encodings)]
        teacher = teacher_scores(*(each.detach() for each in scores), mean=self.teacher_mean)
        results: list[ModelLoss] = []
        for each in scores:
            own = cross_entropy(F.pad(each, (1, 0)), target).mean()
            distance = self.weight.now * distillation(each, teacher, self.temperature)
            results.append((own + distance, {"all": own.detach(), "distill": distance.detach()}))
        return results
