"""The objective of losses on negatives: candidates, scores, choice and losses, Eqs. (2) to (13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.equations import FORBIDDEN_SCORE, consistency, multi_view
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.pool_scores import item_order
from recbole_mdcns.losses import LossOfNegatives, ModelScores
from recbole_mdcns.losses.listwise import log_mass_of
from recbole_mdcns.losses.returned import check_losses
from recbole_mdcns.negatives import Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.negatives.base import Candidates, DrawnNegatives
from recbole_mdcns.negatives.draws.shared_pool import SharedPool
from recbole_mdcns.negatives.returned import check_candidates, check_negatives, check_prepared
from recbole_mdcns.parallel.shares import own_share
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.trainer.objective import Objective, StepLoss


class NegativesObjective(Objective):
    """The sum of the models' losses on the negatives that a strategy chooses, and of the strategy's further terms."""

    loss: LossOfNegatives
    strategy: NegativeStrategy

    def __init__(
        self,
        config: MDCNSConfig,
        loss: LossOfNegatives,
        scoring_models: Sequence[ScoringModel],
        strategy: NegativeStrategy,
    ):
        super().__init__(config, loss, scoring_models)
        self.strategy = strategy
        self.strategy_name = config["neg_sampler"]
        self._checks_strategy = not is_known(type(strategy))  # at the first step
        self.consistency_weight = config["rdrop_weight"]
        takes_the_same = isinstance(strategy, DrawnNegatives) or (strategy.knows_proposal and loss.takes_all)
        if self.consistency_weight and not takes_the_same:
            raise ConfigError(
                f"rdrop_weight = {self.consistency_weight} is not allowed with neg_sampler = {self.strategy_name!r} "
                f"and ranking_loss = {config['ranking_loss']!r}, which choose other negatives in each of the two "
                "passes: give a strategy that draws its negatives, such as rns, or mdcns with ranking_loss = SSM"
            )

    def prepare(self, dataset: HistoryDataset) -> None:
        """See :meth:`NegativeStrategy.prepare`."""
        self.strategy.prepare(dataset)
        if self._checks_strategy:
            check_prepared(self.strategy_name, self.strategy)

    def start_epoch(self, epoch: int) -> None:
        """See :meth:`NegativeStrategy.start_epoch`."""
        super().start_epoch(epoch)
        self.strategy.start_epoch(epoch)

    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """Draw candidates, encode every history once per model, and return the loss of a step and its parts."""
        candidates = self.strategy.propose(batch)
        own = own_share(batch, self.group)
        pool = self.scored(batch, self.encode(own), candidates)
        if not self.consistency_weight:
            return self.pool_loss(pool)
        return self._both(pool, self.scored(batch, self.encode(own), candidates))

    def scored(self, batch: TargetBatch, encodings: list[Tensor], candidates: Candidates) -> ScoredPool:
        """Return the candidates with all models' scores, Eq. (3).

        Several processes encode and score a share of the targets each. Then all of them know all scores, and take the
        same choices for all targets, with the same random numbers and states; gradients are of the own share.

        Args:
            batch: The targets.
            encodings: Per model, the result of :meth:`ScoringModel.encode` for this process's share, shape [own, .].
            candidates: Item ids, shape [T, N], or a pool that all targets share.
        """
        models, group, size = self.scoring_models, self.group, len(batch)
        shared = candidates if isinstance(candidates, SharedPool) else None
        items: Tensor = shared.candidates() if shared else candidates  # type: ignore[assignment]
        if self._checks_strategy:
            check_candidates(self.strategy_name, items, size, models[0].model.n_items)
        if shared:
            parts = self._scores_of_shared(encodings, batch.target, shared)
        else:
            own_items = torch.cat([batch.target[:, None], items], dim=1)[group.computed(size)]  # [own, 1 + N]
            order = item_order(own_items)
            scores_of_all = [model.score(encoding, own_items, order) for model, encoding in zip(models, encodings)]
            parts = [(each[:, 0], each[:, 1:]) for each in scores_of_all]
        joined = [[group.joined(part, size) for part in of_model] for of_model in parts]
        if not is_known(type(self.strategy)):  # ours do not read encodings
            encodings = [group.joined(encoding, size) for encoding in encodings]
        positive, scores = map(list, zip(*joined))
        return ScoredPool(batch, items, encodings, positive, scores, shared, self.loss.takes_all)

    def _scores_of_shared(
        self, encodings: list[Tensor], target: Tensor, shared: SharedPool
    ) -> list[tuple[Tensor, Tensor]]:
        """Return each model's scores of the targets [own] and of the pool [own, K]."""
        own = self.group.computed(len(target))
        forbidden, scores = shared.forbidden[own], []
        for model, encoding in zip(self.scoring_models, encodings):
            positive, of_pool = model.score_shared(encoding, target[own], shared.items)
            scores.append((positive, of_pool.masked_fill_(forbidden, FORBIDDEN_SCORE)))
        return scores

    def pool_loss(self, pool: ScoredPool) -> StepLoss:
        """Return the loss of a scored pool, Eqs. (4) to (13)."""
        chosen = self.strategy.choose(pool)
        if self._checks_strategy:
            check_negatives(self.strategy_name, self.strategy.views, chosen, pool, self.loss.takes_mass)
            self._checks_strategy = False
        models, log_mass = self.scoring_models, self._log_mass(pool, chosen)
        totals, parts = zip(*(self._model_loss(index, pool, chosen, log_mass) for index in range(len(models))))
        named = [{f"{m.role}/{name}": loss.detach() for name, loss in of.items()} for m, of in zip(models, parts)]
        return self.summed(totals), {name: loss for of_model in named for name, loss in of_model.items()}

    def _both(self, first: ScoredPool, second: ScoredPool) -> StepLoss:
        """Return the mean loss of two dropout passes, and the distance between them (R-Drop)."""
        (loss, parts), (other, other_parts) = self.pool_loss(first), self.pool_loss(second)
        mean = {name: (value + other_parts[name]) / 2 for name, value in parts.items()}
        total = (loss + other) / 2
        for index, model in enumerate(self.scoring_models):
            one, two = (torch.cat([p.positive[index][:, None], p.scores[index]], dim=1) for p in (first, second))
            distance = self.consistency_weight * consistency(one, two)
            total = total + distance
            mean[f"{model.role}/rdrop"] = distance.detach()
        return total, mean

    def _log_mass(self, pool: ScoredPool, chosen: Negatives) -> Tensor | None:
        """Return the masses of the chosen negatives, if the loss takes them."""
        if not self.loss.takes_mass or chosen.log_mass is not None:
            return chosen.log_mass
        if chosen.log_q is not None and pool.shared is None:
            return log_mass_of(chosen.log_q)
        return self.strategy.log_mass(pool)

    def _model_loss(self, index: int, pool: ScoredPool, chosen: Negatives, log_mass: Tensor | None) -> StepLoss:
        """Return the loss of one model, Eq. (13), and its parts by view and term."""
        part = ModelScores(
            pool.positive[index], chosen.scores[index], chosen.weights[index], chosen.factors, chosen.log_q, log_mass
        )
        result = self.loss(part)
        if self.checks_loss:
            check_losses(self.loss_name, result, part.negative.size(1))
        view_losses, weights = result  # [K], or [1] for all negatives together
        total = multi_view(view_losses, weights)
        extra = chosen.extra[index] if chosen.extra else {}
        views = self.strategy.views
        one_each = len(views) == len(view_losses)
        together = "pool" if pool.takes_all and len(views) > 1 else views[0]
        named = dict(zip(views, view_losses * weights)) if one_each else {together: total}
        return total + sum(extra.values()), {**named, **extra}

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Objective.state_dict`."""
        return {**super().state_dict(), "strategy": self.strategy.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`Objective.load_state_dict`."""
        super().load_state_dict(state)
        self.strategy.load_state_dict(state["strategy"])
