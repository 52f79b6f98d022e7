"""What a model asks a dataset when it is built, answered from the names in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.data.interaction import Interaction

from recbole_mdcns.errors import CheckpointError


class StandInDataset:
    """Stands in for the dataset of a saved model: it knows how many users and items there were.

    Args:
        config: The model's configuration.
        sizes: By column, how many names it had, without the padding.

    Attributes:
        counted: The columns whose sizes were asked for.
    """

    def __init__(self, config: Any, sizes: Mapping[str, int]):
        self.config = config
        self.uid_field, self.iid_field = config["USER_ID_FIELD"], config["ITEM_ID_FIELD"]
        self.field2seqlen = {f"{self.iid_field}{config['LIST_SUFFIX']}": config["MAX_ITEM_LIST_LENGTH"]}
        #: No interactions: models look them up for their own training alone.
        self.inter_feat = Interaction({self.iid_field: torch.zeros(0, dtype=torch.int64)})
        self.counted: set[str] = set()
        self._sizes = sizes

    def num(self, field: str) -> int:
        """Return how many names a column had, the padding counted.

        Raises:
            CheckpointError: The checkpoint does not have the names of the column.
        """
        self.counted.add(field)
        if field not in self._sizes:
            raise CheckpointError(f"the model needs column {field}, whose names the checkpoint does not hold")
        return self._sizes[field] + 1

    @property
    def user_num(self) -> int:
        """Number of users, the padding counted."""
        return self.num(self.uid_field)

    @property
    def item_num(self) -> int:
        """Number of items, the padding counted."""
        return self.num(self.iid_field)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise CheckpointError(
            f"the model asks the data for {name!r}, which a checkpoint does not hold: load it with its data, by "
            "load_data_and_model"
        )
