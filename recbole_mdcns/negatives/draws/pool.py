"""The candidate pool: uniform, without repetition, without the target and what ``exclude`` names. Eq. (2)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from recbole.config import Config
from recbole.sampler import RepeatableSampler
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.passes import targets_of
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.allowed import AllowedItems
from recbole_mdcns.negatives.draws.distinct import (
    distinct_numbers,
    draws_for,
    first_good,
    mark_repeats,
    numbers_of_many,
)
from recbole_mdcns.negatives.draws.used_items import UsedItems

#: Excluded stretches with more entries than this multiple of a row's draws are searched, others are sorted. The value
#: is measured.
LONG = 2
#: Where the allowed items are, for each value of ``exclude``.
_LEFT = {
    "history": "outside history and target",
    "user_train": "outside its training sequence",
    "target": "apart from the target",
}


class CandidateSampler(RepeatableSampler):
    """Draws N different candidates per target from the items that are neither the target nor in its excluded stretch.

    The stretch is the target's full history, or whatever else ``exclude`` names; see :meth:`excluded`, which alone
    decides.

    All rows are drawn at once. A row gets more than N draws, and its candidates are the first N draws that are not in
    the stretch, not the target, and not an earlier draw of the row. All allowed items are treated equally: every set of
    N allowed items, and every item in every column, is equally likely. In crowded rows a draw can fail with a
    probability above one half; these rows draw numbers of allowed items instead (:class:`AllowedItems`). On a GPU all
    rows do so if the training set has crowded rows, because the host would otherwise wait to learn which rows these
    are. The host waits only if a row has fewer than 2 N allowed items.

    Time and memory grow with the number of draws, not with the lengths of the stretches: long ones are searched.

    The methods inherited from RecBole's sampler know a user but no row. They exclude the user's whole training
    sequence, which contains every history, whatever ``exclude`` is; draws by popularity are refused.

    Args:
        dataset: The dataset with all histories.
        candidate_num: N.
        seed: Seed of the sampler's own random generator.
        device: The device of batches and draws.
        exclude: ``history``, ``user_train`` or ``target``.
    """

    def __init__(
        self, dataset: HistoryDataset, candidate_num: int, seed: int, device: torch.device, exclude: str = "history"
    ):
        super().__init__("train", dataset)
        self.history = dataset.history.to(device)
        self.candidate_num = candidate_num
        self.exclude = exclude
        if exclude == "user_train":
            self.train_ends = self.used_ids.bounds[1].to(device)
        self.may_be_crowded = True  # until :meth:`check` has seen all rows
        self.has_twice = False  # each row has at least 2 N allowed items
        self.allowed_items: AllowedItems | None = None  # made for the first crowded row
        self.generator = torch.Generator(device).manual_seed(seed)
        self.may_read = device.type == "cpu"  # on a GPU the host would wait
        self._expect(0.5)

    def check(self, dataset: HistoryDataset, key: str = "neg_candidate_num", asked: int | None = None) -> None:
        """Check before training that every row of ``dataset`` has N candidates left.

        Args:
            dataset: The training part.
            key: The key that N comes from.
            asked: Its value, if N is another number: a target of a shared pool needs one item.

        Raises:
            ConfigError: A row has fewer; names the user and the number.
        """
        rows = targets_of(dataset, self.history.items.device)
        left = self.item_num - 1 - self.history.distinct_num(*self.excluded(rows))
        fewest = int(left.min()) - 1  # the target may be one item more
        self.may_be_crowded = bool(self._is_crowded(fewest))
        self.has_twice = fewest >= 2 * self.candidate_num
        if not self.may_be_crowded:
            self._expect((fewest - self.candidate_num + 1) / (self.item_num - 1))
        close = (left <= self.candidate_num).nonzero().squeeze(1)
        if not len(close):
            return
        left[close] = self.allowed_num(rows.select(close))
        fewest = int(left.argmin())
        if int(left[fewest]) < self.candidate_num:
            user = dataset.id2token(dataset.uid_field, int(rows.user[fewest]))
            cure = (
                f"set it to at most {int(left[fewest])}"
                if int(left[fewest])
                else "leave the user out, or take a loss over all items, CE"
            )
            raise ConfigError(
                f"{key} = {asked or self.candidate_num} is not allowed: user {user} has {int(left[fewest])} of "
                f"{self.item_num - 1} items left {_LEFT[self.exclude]}; {cure}"
            )

    def excluded(self, batch: TargetBatch) -> tuple[Tensor, Tensor]:
        """Return the stretch of the history index whose items each target excludes, beside itself.

        It begins where the user's sequence does. For ``history`` it is the full history. For ``user_train`` it is all
        that the user takes in the training part, targets included; under ``leave_one_out`` the items that the user is
        evaluated on come after it. For ``target`` it is empty.

        Returns:
            Where it begins, and where it ends (exclusive), shape [T] each; the host reads neither.
        """
        start = batch.history_start
        if self.exclude == "target":
            return start, start
        return start, self.train_ends[batch.user] if self.exclude == "user_train" else batch.history_end

    def allowed_num(self, batch: TargetBatch) -> Tensor:
        """Return the number of allowed items of each target, shape [T]."""
        start, end = self.excluded(batch)
        target_is_new = ~self.history.contains(start, end, batch.target[:, None]).squeeze(1)
        return self.item_num - 1 - self.history.distinct_num(start, end) - target_is_new.long()

    def forbidden(self, items: Tensor, batch: TargetBatch) -> Tensor:
        """Tell which items [T, K] are the target or excluded, shape [T, K]."""
        return self.history.contains(*self.excluded(batch), items) | (items == batch.target[:, None])

    def sample(self, batch: TargetBatch) -> Tensor:
        """Draw the candidate pools of a batch.

        Args:
            batch: T targets on the sampler's device, each with at least N allowed items.

        Returns:
            Item ids, shape [T, N].
        """
        if not self.may_be_crowded:
            return self._draw(batch)
        if self.has_twice and not self.may_read:
            return self._draw_numbers(batch)
        crowded = self._is_crowded(self.allowed_num(batch))  # [T]
        pool = torch.empty(len(batch), self.candidate_num, dtype=torch.int64, device=batch.target.device)
        for rows, draw in ((~crowded, self._draw), (crowded, self._draw_numbers)):
            index = rows.nonzero().squeeze(1)
            if len(index):
                pool[index] = draw(batch.select(index))
        return pool

    def _is_crowded(self, allowed_num):
        """Tell whether the last candidate of a row is drawn from less than half of all items."""
        return 2 * (allowed_num - self.candidate_num) < self.item_num - 1

    def _expect(self, good_chance: float) -> None:
        """Set the number of draws per row from a lower bound of the probability of a good draw."""
        self.draw_num = draws_for(self.candidate_num, good_chance)
        self.sorts_histories = self.may_read and self.history.mean_length <= LONG * self.draw_num

    def _draw(self, batch: TargetBatch) -> Tensor:
        drawn = self._randint((len(batch), self.draw_num))
        return first_good(drawn, self._is_bad(drawn, batch), self.candidate_num)

    def _is_bad(self, pool: Tensor, batch: TargetBatch) -> Tensor:
        """Mark draws [T, N] that are excluded, the target, or an earlier draw of their row.

        Short stretches join the sort that finds repeated draws; long ones are searched.
        """
        if not self.sorts_histories:
            return self.forbidden(pool, batch) | mark_repeats(pool, self.item_num)
        start, end = self.excluded(batch)
        long = end - start > LONG * self.draw_num
        row, seen = self.history.pairs(start, torch.where(long, start, end))
        own = torch.arange(len(batch), device=pool.device)
        before = torch.cat([row * self.item_num + seen, own * self.item_num + batch.target])
        bad = mark_repeats(pool, self.item_num, before)
        if long.any():
            bad[long] |= self.history.contains(start[long], end[long], pool[long])
        return bad

    def _draw_numbers(self, batch: TargetBatch) -> Tensor:
        if self.allowed_items is None:
            self.allowed_items = AllowedItems(self.history)
        left = self.allowed_num(batch)
        if self.has_twice:
            numbers = numbers_of_many(left, self.candidate_num, self.item_num, self.generator)
        else:
            numbers = distinct_numbers(left, self.candidate_num, self.generator)
        return self.allowed_items(numbers, batch.target, *self.excluded(batch))

    # -- RecBole's sampler ---------------------------------------------------------------------------------------------

    def get_used_ids(self) -> UsedItems:
        """Return the items of each user's training sequence; see :class:`UsedItems`."""
        return UsedItems(self.dataset)

    def set_distribution(self, distribution: str) -> None:
        """Take the uniform distribution; RecBole's other one is refused.

        Raises:
            ConfigError: Another distribution is asked for.
        """
        if distribution != "uniform":
            raise ConfigError(
                f"distribution = {distribution!r} is not allowed: candidates are drawn uniformly, Eq. (2); "
                "neg_sampler = 'pns' draws by popularity"
            )
        super().set_distribution(distribution)

    def sample_by_key_ids(self, key_ids: Iterable[int], num: int) -> Tensor:
        """Draw items that are not in the training sequences of users.

        Args:
            key_ids: B users.
            num: Items per user; one may be drawn again.

        Returns:
            Items in RecBole's order, shape [num * B]: the first of each user, then the second of each, and so on.

        Raises:
            ValueError: There is no such user, or one has no item left.
        """
        return self._sample_outside([self.used_ids[user] for user in key_ids], num)

    def sample_by_user_ids(self, user_ids: Iterable[int], item_ids: Iterable[int], num: int) -> Tensor:
        """Draw as :meth:`sample_by_key_ids` does, also without one item of each user, such as its target."""
        pairs = zip(user_ids, item_ids)
        return self._sample_outside([self.used_ids[user] | {int(item)} for user, item in pairs], num)

    def _sample_outside(self, used: Sequence[set[int]], num: int) -> Tensor:
        """Let RecBole draw items outside of a set for each row."""
        for row, items in enumerate(used):
            if len(items) >= self.item_num - 1:
                raise ValueError(f"row {row} has no item left to draw: its user has all {self.item_num - 1} items")
        by_row = copy.copy(self)
        by_row.used_ids = np.array(used, dtype=object)
        return super(CandidateSampler, by_row).sample_by_key_ids(np.arange(len(used)), num)

    def _uni_sampling(self, sample_num: int) -> np.ndarray:
        """Draw from the sampler's own generator, where RecBole's takes numpy's global one."""
        return self._randint((sample_num,)).cpu().numpy()

    def _randint(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randint(1, self.item_num, shape, generator=self.generator, device=self.generator.device)


def check_pool(config: Config, key: str, dataset: HistoryDataset) -> None:
    """Refuse more different candidates than the catalogue has items, before any model is built.

    Pools that fit the catalogue are checked where they are made.

    Args:
        config: The run.
        key: The key of the number of candidates; a run that does not read it passes.
        dataset: The training part.

    Raises:
        ConfigError: Names the key, its value, and the most that this dataset allows.
    """
    item_num = dataset.item_num - 1
    is_mixed = any(name in config and config[name] for name in ("pool_popular_share", "pool_in_batch_share"))
    if key not in config or config[key] <= item_num or is_mixed:  # draws of a mixture may repeat
        return
    if "pool_scope" in config and config["pool_scope"] == "batch":
        raise ConfigError(
            f"{key} = {config[key]} is not allowed: there are {item_num} items, and no candidate is drawn twice; set "
            f"it to at most {item_num}"
        )
    exclude = config["exclude"] if "exclude" in config else "history"  # noqa: SIM401  RecBole's Config has no get
    CandidateSampler(dataset, config[key], 0, torch.device("cpu"), exclude).check(dataset, key)
