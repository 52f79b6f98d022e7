"""Reading an atomic ``.inter`` file whole and fast; one that is not clean is read again by ``check``, line by line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_mdcns import compat
from recbole_mdcns.data.check import Layout, check_inter_file
from recbole_mdcns.errors import DataError

_BLOCK = 1 << 24


def read_inter(path: Path, layout: Layout, columns: list[tuple[str, str]], wanted: set[str]) -> pd.DataFrame:
    """Read columns of an atomic interaction file.

    Args:
        path: The file.
        layout: What it must look like.
        columns: Name and type of every column, as ``check_header`` gives them.
        wanted: Names of the columns to read, of type ``token`` or ``float``.

    Returns:
        A frame with one row per line, tokens as categories and floats as float64.

    Raises:
        DataError: A line is malformed.
    """
    kinds = {name: kind for name, kind in columns if name in wanted}
    frame = None
    if _lines_are_even(path, layout.separator, len(columns)):
        try:
            frame = pd.read_csv(
                path,
                sep=layout.separator,
                header=0,
                names=[name for name, _ in columns],
                usecols=list(kinds),
                index_col=False,
                dtype={name: "float64" if kind == "float" else compat.token_dtype() for name, kind in kinds.items()},
                encoding=layout.encoding,
                engine="c",
                quoting=csv.QUOTE_NONE,
                low_memory=False,  # in one piece: joining the categories of many costs more
                keep_default_na=False,
                na_values=[""],
            )
        except ValueError:  # what a line holds is no number, or no text of this encoding
            frame = None
    if frame is None or not all(_is_filled(frame[name], kinds[name]) for name in layout.needed):
        check_inter_file(path, layout, wanted)
        raise DataError(f"{path} cannot be read: its lines look right, yet pandas reads other values from them")
    return frame.astype({name: "category" for name, kind in kinds.items() if kind == "token"})


def _is_filled(column: pd.Series, kind: str) -> bool:
    return bool(np.isfinite(column.to_numpy()).all() if kind == "float" else column.notna().all())


def _lines_are_even(path: Path, separator: str, column_num: int) -> bool:
    """Tell whether every line has as many separators as the header, by counting bytes."""
    mark, newline = separator.encode(), ord("\n")
    if len(mark) != 1:
        return False
    rest = np.empty(0, dtype=np.uint8)
    with path.open("rb") as file:
        file.readline()
        for block in iter(lambda: file.read(_BLOCK), b""):
            data = np.frombuffer(block, dtype=np.uint8)
            marks = np.concatenate([rest, data[(data == mark[0]) | (data == newline)]])
            whole = len(marks) // column_num * column_num
            lines, rest = marks[:whole].reshape(-1, column_num), marks[whole:]
            if (lines[:, :-1] != mark[0]).any() or (lines[:, -1] != newline).any():
                return False
    return len(rest) in (0, column_num - 1) and bool((rest == mark[0]).all())
