"""A weight that grows over the first epochs."""

from __future__ import annotations

import torch


class GrowingWeight:
    """A weight that grows from 0 in equal steps.

    Args:
        full: The weight after the first epochs.
        warm_up: The first epoch with the full weight, counted from 0; with 0 the weight does not grow.
        device: Where it is used.

    Attributes:
        now: The weight of this epoch, a scalar tensor that changes in place: captured steps read it.
    """

    def __init__(self, full: float, warm_up: int, device: torch.device):
        self.full, self.warm_up = full, warm_up
        self.now = torch.tensor(float(full), device=device)

    def start_epoch(self, epoch: int) -> None:
        """Set the weight of an epoch, counted from 0."""
        self.now.fill_(self.full * min(1.0, epoch / self.warm_up if self.warm_up else 1.0))
