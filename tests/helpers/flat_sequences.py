"""Users with sequences of given lengths, as the batches of a training read them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import strategies as st

from recbole_mdcns.data.history import HistoryIndex

#: Some users' numbers of items.
LENGTHS = st.lists(st.integers(2, 30), min_size=1, max_size=12)


def dataset_of(lengths, width, pad_side="right"):
    """Users with the given numbers of items, all items different; every prefix is a row."""
    items = np.arange(1, sum(lengths) + 1)
    begins = np.cumsum([0, *lengths])[:-1]
    starts = np.repeat(begins, lengths)
    ends = np.array([begin + place for begin, length in zip(begins, lengths) for place in range(1, length)])
    rows = {
        "user_id": np.repeat(np.arange(1, len(lengths) + 1), lengths)[ends],
        "item_id": items[ends],
        "history_start": starts[ends],
        "history_end": ends,
    }
    return SimpleNamespace(
        inter_feat={name: torch.from_numpy(column) for name, column in rows.items()},
        uid_field="user_id",
        iid_field="item_id",
        history=HistoryIndex(items, starts, len(items) + 1),
        max_item_list_len=width,
        config={"pad_side": pad_side},
    )
