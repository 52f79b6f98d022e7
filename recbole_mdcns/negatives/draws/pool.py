"""The candidate pool: uniform, without repetition, without history and target. Eq. (2)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from recbole.sampler import RepeatableSampler
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.allowed import AllowedItems
from recbole_mdcns.negatives.draws.distinct import distinct_numbers, draws_for, first_good, mark_repeats
from recbole_mdcns.negatives.draws.used_items import UsedItems

#: Histories with more entries than this multiple of a row's draws are searched, others are sorted. The value is
#: measured.
LONG = 2


class CandidateSampler(RepeatableSampler):
    """Draws N different candidates per target from the items that are neither the target nor in its full history.

    All rows are drawn at once. A row gets more than N draws, and its candidates are the first N draws that are not in
    the history, not the target, and not an earlier draw of the row. All allowed items are treated equally: every set of
    N allowed items, and every item in every column, is equally likely. In crowded rows a draw can fail with a
    probability above one half; these rows draw numbers of allowed items instead (:class:`AllowedItems`). If the
    training set has no crowded row, no step waits for a GPU.

    Time and memory grow with the number of draws, not with the lengths of the histories: long histories are searched.

    The methods inherited from RecBole's sampler know a user but no row. They exclude the user's whole training
    sequence, which contains every history; draws by popularity are refused.

    Args:
        dataset: The dataset with all histories.
        candidate_num: N.
        seed: Seed of the sampler's own random generator.
        device: The device of batches and draws.
    """

    def __init__(self, dataset: HistoryDataset, candidate_num: int, seed: int, device: torch.device):
        super().__init__("train", dataset)
        self.history = dataset.history.to(device)
        self.candidate_num = candidate_num
        self.may_be_crowded = True  # until :meth:`check` has seen all rows
        self.allowed_items: AllowedItems | None = None  # made for the first crowded row
        self.generator = torch.Generator(device).manual_seed(seed)
        self.may_read = device.type == "cpu"  # on a GPU the host would wait
        self._expect(0.5)

    def check(self, dataset: HistoryDataset, key: str = "neg_candidate_num") -> None:
        """Check before training that every row of ``dataset`` has N candidates left.

        Args:
            dataset: The training part.
            key: The key that N comes from.

        Raises:
            ConfigError: A row has fewer; names the user and the number.
        """
        rows, device = dataset.inter_feat, self.history.items.device
        start, end = rows[HISTORY_START].to(device), rows[HISTORY_END].to(device)
        left = self.item_num - 1 - self.history.distinct_num(start, end)
        fewest = int(left.min()) - 1  # the target may be one item more
        self.may_be_crowded = bool(self._is_crowded(fewest))
        if not self.may_be_crowded:
            self._expect((fewest - self.candidate_num + 1) / (self.item_num - 1))
        close = (left <= self.candidate_num).nonzero().squeeze(1)
        if not len(close):
            return
        target = rows[dataset.iid_field].to(device)
        left[close] = self.allowed_num(target[close], start[close], end[close])
        fewest = int(left.argmin())
        if int(left[fewest]) < self.candidate_num:
            user = dataset.id2token(dataset.uid_field, int(dataset.inter_feat[dataset.uid_field][fewest]))
            cure = (
                "set it to at most that"
                if int(left[fewest])
                else "leave the user out, or take a loss over all items, CE"
            )
            raise ConfigError(
                f"{key} = {self.candidate_num} is not allowed: user {user} has {int(left[fewest])} of "
                f"{self.item_num - 1} items left outside history and target; {cure}"
            )

    def allowed_num(self, target: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Return the number of allowed items of targets [T] with histories [start, end), shape [T]."""
        target_is_new = ~self.history.contains(start, end, target[:, None]).squeeze(1)
        return self.item_num - 1 - self.history.distinct_num(start, end) - target_is_new.long()

    def excluded(self, batch: TargetBatch) -> tuple[Tensor, Tensor]:
        """Return where the excluded stretch of each target begins and ends (exclusive), shape [T] each."""
        return batch.history_start, batch.history_end

    def forbidden(self, items: Tensor, batch: TargetBatch) -> Tensor:
        """Tell which items [T, K] are the target or in the full history, shape [T, K]."""
        seen = self.history.contains(batch.history_start, batch.history_end, items)
        return seen | (items == batch.target[:, None])

    def sample(self, batch: TargetBatch) -> Tensor:
        """Draw the candidate pools of a batch.

        Args:
            batch: T targets on the sampler's device, each with at least N allowed items.

        Returns:
            Item ids, shape [T, N].
        """
        fields = (batch.target, batch.history_start, batch.history_end)
        if not self.may_be_crowded:
            return self._draw(*fields)
        crowded = self._is_crowded(self.allowed_num(*fields))  # [T]
        pool = torch.empty(len(batch), self.candidate_num, dtype=torch.int64, device=batch.target.device)
        for rows, draw in ((~crowded, self._draw), (crowded, self._draw_numbers)):
            index = rows.nonzero().squeeze(1)
            if len(index):
                pool[index] = draw(*(field[index] for field in fields))
        return pool

    def _is_crowded(self, allowed_num):
        """Tell whether the last candidate of a row is drawn from less than half of all items."""
        return 2 * (allowed_num - self.candidate_num) < self.item_num - 1

    def _expect(self, good_chance: float) -> None:
        """Set the number of draws per row from a lower bound of the probability of a good draw."""
        self.draw_num = draws_for(self.candidate_num, good_chance)
        self.sorts_histories = self.may_read and self.history.mean_length <= LONG * self.draw_num

    def _draw(self, target: Tensor, start: Tensor, end: Tensor) -> Tensor:
        drawn = self._randint((len(target), self.draw_num))
        return first_good(drawn, self._is_bad(drawn, target, start, end), self.candidate_num)

    def _is_bad(self, pool: Tensor, target: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Mark draws [T, N] that are in the history, the target, or an earlier draw of their row.

        Short histories join the sort that finds repeated draws; long ones are searched.
        """
        if not self.sorts_histories:
            return (
                (pool == target[:, None]) | self.history.contains(start, end, pool) | mark_repeats(pool, self.item_num)
            )
        long = end - start > LONG * self.draw_num
        row, seen = self.history.pairs(start, torch.where(long, start, end))
        own = torch.arange(len(target), device=target.device)
        before = torch.cat([row * self.item_num + seen, own * self.item_num + target])
        bad = mark_repeats(pool, self.item_num, before)
        if long.any():
            bad[long] |= self.history.contains(start[long], end[long], pool[long])
        return bad

    def _draw_numbers(self, target: Tensor, start: Tensor, end: Tensor) -> Tensor:
        if self.allowed_items is None:
            self.allowed_items = AllowedItems(self.history)
        allowed_num = self.allowed_num(target, start, end)
        numbers = distinct_numbers(allowed_num, self.candidate_num, self.generator)
        return self.allowed_items(numbers, target, start, end)

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
        """Draw items that are neither a user's item in question nor in its training sequence.

        Args:
            user_ids: B users.
            item_ids: An item of each, such as its target.
            num: See :meth:`sample_by_key_ids`.

        Returns:
            See :meth:`sample_by_key_ids`.
        """
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
