"""The objective of losses over the whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.equations import teacher_scores
from recbole_mdcns.losses import CatalogueLoss
from recbole_mdcns.losses.returned import check_mean_loss
from recbole_mdcns.parallel.shares import own_share
from recbole_mdcns.trainer.objective import Objective, StepLoss


class CatalogueObjective(Objective):
    """The sum of the models' losses over the whole catalogue."""

    loss: CatalogueLoss

    def __init__(self, config: MDCNSConfig, loss: CatalogueLoss, scoring_models: Sequence[ScoringModel]):
        super().__init__(config, loss, scoring_models)
        self.teacher_mean = loss.needs_peer and config["teacher_mean"]

    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """See :meth:`Objective.step_loss`."""
        models, own = self.scoring_models, own_share(batch, self.group)
        results = self.loss.of_models(models, self.encode(own), own.target)
        if self.checks_loss:
            for loss, _ in results:
                check_mean_loss(self.loss_name, loss)
        if self.group.size > 1:
            results = [
                (self._of_all(loss, batch), {name: self._of_all(part, batch) for name, part in parts.items()})
                for loss, parts in results
            ]
        named = {f"{m.role}/{name}": part.detach() for m, (_, of) in zip(models, results) for name, part in of.items()}
        return self.summed([loss for loss, _ in results]), named

    def _of_all(self, mean: Tensor, batch: TargetBatch) -> Tensor:
        """Return the mean over a batch from this process's mean over its own share."""
        mine = self.group.own(len(batch))  # none, if there are fewer targets than processes
        return self.group.summed(mean * ((mine.stop - mine.start) / len(batch)))

    def teacher(self, *scores: Tensor) -> Tensor | None:
        """Return the models' joint scores, if the loss trains peers."""
        return teacher_scores(*scores, mean=self.teacher_mean) if self.loss.needs_peer else None
