"""The objective of a training step: losses on chosen negatives, Eqs. (2) to (13), or over the whole catalogue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.encoder.scoring_model import ScoringModel
from recbole_mdcns.equations import multi_view
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.pool_scores import item_order
from recbole_mdcns.losses import CatalogueLoss, LossOfNegatives, ModelScores, RankingLoss, resolve_loss
from recbole_mdcns.losses.returned import check_losses, check_mean_loss
from recbole_mdcns.negatives import Negatives, NegativeStrategy, ScoredPool, resolve_strategy
from recbole_mdcns.negatives.returned import check_candidates, check_negatives
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.shares import own_share
from recbole_mdcns.support.declared import is_known

#: The loss to minimise, summed over the models, and its weighted parts, named ``role/part``.
StepLoss = tuple[Tensor, dict[str, Tensor]]


class Objective(ABC):
    """The loss of a step of one or more models.

    Args:
        config: The run.
        loss: Its ranking loss.
        scoring_models: The models, the self model first.

    Attributes:
        strategy: The strategy that chooses the negatives; None if the loss takes none.
    """

    strategy: NegativeStrategy | None = None

    def __init__(self, config: MDCNSConfig, loss: RankingLoss, scoring_models: Sequence[ScoringModel]):
        self.loss = loss
        self.scoring_models = scoring_models
        self.loss_name = config["ranking_loss"]
        self.checks_loss = not is_known(type(loss))
        self.uses_autocast = bool(config["enable_amp"])
        self.device_type = config["device"].type
        self.group = Group.current()
        for scoring_model in scoring_models:
            loss.check_model(scoring_model)

    def prepare(self, dataset: HistoryDataset) -> None:  # noqa: B027
        """Prepare the draws for the training part."""

    def start_epoch(self, epoch: int) -> None:  # noqa: B027
        """Begin an epoch, counted from 0."""

    @abstractmethod
    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """Encode every history once per model, and return the loss of a step and its parts."""

    def encode(self, batch: TargetBatch) -> list[Tensor]:
        """Return each model's encodings of the histories of a batch, shape [T, .] each."""
        with torch.autocast(device_type=self.device_type, enabled=self.uses_autocast):
            return [scoring_model.encode(batch) for scoring_model in self.scoring_models]

    def summed(self, losses: Sequence[Tensor]) -> Tensor:
        """Return the sum of the models' losses.

        Raises:
            ConfigError: One of them has no gradient: its model would not learn.
        """
        for scoring_model, loss in zip(self.scoring_models, losses):
            if torch.is_grad_enabled() and not loss.requires_grad:
                raise ConfigError(
                    f"the loss of the {scoring_model.role} model {type(scoring_model.model).__name__} has no gradient, "
                    "and the model would not learn: its scores or its loss are computed without gradients (no_grad, "
                    "detach)"
                )
        return torch.stack(list(losses)).sum()

    def teacher(self, *scores: Tensor) -> Tensor | None:
        """Return the models' joint scores, see :meth:`NegativeStrategy.teacher`; None without a strategy."""
        return self.strategy.teacher(*scores) if self.strategy is not None else None

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the loss and of the strategy, as tensors and plain values."""
        return {"loss": self.loss.state_dict()}

    def fixed_state(self) -> dict[str, Any]:
        """Return the part of :meth:`state_dict` with fixed names and shapes; a user's own class may change its part."""
        parts = {"loss": self.loss, "strategy": self.strategy}
        return {name: state for name, state in self.state_dict().items() if is_known(type(parts[name]))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self.loss.load_state_dict(state["loss"])


class CatalogueObjective(Objective):
    """The sum of the models' losses over the whole catalogue."""

    loss: CatalogueLoss

    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """See :meth:`Objective.step_loss`."""
        models, own = self.scoring_models, own_share(batch, self.group)
        losses = [self.loss(model, encoding, own.target) for model, encoding in zip(models, self.encode(own))]
        if self.checks_loss:
            for loss in losses:
                check_mean_loss(self.loss_name, loss)
        if self.group.size > 1:
            mine = self.group.own(len(batch))  # none, if there are fewer targets than processes
            losses = [self.group.summed(loss * ((mine.stop - mine.start) / len(batch))) for loss in losses]
        return self.summed(losses), {f"{m.role}/all": loss.detach() for m, loss in zip(models, losses)}


class NegativesObjective(Objective):
    """The sum of the models' losses on the negatives that a strategy chooses, and of the strategy's further terms.

    Args:
        config: The run.
        loss: Its ranking loss.
        scoring_models: The models, the self model first.
        strategy: Its strategy.
    """

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

    def prepare(self, dataset: HistoryDataset) -> None:
        """See :meth:`NegativeStrategy.prepare`."""
        self.strategy.prepare(dataset)

    def start_epoch(self, epoch: int) -> None:
        """See :meth:`NegativeStrategy.start_epoch`."""
        self.strategy.start_epoch(epoch)

    def step_loss(self, batch: TargetBatch) -> StepLoss:
        """Draw candidates, encode every history once per model, and return the loss of a step and its parts."""
        candidates = self.strategy.propose(batch)  # [T, N]
        return self.target_loss(batch, self.encode(own_share(batch, self.group)), candidates)

    def target_loss(self, batch: TargetBatch, encodings: list[Tensor], candidates: Tensor) -> StepLoss:
        """Return the loss of T encoded targets, Eqs. (3) to (13).

        Several processes encode and score a share of the targets each. Then all of them know all scores, and take the
        same choices for all targets, with the same random numbers and states; gradients are of the own share.

        Args:
            batch: The targets.
            encodings: Per model, the result of :meth:`ScoringModel.encode` for this process's share, shape [own, .].
            candidates: Item ids, shape [T, N].
        """
        models = self.scoring_models
        if self._checks_strategy:
            check_candidates(self.strategy_name, candidates, len(batch), models[0].model.n_items)
        items = torch.cat([batch.target[:, None], candidates], dim=1)  # [T, 1 + N], the positive in column 0
        group, size = self.group, len(batch)
        own_items = items[group.computed(size)]
        order = item_order(own_items)
        own_scores = [model.score(encoding, own_items, order) for model, encoding in zip(models, encodings)]
        scores = [group.joined(of_model, size) for of_model in own_scores]
        if not is_known(type(self.strategy)):  # ours do not read encodings
            encodings = [group.joined(encoding, size) for encoding in encodings]
        pool = ScoredPool(batch, candidates, encodings, [s[:, 0] for s in scores], [s[:, 1:] for s in scores])
        chosen = self.strategy.choose(pool)
        if self._checks_strategy:
            check_negatives(self.strategy_name, self.strategy.views, chosen, pool)
            self._checks_strategy = False
        totals, parts = zip(*(self._model_loss(index, pool, chosen) for index in range(len(models))))
        named = [{f"{m.role}/{name}": loss.detach() for name, loss in of.items()} for m, of in zip(models, parts)]
        return self.summed(totals), {name: loss for of_model in named for name, loss in of_model.items()}

    def _model_loss(self, index: int, pool: ScoredPool, chosen: Negatives) -> StepLoss:
        """Return the loss of one model, Eq. (13), and its parts by view and term."""
        part = ModelScores(
            pool.positive[index], chosen.scores[index], chosen.weights[index], chosen.factors, chosen.log_q
        )
        result = self.loss(part)
        if self.checks_loss:
            check_losses(self.loss_name, result, part.negative.size(1))
        view_losses, weights = result  # [K], or [1] for all negatives together
        total = multi_view(view_losses, weights)
        extra = chosen.extra[index] if chosen.extra else {}
        views = self.strategy.views
        one_each = len(views) == len(view_losses)
        named = dict(zip(views, view_losses * weights)) if one_each else {views[0]: total}
        return total + sum(extra.values()), {**named, **extra}

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Objective.state_dict`."""
        return {**super().state_dict(), "strategy": self.strategy.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`Objective.load_state_dict`."""
        super().load_state_dict(state)
        self.strategy.load_state_dict(state["strategy"])


def make_objective(config: MDCNSConfig, scoring_models: Sequence[ScoringModel]) -> Objective:
    """Return the objective that ``ranking_loss`` and ``neg_sampler`` name.

    Raises:
        ConfigError: The loss cannot train one of the models, or is neither on negatives nor over the catalogue.
    """
    device, item_num = config["device"], scoring_models[0].model.n_items - 1
    loss = resolve_loss(config["ranking_loss"])(config, item_num, device)
    if isinstance(loss, CatalogueLoss):
        return CatalogueObjective(config, loss, scoring_models)
    if isinstance(loss, LossOfNegatives):
        strategy = resolve_strategy(config["neg_sampler"])(config, device)
        return NegativesObjective(config, loss, scoring_models, strategy)
    raise ConfigError(
        f"ranking_loss = {config['ranking_loss']!r} is not allowed: {type(loss).__name__} is neither a LossOfNegatives "
        "nor a CatalogueLoss"
    )
