"""Tables in files: csv, tsv, parquet and atomic files."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recbole_mdcns.errors import ConfigError, DataError

#: Separators by the ending of a text file.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
#: Endings of the files that can be read.
READABLE = (*SEPARATORS, ".parquet")
#: Texts that stand for no time; in columns of ids only nothing does.
NO_TIME = ("", "NaN", "nan", "NA", "NaT", "null", "None")


@dataclass(frozen=True)
class Columns:
    """The columns of a table of interactions.

    Attributes:
        user: Name of the column of users.
        item: Name of the column of items.
        time: Name of the column of times, numbers or dates.

    Raises:
        ConfigError: They are not three different names.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) < 3 or not all(isinstance(name, str) and name for name in names):
            raise ConfigError(f"columns = {', '.join(map(str, names))} is not allowed: give three different names")

    @property
    def names(self) -> list[str]:
        """The names of the columns: user, item, time."""
        return [self.user, self.item, self.time]

    def check(self, found: Sequence[Any], where: str, separator: str | None = None) -> None:
        """Refuse a table that lacks one of the columns, or has it twice.

        Args:
            found: The columns of the table.
            where: What the table is, for the error.
            separator: What separates its columns, where that is text.

        Raises:
            DataError: Names the columns.
        """
        listed = ", ".join(map(str, found)) or "none"
        missing = [name for name in self.names if name not in found]
        if missing:
            separated = "" if separator is None else f", separated by {separator!r}"
            raise DataError(
                f"{where} has no column {', '.join(map(repr, missing))}: it has {listed}{separated} (columns names the "
                "needed ones)"
            )
        twice = [name for name in self.names if list(found).count(name) > 1]
        if twice:
            raise DataError(f"{where} has the column {twice[0]!r} more than once: it has {listed}")


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """Read the columns of interactions from a file.

    Ids of text files stay as they are written: ``007`` is not 7, and ``NA`` is an id. Quotes have their usual meaning
    in csv and tsv files, and are text in atomic files, whose header may have types, ``user_id:token``.

    Raises:
        DataError: The file cannot be read, is of another kind, lacks a column or an id, or has no lines.
    """
    kind = path.suffix.lower()
    if kind not in READABLE:
        raise DataError(f"{path} is not allowed: its ending must be {', '.join(READABLE)}")
    try:
        table = pd.read_parquet(path) if kind == ".parquet" else _read_text(path, kind, columns)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except ImportError:
        raise DataError(f"{path} needs pyarrow to be read: pip install pyarrow, or give .csv") from None
    except ValueError as error:  # of pandas and pyarrow: no text, uneven lines, a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as {kind}: {reason}") from None
    columns.check(list(table.columns), str(path))
    if table.empty:
        raise DataError(f"{path} has no lines below its header")
    return table[columns.names]


def _line_of_open_quote(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if line.count('"') % 2)


def _read_text(path: Path, kind: str, columns: Columns) -> pd.DataFrame:
    is_atomic = kind == ".inter"
    layout: dict[str, Any] = {
        "sep": SEPARATORS[kind],
        "encoding": "utf-8",
        "quoting": csv.QUOTE_NONE if is_atomic else csv.QUOTE_MINIMAL,
        "header": None,
    }
    first = pd.read_csv(path, nrows=1, dtype=str, keep_default_na=False, **layout).iloc[0].tolist()
    names = [name.partition(":")[0] if is_atomic else name for name in first]
    columns.check(names, str(path), SEPARATORS[kind])
    texts = {place: str for place, name in enumerate(names) if name in (columns.user, columns.item)}
    with path.open(encoding="utf-8") as file:
        filled = (number for number, line in enumerate(file, 1) if line.strip(" \n"))
        header = next(filled)
        row_num = None if is_atomic else sum(1 for _ in filled)  # a quote is text in an atomic file
    missing = {**{place: [""] for place in texts}, names.index(columns.time): list(NO_TIME)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # a column of times and texts is refused later
        table = pd.read_csv(
            path,
            dtype=texts,
            keep_default_na=False,
            na_values=missing,
            skiprows=header,
            names=range(len(names)),
            **layout,
        )
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"its lines have more fields than the {len(names)} of its header")
    if row_num is not None and len(table) != row_num:
        raise ValueError(f"a quote in line {_line_of_open_quote(path)} does not end there: a row is one line")
    return table.set_axis(names, axis=1)
