"""Reading atomic files such as ``.inter``: clean files in one fast pass, others line by line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_mdcns import compat
from recbole_mdcns.data.files.validate import Layout, checked_lines, readable

_BLOCK = 1 << 24


def read_inter(path: Path, layout: Layout, columns: list[tuple[str, str]], wanted: set[str]) -> pd.DataFrame:
    """Read columns of an atomic file; quotes and words such as ``NA`` are plain text.

    Args:
        path: The file.
        layout: What it must look like.
        columns: Name and type of every column, as ``check_header`` gives them.
        wanted: Names of the columns to read.

    Returns:
        A frame with one row per line: tokens as categories, floats as float64, sequences as arrays of either. An empty
        token or float is missing, an empty sequence is empty.

    Raises:
        DataError: The file cannot be read, or a line is malformed.
    """
    kinds = {name: kind for name, kind in columns if name in wanted}
    with readable(path, layout.encoding):
        frame = _read_clean(path, layout, columns, kinds)
    if frame is None:
        frame = _read_checked(path, layout, columns, kinds)
    for name, kind in kinds.items():
        if kind.endswith("_seq"):
            entries = [_entries(value, layout.seq_separator, kind) for value in frame[name]]
            frame[name] = pd.Series(entries, index=frame.index, dtype=object)
    return frame.astype({name: "category" for name, kind in kinds.items() if kind == "token"})


def _read_clean(
    path: Path, layout: Layout, columns: list[tuple[str, str]], kinds: dict[str, str]
) -> pd.DataFrame | None:
    """Read a file at once; None if some value needs a check line by line."""
    if "float_seq" in kinds.values() or not _lines_are_even(path, layout.separator, len(columns)):
        return None
    types = {"float": "float64", "token": compat.token_dtype(), "token_seq": str}
    try:
        frame = pd.read_csv(
            path,
            sep=layout.separator,
            header=0,
            names=[name for name, _ in columns],
            usecols=list(kinds),
            index_col=False,
            dtype={name: types[kind] for name, kind in kinds.items()},
            encoding=layout.encoding,
            engine="c",
            quoting=csv.QUOTE_NONE,
            low_memory=False,  # in one piece: joining the categories of many costs more
            keep_default_na=False,
            na_values=[""],
        )
    except ValueError:  # a value is not a number, or no text of this encoding
        return None
    is_clean = all(_is_filled(frame[name], kinds[name]) for name in layout.needed)
    finite = all(not np.isinf(frame[name]).any() for name, kind in kinds.items() if kind == "float")
    return frame if is_clean and finite else None


def _read_checked(path: Path, layout: Layout, columns: list[tuple[str, str]], kinds: dict[str, str]) -> pd.DataFrame:
    """Read a file line by line, with any separator, line ends and encoding; an error names its line."""
    values_by_column: dict[str, list] = {name: [] for name, _ in columns}
    for values in checked_lines(path, layout, columns, kinds):
        for column, value in zip(values_by_column.values(), values):
            column.append(value or np.nan)
    dtypes = {name: np.float64 if kind == "float" else object for name, kind in kinds.items()}
    return pd.DataFrame({name: pd.Series(values_by_column[name], dtype=object).astype(dtypes[name]) for name in kinds})


def _entries(value: str | float, separator: str, kind: str) -> np.ndarray:
    """Return the entries of a sequence; an empty column is an empty sequence."""
    entries = [entry for entry in value.split(separator) if entry] if isinstance(value, str) else []
    return np.array(entries, dtype=np.float64 if kind == "float_seq" else object)


def _is_filled(column: pd.Series, kind: str) -> bool:
    return bool(np.isfinite(column.to_numpy()).all() if kind == "float" else column.notna().all())


def _lines_are_even(path: Path, separator: str, column_num: int) -> bool:
    """Tell whether every line has as many separators as the header, by counting bytes.

    It is False too if pandas would misread the bytes: it cuts a value at a NUL, and ends a line at a carriage return.
    """
    mark, newline = separator.encode(), ord("\n")
    if len(mark) != 1:
        return False
    rest = np.empty(0, dtype=np.uint8)
    returns, end = 0, b""
    with path.open("rb") as file:
        header = file.readline()
        if not header.endswith(b"\n") or header.count(b"\r") != header.endswith(b"\r\n"):
            return False
        for block in iter(lambda: file.read(_BLOCK), b""):
            if b"\0" in block:
                return False
            returns += block.count(b"\r") - block.count(b"\r\n") - (end == b"\r" and block[:1] == b"\n")
            end = block[-1:]
            data = np.frombuffer(block, dtype=np.uint8)
            marks = np.concatenate([rest, data[(data == mark[0]) | (data == newline)]])
            whole = len(marks) // column_num * column_num
            lines, rest = marks[:whole].reshape(-1, column_num), marks[whole:]
            if (lines[:, :-1] != mark[0]).any() or (lines[:, -1] != newline).any():
                return False
    return not returns and len(rest) in (0, column_num - 1) and bool((rest == mark[0]).all())
