"""Files of recommendations, written batch by batch: csv, tsv, jsonl and parquet."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.recommend.top_items import TABLE_COLUMNS
from recbole_mdcns.support.safe_write import replacing

#: Rows that parquet keeps together; fewer are held in memory.
ROW_GROUP = 2**17


class TableWriter(ABC):
    """Appends tables of recommendations to a file."""

    @abstractmethod
    def add(self, table: pd.DataFrame) -> None:
        """Append rows."""

    def finish(self) -> None:  # noqa: B027
        """Write what is still held."""


class SeparatedWriter(TableWriter):
    """Writes a line per row below a header."""

    def __init__(self, file: BinaryIO, separator: str):
        self._file, self._separator = file, separator
        self._write(pd.DataFrame(columns=list(TABLE_COLUMNS)), header=True)

    def add(self, table: pd.DataFrame) -> None:
        """Append rows."""
        self._write(table, header=False)

    def _write(self, table: pd.DataFrame, header: bool) -> None:
        text = table.to_csv(sep=self._separator, index=False, header=header, lineterminator="\n")
        self._file.write(text.encode("utf-8"))


class JsonLinesWriter(TableWriter):
    """Writes a JSON object per row."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def add(self, table: pd.DataFrame) -> None:
        """Append rows."""
        if len(table):
            text = table.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
            self._file.write(text.rstrip("\n").encode("utf-8") + b"\n")


def arrow() -> Any:
    """Return pyarrow.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("a .parquet file needs pyarrow: pip install pyarrow, or write .csv") from None
    return pyarrow


class ParquetWriter(TableWriter):
    """Writes groups of rows with pyarrow.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO):
        self._arrow = pyarrow = arrow()
        types = (pyarrow.string(), pyarrow.int32(), pyarrow.string(), pyarrow.float32())
        self._schema = pyarrow.schema(list(zip(TABLE_COLUMNS, types)))
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema)
        self._held: list[pd.DataFrame] = []

    def add(self, table: pd.DataFrame) -> None:
        """Append rows."""
        self._held.append(table.astype({"user": str}))
        if sum(map(len, self._held)) >= ROW_GROUP:
            self._write_held()

    def finish(self) -> None:
        """Write what is still held, and the end of the file."""
        if self._held:
            self._write_held()
        self._writer.close()

    def _write_held(self) -> None:
        table = pd.concat(self._held, ignore_index=True)
        self._writer.write_table(self._arrow.Table.from_pandas(table, schema=self._schema, preserve_index=False))
        self._held = []


#: Writers by the ending of the file.
WRITERS: dict[str, Any] = {
    ".csv": lambda file: SeparatedWriter(file, ","),
    ".tsv": lambda file: SeparatedWriter(file, "\t"),
    ".jsonl": JsonLinesWriter,
    ".parquet": ParquetWriter,
}


def check_ending(path: Path) -> None:
    """Refuse a file whose ending names no kind of table.

    Raises:
        ConfigError: Says which endings are allowed.
    """
    if path.suffix.lower() not in WRITERS:
        raise ConfigError(f"{path} is not allowed: its ending must be {', '.join(WRITERS)}")


@contextlib.contextmanager
def table_writer(path: Path) -> Iterator[TableWriter]:
    """Open a file of recommendations; it is there once the block has ended without an error, and not before.

    Raises:
        ConfigError: The ending is unknown, or its package is not installed.
        WriteError: It cannot be written.
    """
    check_ending(path)
    with replacing(path) as file:
        writer: TableWriter = WRITERS[path.suffix.lower()](file)
        try:
            yield writer
        finally:  # also after an error: pyarrow would finish a file that is closed by then
            writer.finish()
