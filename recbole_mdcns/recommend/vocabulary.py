"""Ids as the user writes them, and their numbers in a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.data.ids import as_text


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

    @cached_property
    def fingerprint(self) -> str:
        """The same for two vocabularies that give all items the same numbers."""
        return hashlib.sha1("\n".join(self.ids).encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()

    def numbers(self, ids: Iterable[Any]) -> np.ndarray:
        """Return the numbers of ids, texts or integers, shape [n]; 0 for those that nobody trained on.

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
