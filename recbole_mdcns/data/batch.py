"""One training step's worth of targets, however their histories were batched."""

from __future__ import annotations

from dataclasses import dataclass

from recbole.config import Config
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mdcns.data.history import HISTORY_END, HISTORY_START


@dataclass
class TargetBatch:
    """T targets and what came before them.

    Attributes:
        user: Their users, shape [T].
        item_seq: Padded histories, newest L items, shape [T, L].
        item_length: Their lengths, shape [T].
        target: The items to predict, shape [T].
        history_start: Where each target's sequence begins in the history index, shape [T].
        history_end: Where its full history ends there (exclusive), shape [T].
    """

    user: Tensor
    item_seq: Tensor
    item_length: Tensor
    target: Tensor
    history_start: Tensor
    history_end: Tensor

    @classmethod
    def from_rows(cls, rows: Interaction, config: Config) -> TargetBatch:
        """Take one target per row of a RecBole batch."""
        item = config["ITEM_ID_FIELD"]
        return cls(
            user=rows[config["USER_ID_FIELD"]],
            item_seq=rows[item + config["LIST_SUFFIX"]],
            item_length=rows[config["ITEM_LIST_LENGTH_FIELD"]],
            target=rows[item],
            history_start=rows[HISTORY_START],
            history_end=rows[HISTORY_END],
        )

    def __len__(self) -> int:
        return len(self.target)
