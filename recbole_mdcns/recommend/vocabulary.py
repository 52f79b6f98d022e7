"""Ids as the user writes them, and their numbers in a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.errors import DataError


class Vocabulary:
    """The ids of one column of the training data, numbered from 1; number 0 is the padding.

    Args:
        names: The ids in the order of their numbers, from number 1 on.
        column: The column, for messages.

    Attributes:
        ids: The ids in the order of their numbers, from number 1 on, shape [V].
    """

    def __init__(self, names: Sequence[str], column: str):
        self.column = column
        self.ids = np.array(names, dtype=object)
        self._index = pd.Index(self.ids, dtype=object)

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: Iterable[Any]) -> np.ndarray:
        """Return the numbers of ids, shape [n]; 0 for those that nobody trained on.

        Args:
            ids: Texts or integers.

        Raises:
            DataError: An id is of another kind.
        """
        return self._index.get_indexer(pd.Index(as_text(ids, self.column), dtype=object)) + 1

    def names(self, numbers: np.ndarray) -> np.ndarray:
        """Return the ids of numbers from 1 on, any shape."""
        return self.ids[np.asarray(numbers) - 1]

    def examples(self) -> str:
        """Return some ids, for messages."""
        return ", ".join(map(repr, self.ids[:3].tolist()))


def as_text(ids: Iterable[Any], column: str) -> np.ndarray:
    """Return ids as the texts that a data file would hold, shape [n].

    Args:
        ids: Texts or integers; other numbers have more than one text.
        column: What they are ids of, for messages.

    Raises:
        DataError: An id is of another kind, such as 12.0 or nothing.
    """
    if isinstance(ids, (np.ndarray, pd.Series, pd.Index)):
        values = np.asarray(ids)
        if values.dtype.kind in "iu":
            return values.astype(str).astype(object)
        if values.dtype == object and pd.api.types.infer_dtype(values, skipna=False) == "string":
            return values
    texts = []
    for value in ids:
        if isinstance(value, str) or (isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))):
            texts.append(str(value))
        else:
            raise DataError(f"{column} = {value!r} is not allowed: ids are texts or integers")
    return np.array(texts, dtype=object)
