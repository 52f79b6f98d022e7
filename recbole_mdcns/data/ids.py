"""Ids as the user gives them, texts or integers, as the texts that a data file holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.errors import DataError


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
