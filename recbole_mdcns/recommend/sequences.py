"""Sequences of items as the user has them, lists, tables or files, as flat arrays of numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.data.dates import seconds_of
from recbole_mdcns.data.ids import as_text
from recbole_mdcns.errors import DataError
from recbole_mdcns.recommend.tables import Columns, read_table
from recbole_mdcns.recommend.vocabulary import Vocabulary

#: What to do with ids that nobody trained on.
ON_UNKNOWN = ("error", "skip")


def check_on_unknown(value: Any) -> None:
    """Refuse a misspelled value of ``on_unknown``.

    Raises:
        DataError: Says what is allowed.
    """
    if value not in ON_UNKNOWN:
        raise DataError(f"on_unknown = {value!r} is not allowed: choose {' or '.join(ON_UNKNOWN)}")


@dataclass(frozen=True)
class ItemSequences:
    """Sequences of item numbers, one after the other.

    Attributes:
        names: What each sequence is called: its user, or its place, shape [n].
        items: Item numbers, shape [sum of lengths].
        ends: Where each sequence ends in ``items`` (exclusive), shape [n].
        has_users: The names are users.
        numbered_by: Which items the numbers stand for, :attr:`Vocabulary.fingerprint`.
    """

    names: np.ndarray
    items: np.ndarray
    ends: np.ndarray
    has_users: bool = True
    numbered_by: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def starts(self) -> np.ndarray:
        """Where each sequence begins in ``items``, shape [n]."""
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """How many items each sequence has, shape [n]."""
        return np.diff(self.ends, prepend=0)

    def part(self, begin: int, end: int) -> ItemSequences:
        """Return some of the sequences, from ``begin`` to ``end`` (exclusive)."""
        ends = self.ends[begin:end]
        first = int(self.ends[begin - 1]) if begin > 0 else 0
        last = int(ends[-1]) if len(ends) else first
        return replace(self, names=self.names[begin:end], items=self.items[first:last], ends=ends - first)

    def only(self, is_kept: np.ndarray) -> ItemSequences:
        """Return the sequences that are marked, shape [n]."""
        lengths = self.lengths
        items = self.items[np.repeat(is_kept, lengths)]
        return replace(self, names=self.names[is_kept], items=items, ends=np.cumsum(lengths[is_kept]))


def item_sequences(given: Any, vocabulary: Vocabulary, columns: Columns, on_unknown: str = "error") -> ItemSequences:
    """Return the sequences that the user gave; those without an item are among them, and say so in the log.

    Args:
        given: Lists of item ids; a dict of such lists by user; a DataFrame with the columns; the path of a csv, tsv,
            parquet or atomic file with them; or sequences of numbers, which stay as they are.
        vocabulary: The items of the model.
        columns: The columns of a table.
        on_unknown: ``error`` refuses unknown items and empty sequences; ``skip`` leaves unknown items out, and logs how
            many, and how many sequences have none.

    Raises:
        DataError: The sequences cannot be used; says what was found and what is allowed.
    """
    check_on_unknown(on_unknown)
    if isinstance(given, ItemSequences):
        if given.numbered_by != vocabulary.fingerprint:
            raise DataError("sequences were read by a model with other items: read them with this one")
        return given
    source = ""
    if isinstance(given, (str, os.PathLike)):
        given, source = read_table(Path(given), columns), f"{given}: "
    has_users = isinstance(given, (pd.DataFrame, Mapping))
    if isinstance(given, pd.DataFrame):
        names, ids, place, lengths = _of_table(given, columns, source)
    else:
        names, ids, place, lengths = _of_lists(given)
    numbers = vocabulary.numbers(ids)[place] if len(place) else np.zeros(0, dtype=np.int64)
    read = ItemSequences(names, numbers, np.cumsum(lengths), has_users, vocabulary.fingerprint)
    unknown = numbers == 0
    if unknown.any():
        row = np.repeat(np.arange(len(names)), lengths)
        first = int(np.flatnonzero(unknown)[0])
        example = f"{ids[place[first]]!r} in the sequence of {_shown(names[row[first]])}"
        _tell_unknown(source, example, unknown, vocabulary, on_unknown)
        left = np.bincount(row[~unknown], minlength=len(names))
        read = replace(read, items=numbers[~unknown], ends=np.cumsum(left))
    is_empty = read.lengths == 0
    if is_empty.any():
        example = _shown(names[np.flatnonzero(is_empty)[0]])
        text = f"{source}{int(is_empty.sum())} of {len(names)} sequences have no item, such as that of {example}"
        if on_unknown == "error":
            raise DataError(f"{text}; on_unknown=skip leaves them out")
        getLogger().warning(f"{text}: they get no recommendations")
    return read


def _shown(name: Any) -> str:
    return repr(name) if isinstance(name, str) else f"list {name}"


def _tell_unknown(source: str, example: str, unknown: np.ndarray, vocabulary: Vocabulary, on_unknown: str) -> None:
    text = (
        f"{source}{int(unknown.sum())} of {len(unknown)} items are not among the {len(vocabulary)} that the model was "
        f"trained on, such as {example}"
    )
    known = f"; the model knows ids such as {vocabulary.examples()}" if unknown.all() else ""
    if on_unknown == "error":
        raise DataError(f"{text}{known or '; on_unknown=skip leaves them out'}")
    getLogger().warning(f"{text}{known}: they are left out")


def _of_lists(given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return names, item ids, the place in them of each entry of the sequences one after the other, and lengths."""
    if isinstance(given, Mapping):
        names, lists = as_text(list(given), "user"), list(given.values())
        if len(set(names)) < len(names):
            raise DataError("a user is given twice, as a number and as a text")
    else:
        if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
            raise DataError(
                f"sequences = {type(given).__name__} is not allowed: give lists of item ids, a dict of lists by user, "
                "a DataFrame, or the path of a file"
            )
        names, lists = np.arange(len(given)), list(given)
    for name, ids in zip(names, lists):
        if isinstance(ids, (str, bytes)) or not isinstance(ids, (Sequence, np.ndarray, pd.Series)):
            raise DataError(f"the sequence of {_shown(name)} is {ids!r}: expected a list of item ids")
    lengths = np.array([len(ids) for ids in lists], dtype=np.int64)
    flat = as_text([item for ids in lists for item in ids], "item")
    return names, flat, np.arange(len(flat)), lengths


def _of_table(
    table: pd.DataFrame, columns: Columns, source: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what :func:`_of_lists` does, in the order of users and times; users in the order of appearance."""
    columns.check(list(table.columns), "the table")
    row, names = _numbered(table[columns.user], columns.user, source)
    place, ids = _numbered(table[columns.item], columns.item, source)
    times = _times(table[columns.time], columns.time, source)
    order = np.lexsort((times, row))
    by_all = np.lexsort((place, times, row))
    sames = [each[by_all] for each in (row, times, place)]
    is_copy = np.all([each[1:] == each[:-1] for each in sames], axis=0)
    if is_copy.any():
        first = by_all[1:][is_copy].argmin()
        later, earlier = (int(rows[is_copy][first]) for rows in (by_all[1:], by_all[:-1]))
        shown = (f"line {later + 2}", f"line {earlier + 2}") if source else (f"df.iloc[{later}]", f"df.iloc[{earlier}]")
        getLogger().warning(
            f"{source}{shown[0]} has the same {columns.user}, {columns.item} and {columns.time} as {shown[1]} "
            f"({int(is_copy.sum())} such lines): all of them count, as in training"
        )
    return names, ids, place[order], np.bincount(row, minlength=len(names))


def _numbered(column: pd.Series, name: str, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each value among the different ids, and these as texts, in the order of appearance."""
    if column.isna().any():
        raise DataError(f"{source}{name} is missing in {int(column.isna().sum())} of {len(column)} lines")
    place, values = pd.factorize(column)
    again, texts = pd.factorize(as_text(values, name))  # 7 and '7' are one id
    return again[place] if len(place) else place, np.asarray(texts, dtype=object)


def _times(column: pd.Series, name: str, source: str) -> np.ndarray:
    """Return times as numbers that sort as the times do."""
    missing = int(column.isna().sum())
    if missing:
        raise DataError(f"{source}{name} is missing in {missing} of {len(column)} lines")
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.astype("int64").to_numpy()
    try:
        values = pd.to_numeric(column).to_numpy()
    except (ValueError, TypeError):
        return _of_dates(column, name, source)
    if values.dtype.kind in "iu":  # nanoseconds do not fit into floats
        return values
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"{source}{name} is not finite in {int((~np.isfinite(values)).sum())} of {len(values)} lines")
    return values


def _of_dates(column: pd.Series, name: str, source: str) -> np.ndarray:
    """Return the seconds of dates, as texts or as Python's own; of other texts nobody knows day and month."""
    is_dates = pd.api.types.infer_dtype(column) in ("date", "datetime")
    seconds = seconds_of(column if is_dates else column.map(str))
    bad = np.isnan(seconds)
    if bad.any():
        place = int(bad.argmax())
        where = f"line {place + 2}" if source else f"df.iloc[{place}]"
        raise DataError(
            f"{source}{name} = {column.iloc[place]!r} in {where} is neither a number nor a date such as "
            f"2024-05-31 18:30 ({int(bad.sum())} such lines)"
        )
    return seconds
