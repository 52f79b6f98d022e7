"""ENS: items that were shown and not taken."""

from __future__ import annotations

from logging import getLogger
from typing import Any

import torch
from recbole.config import Config
from torch import Tensor

from recbole_mdcns.data.batch import TargetBatch
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.exposure import exposure_fingerprint, exposure_path, read_exposures
from recbole_mdcns.errors import CheckpointError, DataError
from recbole_mdcns.negatives.base import DrawnNegatives
from recbole_mdcns.negatives.draws.rejection import draw_allowed


class ENS(DrawnNegatives):
    """K negatives from the items that the user was shown before the target and did not take.

    With probability ``exposure_share`` a negative is drawn uniformly from these exposures (with repetition), otherwise
    from all items. Targets without exposures get uniform negatives. Exposures after the target are never used. Draws of
    the target or of excluded items are repeated. The name is from Table 1 of the MDCNS paper, which has no code for it.
    """

    views = ("exposed",)
    knows_proposal = False

    def __init__(self, config: Config, device: torch.device):
        super().__init__(config, device)
        self.share = config["exposure_share"]

    def prepare(self, dataset: HistoryDataset) -> None:
        """Read the exposures.

        Raises:
            DataError: The dataset has none, their file is malformed, or they do not fit the dataset.
        """
        super().prepare(dataset)
        exposures = read_exposures(dataset)
        self.data_fingerprint = exposure_fingerprint(exposure_path(dataset))
        self.items, self.first, self.count = (column.to(self.device) for column in exposures)
        share = float((self.count == 0).double().mean())
        if share == 1:
            raise DataError(
                f"neg_sampler = 'ens': none of the {len(self.count)} targets has an earlier exposure among "
                f"{len(self.items)} exposures of known users and items: do both files write users, items and times "
                "in the same way?"
            )
        getLogger().info(f"{len(self.items)} exposures; {share:.1%} of the targets have no earlier one")

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`NegativeStrategy.state_dict`; the state also identifies the exposures."""
        return {**super().state_dict(), "exposures": self.data_fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`NegativeStrategy.load_state_dict`.

        Raises:
            CheckpointError: The exposures have changed.
        """
        if state["exposures"] != self.data_fingerprint:
            raise CheckpointError("neg_sampler = 'ens': the exposures have changed since the start; train from scratch")
        super().load_state_dict(state)

    def propose(self, batch: TargetBatch) -> Tensor:
        """Draw K exposures of each target's user."""
        uniform = self.sampler.sample(batch)
        first, count = self.first[batch.row_index], self.count[batch.row_index]

        def draw(rows: Tensor) -> Tensor:
            shape = (len(rows), self.negative_num)
            place, chance = (torch.rand(shape, generator=self.generator, device=self.device) for _ in range(2))
            place = first[rows, None] + (place * count[rows, None]).long()
            use = (chance < self.share) & (count[rows, None] > 0)
            return torch.where(use, self.items[place.clamp(max=len(self.items) - 1)], uniform[rows])

        return draw_allowed(draw, batch, self.sampler)
