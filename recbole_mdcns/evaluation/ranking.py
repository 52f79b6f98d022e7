"""One pass over the rows of a split: the ranked items of each row, and the rankings of self, peers and teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from recbole.config import Config
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mdcns.data.history import HISTORY_END, HISTORY_START, HistoryIndex
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.evaluation.evaluator import ModelMetrics, PlainEvaluator
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.row_shares import RowShares

#: A batch of RecBole's loader: rows, their histories, and the targets as row numbers and items; and the same with
#: scores [B, V + 1] instead of the histories.
_Batch = tuple[Interaction, Any, Tensor, Tensor]
Teacher = Callable[..., "Tensor | None"]


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        metrics: Metrics by name, for each role (``self``, ``peer``, ``teacher``).
        places: The place of the target of each row, for each role; see :class:`ModelMetrics`.
        scores: The score by which epochs and models are chosen, for each role.
    """

    metrics: Mapping[str, dict[str, float]]
    places: Mapping[str, list[int]]
    scores: Mapping[str, float] = field(default_factory=dict)

    def chosen_by(self, metric: str) -> dict[str, dict[str, float]]:
        """Return the metrics by role for a choice: ``valid_metric`` has its own decimals, whatever is reported."""
        return {role: {**of_role, metric.lower(): self.scores[role]} for role, of_role in self.metrics.items()}


class FullRanking:
    """Ranks all items for the rows of one split, once for each model and for their teacher.

    Args:
        config: The run.
        scoring_models: The models that rank, the self model first.
        history: The histories of the split's rows, on the device of the models.
        collector: The collector of the self model, which knows the training data.
        teacher: Gives the models' joint scores from the scores of each, or None without such a view.
    """

    def __init__(
        self,
        config: Config,
        scoring_models: Sequence[ScoringModel],
        history: HistoryIndex,
        collector: RankCollector,
        teacher: Teacher,
    ):
        self.mask_history = config["mask_history"]
        self.scoring_models = scoring_models
        self.history = history
        self.collector = collector
        self.teacher = teacher
        self.other_collectors: dict[str, RankCollector] = {}
        self.shares = collector.shares = RowShares(Group.current())
        collector.begin()

    def rank(self, batch: _Batch, rank_rows: Callable[[_Batch], _Batch]) -> _Batch:
        """Rank a batch by the self model, and collect how the others rank it.

        Args:
            batch: What RecBole's loader gives.
            rank_rows: RecBole's ranking of a batch by the self model.

        Returns:
            What ``rank_rows`` gives: the scores of the self model, -inf where an item is not ranked; None instead of
            them if another process ranks the batch.
        """
        rows, _, target_row, target_item = batch
        if not self.shares.takes(len(rows)):
            return rows, None, target_row, target_item
        left_out = self.left_out(rows, target_item)
        own = self.scoring_models[0]
        ranked = rank_rows((own.trimmed(rows), left_out, target_row, target_item))
        if len(self.scoring_models) > 1:
            self.collector.check(ranked[1].amax(1))  # before the teacher, which takes over what is wrong here
            for role, scores in self._scores_by_role(rows, ranked[1], left_out).items():
                if role != own.role:
                    self._collector_of(role).eval_batch_collect(scores, rows, target_row, target_item)
        return ranked

    def _collector_of(self, role: str) -> RankCollector:
        if role not in self.other_collectors:
            self.other_collectors[role] = self.collector.for_role(role)
        return self.other_collectors[role]

    def left_out(self, rows: Interaction, targets: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the rows' full histories without their targets, as row numbers and items; None without a mask.

        Args:
            rows: The rows to evaluate.
            targets: Their targets, shape [B]; a target that is also in the history is still ranked.
        """
        if not self.mask_history:
            return None
        device = self.history.items.device
        start, end = (rows[field].to(device) for field in (HISTORY_START, HISTORY_END))
        row, item = self.history.pairs(start, end)
        is_other = item != targets.to(device)[row]
        return row[is_other], item[is_other]

    def _scores_by_role(
        self, rows: Interaction, own_scores: Tensor, left_out: tuple[Tensor, Tensor] | None
    ) -> dict[str, Tensor]:
        """Return the scores of all models and of the teacher by role, each of shape [B, V + 1]."""
        is_masked = torch.zeros_like(own_scores, dtype=torch.bool)
        is_masked[:, 0] = True  # the padding
        if left_out is not None:
            is_masked[left_out] = True
        scores = {}
        for place, scoring_model in enumerate(self.scoring_models):
            ranked_by = own_scores
            if place > 0:
                trimmed = scoring_model.trimmed(rows).to(own_scores.device)
                ranked_by = scoring_model.model.full_sort_predict(trimmed).view(own_scores.shape)
            scores[scoring_model.role] = scoring_model.as_scores(ranked_by).masked_fill(is_masked, -torch.inf)
        joint = self.teacher(*scores.values())
        return scores if joint is None else {**scores, "teacher": joint}

    def evaluation(self, own: ModelMetrics, evaluator: PlainEvaluator) -> Evaluation:
        """Return the result of the pass, once all rows are ranked.

        Raises:
            NonFiniteScores: A model or the teacher has only scores of -inf.
        """
        by_role = {self.scoring_models[0].role: own}
        for role in self.shares.names(self.other_collectors):
            by_role[role] = evaluator.evaluate(self._collector_of(role).get_data_struct())
        return Evaluation(
            metrics={role: dict(metrics) for role, metrics in by_role.items()},
            places={role: metrics.places for role, metrics in by_role.items()},
            scores={role: metrics.score for role, metrics in by_role.items()},
        )
