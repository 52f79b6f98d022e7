"""A pool of items that all targets of a step share: drawn once, scored by one matrix product per model.

Letters: T targets, K items of the pool, V items.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.distinct import numbers_of_few, numbers_of_many
from recbole_mdcns.negatives.draws.own_rows import own_rows
from recbole_mdcns.negatives.draws.pool import CandidateSampler
from recbole_mdcns.negatives.draws.popularity import Popularity, item_counts


@dataclass(frozen=True)
class SharedPool:
    """The pool of a step.

    Attributes:
        items: Item ids in ascending order, shape [K].
        forbidden: Which of them each target must not have as a negative: itself and what ``exclude`` names, shape
            [T, K].
        log_q: Log probabilities of the targets [T] and of the items [T, K] in one draw, for each target; None if the
            items are all different and uniform.
    """

    items: Tensor
    forbidden: Tensor
    log_q: tuple[Tensor, Tensor] | None = None

    def candidates(self) -> Tensor:
        """Return the items as a row for each target, without a copy, shape [T, K]."""
        return self.items.expand(len(self.forbidden), -1)


class SharedPoolSampler:
    """Draws shared pools: K different uniform items, or K independent draws of a mixture.

    A draw of the mixture is the target of a random row of the batch, with the probability ``in_batch``; an item in
    proportion to a power of its training count, with the probability ``popular``; otherwise a uniform item. Over random
    batches, an item v that a target of user u may have is drawn with ``q(v) = a_u / V + a_p pop(v) + a_b f target(v)``.
    Here ``target(v)`` is the share of v in the n training targets. The factor ``f = (1 - k / T) n / (n - m)`` is close
    to 1. The target never takes k of the T rows of the batch, and the rows of training without such rows are n - m:
    with ``exclude: user_train`` those of u, otherwise the row itself.

    Args:
        dataset: The training part.
        item_num: K.
        sampler: Knows the items that a target must not have; its generator makes the draws.
        popular: Share of popular draws.
        in_batch: Share of targets of the batch.
        power: The power of :class:`Popularity`.

    Raises:
        ConfigError: K is more than V.
    """

    def __init__(
        self,
        dataset: HistoryDataset,
        item_num: int,
        sampler: CandidateSampler,
        popular: float = 0.0,
        in_batch: float = 0.0,
        power: float = 0.75,
    ):
        self.sampler, self.item_num = sampler, item_num
        self.catalogue = dataset.item_num - 1
        self.device = sampler.generator.device
        self.bound = torch.tensor([self.catalogue], device=self.device)
        if item_num > self.catalogue and not popular + in_batch:
            raise ConfigError(
                f"a pool of {item_num} different items is not allowed: the catalogue has {self.catalogue}; set "
                f"neg_candidate_num (neg_num with rns) to at most {self.catalogue}"
            )
        self.shares = (popular, in_batch)
        self.is_uniform = popular + in_batch == 0
        if not self.is_uniform:
            self.popularity = Popularity(item_counts(dataset), power, self.device)
            self._know_q(dataset)

    def _know_q(self, dataset: HistoryDataset) -> None:
        """Keep both parts of q of every item, shape [V + 1]; those of the padding are not used."""
        popular, in_batch = self.shares
        rows = dataset.inter_feat
        targets = torch.bincount(rows[dataset.iid_field], minlength=dataset.item_num).to(self.device)
        of_batch = in_batch * targets.double() / targets.sum()
        of_others = popular * self.popularity.probability + (1 - popular - in_batch) / self.catalogue
        self.q = torch.stack([of_batch, of_others]).float()  # [2, V + 1]
        every = of_batch + of_others
        self.least = every[every > 0].min().float()  # also for targets that no draw can give
        self.target_num = len(rows[dataset.iid_field])
        self.targets_of_user: Tensor | None = None
        if in_batch and self.sampler.exclude == "user_train":
            self.targets_of_user = torch.bincount(rows[dataset.uid_field]).to(self.device)

    def sample(self, batch: TargetBatch) -> SharedPool:
        """Draw the pool of a batch."""
        items = (self._uniform() if self.is_uniform else self._mixed(batch)).sort().values
        return SharedPool(items, self._forbidden(items, batch), None if self.is_uniform else self._log_q(items, batch))

    def _log_q(self, items: Tensor, batch: TargetBatch) -> tuple[Tensor, Tensor]:
        """Return log q of the targets [T] and of the items [T, K]."""
        factor = self._factor(batch)  # [T, 1]

        def log_q(which: Tensor, factors: Tensor) -> Tensor:
            of_batch, of_others = self.q[:, which]
            return (of_batch * factors + of_others).clamp_(min=self.least).log_()

        differ = self.shares[1] > 0  # without in-batch draws all targets have the same row
        of_items = log_q(items, factor if differ else factor[:1])
        return log_q(batch.target, factor.squeeze(1)), of_items.expand(len(batch), -1)

    def _factor(self, batch: TargetBatch) -> Tensor:
        """Return f of each target's user, shape [T, 1]."""
        if self.targets_of_user is None:
            one = (1 - 1 / len(batch)) * self.target_num / max(self.target_num - 1, 1)
            return self.q.new_full((len(batch), 1), one)
        others = (self.target_num - self.targets_of_user[batch.user]).clamp(min=1)
        return ((1 - own_rows(batch.user).number / len(batch)) * self.target_num / others)[:, None]

    def _uniform(self) -> Tensor:
        draw = numbers_of_few if 2 * self.item_num > self.catalogue else numbers_of_many
        return draw(self.bound, self.item_num, self.catalogue, self.sampler.generator).squeeze(0) + 1

    def _mixed(self, batch: TargetBatch) -> Tensor:
        generator, shape = self.sampler.generator, (1, self.item_num)
        popular, in_batch = self.shares
        kind = torch.rand(shape, generator=generator, device=self.device)
        uniform = torch.randint(1, self.catalogue + 1, shape, generator=generator, device=self.device)
        row = torch.randint(len(batch), shape, generator=generator, device=self.device)
        drawn = torch.where(kind < popular, self.popularity.draw(shape, generator), uniform)
        return torch.where(kind >= 1 - in_batch, batch.target[row], drawn).squeeze(0)

    def _forbidden(self, items: Tensor, batch: TargetBatch) -> Tensor:
        """Mark the items that each target must not have, shape [T, K].

        A CPU looks for what is forbidden in the pool, which is less; a GPU looks for each item of the pool in the
        history, so that its host does not wait.
        """
        if not self.sampler.may_read:
            return self.sampler.forbidden(items.expand(len(batch), -1), batch)
        row, seen = self.sampler.history.pairs(*self.sampler.excluded(batch))
        own = torch.arange(len(batch), device=items.device)
        row, seen = torch.cat([row, own]), torch.cat([seen, batch.target])
        column = torch.searchsorted(items, seen).clamp_(max=len(items) - 1)
        inside = items[column] == seen
        forbidden = torch.zeros(len(batch), len(items), dtype=torch.bool, device=items.device)
        forbidden[row[inside], column[inside]] = True
        if self.is_uniform:
            return forbidden
        first = torch.searchsorted(items, items)  # an item that was drawn twice is found at its first place
        return forbidden[:, first]
