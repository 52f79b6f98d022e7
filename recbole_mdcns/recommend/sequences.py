"""Sequences of items as the user has them, lists, tables or files, as flat arrays of numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.data.ids import as_text
from recbole_mdcns.errors import DataError
from recbole_mdcns.recommend.tables import Columns, read_table
from recbole_mdcns.recommend.vocabulary import Vocabulary

#: What to do with ids that nobody trained on.
ON_UNKNOWN = ("error", "skip")


@dataclass(frozen=True)
class ItemSequences:
    """Sequences of item numbers, one after the other.

    Attributes:
        names: What each sequence is called: its user, or its place, shape [n].
        items: Item numbers, shape [sum of lengths].
        ends: Where each sequence ends in ``items`` (exclusive), shape [n].
    """

    names: np.ndarray
    items: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def starts(self) -> np.ndarray:
        """Where each sequence begins in ``items``, shape [n]."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    def part(self, begin: int, end: int) -> ItemSequences:
        """Return some of the sequences, from ``begin`` to ``end`` (exclusive)."""
        first = int(self.starts[begin]) if begin < len(self) else len(self.items)
        ends = self.ends[begin:end]
        last = int(ends[-1]) if len(ends) else first
        return ItemSequences(self.names[begin:end], self.items[first:last], ends - first)


def item_sequences(given: Any, vocabulary: Vocabulary, columns: Columns, on_unknown: str = "error") -> ItemSequences:
    """Return the sequences that the user gave.

    Args:
        given: Lists of item ids; a dict of such lists by user; a DataFrame with the columns; or the path of a csv, tsv,
            parquet or atomic file with them.
        vocabulary: The items of the model.
        columns: Of a table.
        on_unknown: ``error`` refuses unknown items and empty sequences; ``skip`` leaves them out and logs how many.

    Raises:
        DataError: The sequences cannot be used; says what was found and what is allowed.
    """
    if on_unknown not in ON_UNKNOWN:
        raise DataError(f"on_unknown = {on_unknown!r} is not allowed: choose {' or '.join(ON_UNKNOWN)}")
    if isinstance(given, (str, os.PathLike)):
        given, source = read_table(Path(given), columns), f"{given}: "
    else:
        source = ""
    names, ids, lengths = _of_table(given, columns) if isinstance(given, pd.DataFrame) else _of_lists(given)
    numbers = vocabulary.numbers(ids) if len(ids) else np.zeros(0, dtype=np.int64)
    row = np.repeat(np.arange(len(names)), lengths)
    unknown = numbers == 0
    if unknown.any():
        _tell_unknown(source, ids, names[row], unknown, vocabulary, on_unknown)
        numbers, row = numbers[~unknown], row[~unknown]
    left = np.bincount(row, minlength=len(names))
    if not left.all():
        empty = np.flatnonzero(left == 0)
        text = f"{source}{len(empty)} of {len(names)} sequences have no item, such as that of {names[empty[0]]!r}"
        if on_unknown == "error":
            raise DataError(f"{text}; on_unknown = 'skip' leaves them out")
        getLogger().warning(f"{text}: they get no recommendations")
        names, left = names[left > 0], left[left > 0]
    return ItemSequences(names, numbers, np.cumsum(left))


def _tell_unknown(
    source: str, ids: np.ndarray, names: np.ndarray, unknown: np.ndarray, vocabulary: Vocabulary, on_unknown: str
) -> None:
    first = int(np.flatnonzero(unknown)[0])
    text = (
        f"{source}{int(unknown.sum())} of {len(unknown)} items are not among the {len(vocabulary)} that the model was "
        f"trained on, such as {ids[first]!r} in the sequence of {names[first]!r}"
    )
    if unknown.all():
        raise DataError(f"{text}; the model knows ids such as {vocabulary.examples()}")
    if on_unknown == "error":
        raise DataError(f"{text}; on_unknown = 'skip' leaves them out")
    getLogger().warning(f"{text}: they are left out")


def _of_lists(given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return names, item ids one after the other, and lengths."""
    if isinstance(given, Mapping):
        names, lists = as_text(list(given), "user"), list(given.values())
    else:
        if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
            raise DataError(
                f"sequences = {type(given).__name__} is not allowed: give lists of item ids, a dict of lists by user, "
                "a DataFrame, or the path of a file"
            )
        names, lists = np.arange(len(given)), list(given)
    for name, ids in zip(names, lists):
        if isinstance(ids, (str, bytes)) or not isinstance(ids, (Sequence, np.ndarray, pd.Series)):
            raise DataError(f"sequence {name!r} is {ids!r}: expected a list of item ids")
    lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
    flat = [item for ids in lists for item in ids]
    return names, as_text(flat, "item"), lengths


def _of_table(table: pd.DataFrame, columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return names, item ids in the order of users and times, and lengths; users in the order of appearance."""
    named = {what: getattr(columns, what) for what in ("user", "item", "time")}
    for what, column in named.items():
        if column not in table.columns:
            raise DataError(
                f"the sequences have no column {column!r} for {what}: they have {', '.join(map(str, table.columns))}"
            )
    users = as_text(table[columns.user], columns.user)
    items = as_text(table[columns.item], columns.item)
    times = _times(table[columns.time], columns.time)
    repeated = pd.DataFrame({"user": users, "item": items, "time": times}).duplicated()
    if repeated.any():
        place = int(np.flatnonzero(repeated)[0])
        raise DataError(
            f"{int(repeated.sum())} lines are there twice, such as {users[place]!r}, {items[place]!r} at "
            f"{table[columns.time].iloc[place]!r}: leave the copies out"
        )
    row, names = pd.factorize(users)
    order = np.lexsort((times, row))
    return np.asarray(names), items[order], np.bincount(row, minlength=len(names))


def _times(column: pd.Series, name: str) -> np.ndarray:
    """Return times as numbers that sort as the times do."""
    if column.isna().any():
        raise DataError(f"{name} is missing in {int(column.isna().sum())} of {len(column)} lines")
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.astype("int64").to_numpy()
    try:
        values = pd.to_numeric(column).to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        try:
            return pd.to_datetime(column, utc=True).astype("int64").to_numpy()
        except (ValueError, TypeError) as error:
            raise DataError(f"{name} holds values that are neither numbers nor dates: {error}") from None
    if not np.isfinite(values).all():
        raise DataError(f"{name} is not finite in {int((~np.isfinite(values)).sum())} of {len(values)} lines")
    return values
