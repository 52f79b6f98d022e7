"""From a DataFrame to RecBole's atomic file, with the checks and filters of raw files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_mdcns.data.dates import ISO_DATE, seconds_of
from recbole_mdcns.data.ids import as_text
from recbole_mdcns.data.prepare.interactions import Interactions
from recbole_mdcns.data.prepare.prepare import Prepared, new_inter_file, write_filtered
from recbole_mdcns.data.prepare.raw_lines import LARGEST_TIME, check_token
from recbole_mdcns.errors import ConfigError, DataError, nearest
from recbole_mdcns.support.path_names import expanded

DUPLICATES = ("first", "last", "keep")
_TIMES = "times are numbers, dates, or texts such as 2024-05-31 18:30"
#: What ``infer_dtype`` calls a column of objects that are numbers, or dates.
_NUMBERS, _DATES = {"integer", "floating", "mixed-integer-float", "decimal"}, {"datetime", "datetime64", "date"}


def prepare_dataframe(
    df: pd.DataFrame,
    name: str,
    user: str = "user_id",
    item: str = "item_id",
    time: str = "timestamp",
    out: str | Path = "dataset",
    min_user: int = 5,
    min_item: int = 5,
    duplicates: str = "keep",
    overwrite: bool = False,
) -> Prepared:
    """Check, filter and sort interactions, and write ``<out>/<name>/<name>.inter``, which ``dataset=name`` trains on.

    The columns of the file are ``user_id``, ``item_id`` and ``timestamp``. Rows are grouped by user and sorted by time;
    equal times keep the order of the DataFrame. Other columns are left out.

    Args:
        df: A row per interaction.
        name: Name of the new dataset.
        user: Column of the users: texts or integers.
        item: Column of the items: texts or integers.
        time: Column of the times: numbers, written as they are, or dates, also as texts such as ``2024-05-31 18:30``,
            written as seconds since 1970; a date without a time zone is in UTC.
        out: Folder of the datasets, later ``data_path``; the default is that of a run.
        min_user: Least interactions of a user, in the k-core.
        min_item: Least interactions of an item, in the k-core.
        duplicates: Which of several interactions of a user and an item stays: ``first``, ``last``, or ``keep`` for all.
        overwrite: Replace an existing file.

    Returns:
        The path, the number of rows after each filter, and the statistics.

    Raises:
        UserError: An argument is not allowed, or the file exists.
        DataError: The DataFrame lacks a column, a value cannot be used, or nothing is left to write.
        WriteError: The file cannot be written; an older one is unchanged.
    """
    if not isinstance(df, pd.DataFrame):
        raise DataError(f"df is a {type(df).__name__}: give a pandas DataFrame with a row per interaction")
    _check_options(out, min_user, min_item, duplicates)
    path = new_inter_file(expanded(out), name, overwrite, "give another name, or overwrite=True to replace it")
    columns = _columns(df, {"user": user, "item": item, "time": time})
    if not len(df):
        raise DataError("df has no rows: give one per interaction")
    (users, user_tokens), (items, item_tokens) = _numbered(columns["user"]), _numbered(columns["item"])
    data = Interactions(user_tokens, item_tokens, users, items, _times(columns["time"]))
    return write_filtered(path, data, [f"{len(df)} interactions read"], min_user, min_item, duplicates)


def _check_options(out: Any, min_user: Any, min_item: Any, duplicates: Any) -> None:
    if not isinstance(out, (str, os.PathLike)):
        raise ConfigError(f"out = {out!r} is not allowed: give the path of a folder")
    for option, value in (("min_user", min_user), ("min_item", min_item)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise ConfigError(f"{option} = {value!r} is not allowed: give a whole number >= 0")
    if duplicates not in DUPLICATES:
        raise ConfigError(f"duplicates = {duplicates!r} is not allowed: choose {', '.join(DUPLICATES)}")


def _columns(df: pd.DataFrame, named: dict[str, Any]) -> dict[str, pd.Series]:
    """Return the columns of user, item and time; each is there once and has no missing value."""
    columns: dict[str, pd.Series] = {}
    known = [str(label) for label in df.columns]
    missing, faults = [], []
    for what, column in named.items():
        found = [place for place, label in enumerate(df.columns) if label == column]
        if not found:
            missing.append(f"{what} = {column!r}: df has no column {column!r}{nearest(str(column), known)}")
            continue
        if len(found) > 1:
            faults.append(f"{what} = {column!r}: df has {len(found)} columns {column!r}: rename all except one")
            continue
        same = [other for other in columns if named[other] == column]
        if same:
            faults.append(f"{same[0]} and {what} are both {column!r}: name a column for each")
            continue
        columns[what] = df.iloc[:, found[0]]
        lacking = columns[what].isna().to_numpy()
        if lacking.any():
            as_read = "" if what == "time" else "pd.read_csv(..., keep_default_na=False) keeps ids such as NA, "
            faults.append(
                f"df[{column!r}] has no value in {lacking.sum()} of {len(df)} rows, first in "
                f"df.iloc[{lacking.argmax()}]: {as_read}df.dropna(subset=[{column!r}]) drops such rows"
            )
    if missing:
        faults.append(f"{', '.join(missing)}: its columns are {', '.join(known)}")
    if faults:
        raise DataError("; ".join(faults))
    return columns


def _numbered(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return numbers from 0 in the order of first appearance, shape [n], and the ids that they stand for."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    where = f"df[{column.name!r}]"
    if pd.api.types.is_float_dtype(column.dtype):
        raise DataError(
            f"{where} holds numbers with decimals ({column.dtype}), such as {_shown(column.iloc[0])}: ids are texts "
            f"or integers; {where}.astype('int64') makes whole numbers integers"
        )
    numbers, tokens = pd.factorize(as_text(column, where))
    for number, token in enumerate(tokens):
        try:
            check_token(where, token)
        except ValueError as error:
            raise DataError(f"{error}, in df.iloc[{(numbers == number).argmax()}]") from None
    return numbers, tokens.tolist()


def _times(column: pd.Series) -> np.ndarray:
    """Return times as 64-bit floats, shape [n]."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    where, kind = f"df[{column.name!r}]", pd.api.types.infer_dtype(column)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or kind in {*_DATES, "string"}:
        return _seconds(column, where)
    if kind in _NUMBERS:
        said = "is not a finite number of at most 2^53 (divide nanoseconds by 10**9)"
        _refuse_first(column, where, ~((column >= -LARGEST_TIME) & (column <= LARGEST_TIME)), said)
        return column.to_numpy(dtype=np.float64)
    raise DataError(f"{where} holds {kind}, such as {_shown(column.iloc[0])}: {_TIMES}")


def _seconds(column: pd.Series, where: str) -> np.ndarray:
    """Return dates as seconds since 1970 in UTC, shape [n]."""
    seconds = seconds_of(column)
    bad = np.isnan(seconds)
    first = column.iloc[int(bad.argmax())]
    said = "is not a date of the calendar"
    if isinstance(first, str) and not ISO_DATE.fullmatch(first):
        said = f"is not a time: {_TIMES}; pd.to_numeric and pd.to_datetime convert others"
    _refuse_first(column, where, bad, said)
    return seconds


def _refuse_first(column: pd.Series, where: str, is_bad: Any, said: str) -> None:
    bad = np.asarray(is_bad, dtype=bool)
    if bad.any():
        place = int(bad.argmax())
        raise DataError(f"{where} = {_shown(column.iloc[place])} in df.iloc[{place}] {said}")


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
