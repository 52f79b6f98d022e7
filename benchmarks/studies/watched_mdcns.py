"""MDCNS that counts its chosen negatives: a user's own sampler, named by its import path in ``why_it_works.py``."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.equations import divergence
from recbole_mdcns.negatives import Negatives, ScoredPool
from recbole_mdcns.negatives.mdcns import MDCNS


class Watched(MDCNS):
    """Trains exactly as MDCNS does, and keeps per epoch what was chosen.

    Attributes:
        epochs: Per finished epoch and view: ``distinct`` items chosen, ``entropy`` of the choice in nats, mean
            ``divergence`` of the chosen, and ``later``, the share of the chosen that the user takes later on; of all
            candidates ``pool divergence`` and ``pool later``; and for two views the share of targets for which they
            choose the same item, such as ``self = peer``.
    """

    def prepare(self, dataset: HistoryDataset) -> None:
        """Keep every sequence, whole, to know what a user takes later."""
        super().prepare(dataset)
        self.history, self.item_num = dataset.history.to(self.device), dataset.item_num
        self.epochs: list[dict[str, float]] = []
        self._reset()

    def _reset(self) -> None:
        self._chosen = torch.zeros(len(self.views), self.item_num, device=self.device)
        self._sums: dict[str, Tensor] = {}
        self._targets = 0

    def start_epoch(self, epoch: int) -> None:
        """Close the epoch before."""
        super().start_epoch(epoch)
        self.close_epoch()

    def close_epoch(self) -> None:
        """Turn the counts into figures of the epoch; called once more after the last one."""
        if not self._targets:
            return
        figures: dict[str, float] = {name: float(total) / self._targets for name, total in self._sums.items()}
        for view, counts in zip(self.views, self._chosen):
            share = counts[counts > 0] / counts.sum()
            figures[f"{view} distinct"] = float(len(share))
            figures[f"{view} entropy"] = float(-(share * share.log()).sum())
        self.epochs.append(figures)
        self._reset()

    def choose(self, pool: ScoredPool) -> Negatives:
        """Choose as MDCNS does."""
        self._pool = pool
        return super().choose(pool)

    @torch.no_grad()
    def view_columns(self, *scores: Tensor) -> Tensor:
        """Choose as MDCNS does, and count."""
        columns = super().view_columns(*scores)
        pool = self._pool
        chosen = pool.candidates.gather(1, columns)  # [T, views]
        distance = divergence(*scores)  # [T, N]
        whole = torch.full_like(pool.batch.history_end, len(self.history.items))
        is_later = self.history.contains(pool.batch.history_start, whole, pool.candidates)  # the past is in no pool
        of_chosen, later = distance.gather(1, columns), is_later.gather(1, columns)
        self._add("pool divergence", distance.mean(1))
        self._add("pool later", is_later.double().mean(1))
        for index, view in enumerate(self.views):
            self._chosen[index] += torch.bincount(chosen[:, index], minlength=self.item_num)
            self._add(f"{view} divergence", of_chosen[:, index])
            self._add(f"{view} later", later[:, index].double())
        for (one, first), (two, second) in itertools.combinations(enumerate(self.views), 2):
            self._add(f"{first} = {second}", (chosen[:, one] == chosen[:, two]).double())
        self._targets += len(columns)
        return columns

    def _add(self, name: str, values: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + values.sum()

    def state_dict(self) -> dict[str, Any]:
        """Return what MDCNS keeps, and the figures so far."""
        return {**super().state_dict(), "epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self.epochs = state["epochs"]
