"""Tables in files: csv, tsv, parquet and atomic files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recbole_mdcns.errors import DataError

#: Separators by the ending of a text file.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
#: Endings of the files that can be read.
READABLE = (*SEPARATORS, ".parquet")


@dataclass(frozen=True)
class Columns:
    """The columns of a table of interactions.

    Attributes:
        user: Whose interaction.
        item: The item.
        time: When: a number, or a date.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"


def read_table(path: Path, columns: Columns) -> pd.DataFrame:
    """Read the columns of interactions from a file.

    Ids of text files stay as they are written: ``007`` is not 7, and ``NA`` is an id. The header of an atomic file may
    have types, ``user_id:token``.

    Args:
        path: The file; its ending tells its kind.
        columns: The columns that it should have.

    Raises:
        DataError: The file cannot be read, is of another kind, or lacks a column.
    """
    if path.suffix not in READABLE:
        raise DataError(f"{path} is not allowed: its ending must be {', '.join(READABLE)}")
    wanted = [columns.user, columns.item, columns.time]
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            separator = SEPARATORS[path.suffix]
            header = pd.read_csv(path, sep=separator, nrows=0, encoding="utf-8")
            names = {column: str(column).partition(":")[0] for column in header.columns}
            texts = {column: str for column, name in names.items() if name in wanted[:2]}
            as_written: dict[str, Any] = {"encoding": "utf-8", "keep_default_na": False, "na_values": [""]}
            table = pd.read_csv(path, sep=separator, dtype=texts, **as_written)
            table = table.rename(columns=names)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, ImportError) as error:  # of pandas and pyarrow: no text, uneven lines, a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as {path.suffix}: {reason}") from None
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(map(repr, missing))}: it has {', '.join(map(str, table.columns))}"
        )
    for column in wanted[:2]:
        lines = table[column].isna()
        if lines.any():
            raise DataError(f"{path}: {column} is missing in {int(lines.sum())} of {len(table)} lines")
    return table[wanted]
