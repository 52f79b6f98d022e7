"""Raw files as integer arrays, read line by line in one pass; bad lines are named or counted."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recbole_mdcns.data.prepare.formats import Format, Selection
from recbole_mdcns.errors import DataError

#: A file without one good line among so many has another format.
_PROBE = 100
_NAMED = 10
_LINES_PER_UPDATE = 10_000


@dataclass
class BadLines:
    """Lines that cannot be used.

    Attributes:
        skip: Skip such lines; otherwise the first one is an error.
        count: Their number.
        named: Messages about the first ten.
    """

    skip: bool = False
    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Count one bad line, or raise DataError with the message."""
        if not self.skip:
            raise DataError(f"{message} (--bad_lines=skip leaves such lines out)")
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(message)

    def report(self) -> str:
        """Return the final message: their number, and the first ten."""
        which = f", the first {_NAMED}" if self.count > _NAMED else ""
        return "\n".join([f"{self.count} bad lines skipped{which}:", *self.named])


@dataclass
class Interactions:
    """Interactions as integers, in the order of the raw files, later in the order of the output.

    Attributes:
        user_tokens: Users' names in the order of their first appearance.
        item_tokens: Items' names, likewise.
        users: Index of the user of each interaction, shape [n].
        items: Index of its item, shape [n].
        times: Its time in the unit of the raw files, 64-bit floats, shape [n].
    """

    user_tokens: list[str]
    item_tokens: list[str]
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def take(self, which: np.ndarray) -> Interactions:
        """Return the interactions at these places, integers or booleans."""
        arrays = (self.users[which], self.items[which], self.times[which])
        return Interactions(self.user_tokens, self.item_tokens, *arrays)


def read_interactions(
    paths: Sequence[Path], raw_format: Format, chosen: Selection, bad_lines: BadLines
) -> tuple[Interactions, int]:
    """Read raw files one after the other, with a progress bar over their bytes on a terminal.

    Files are UTF-8; files that end in ``.gz`` are unpacked while they are read. Empty lines are skipped.

    Args:
        paths: The files.
        raw_format: Their format.
        chosen: Which rows count as interactions.
        bad_lines: Collects the lines that cannot be used.

    Returns:
        The interactions that count, in the order of the files, and the number of all rows.

    Raises:
        DataError: A file is missing, cannot be read or has another format, or the first bad line.
    """
    for path in paths:
        if os.path.isdir(path):
            raise DataError(f"raw file {path} is a folder: give its files")
        if not os.path.isfile(path):
            raise DataError(f"raw file {path} is missing")
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user_column, item_column, times = array("i"), array("i"), array("d")
    row_num = 0
    total = sum(path.stat().st_size for path in paths)
    with tqdm(total=total, desc="reading", unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for path in paths:
            line_num = good_num = 0
            for number, line in _numbered_lines(path, bar):
                if number == 1:
                    layout = raw_format.layout(path, line.decode(errors="replace").rstrip("\r\n"), chosen)
                    if layout.header:
                        continue
                if not line.strip():
                    continue
                line_num += 1
                try:
                    rows = layout.parse(line.decode().rstrip("\r\n"))
                    if raw_format.one_line_a_user and rows[0][0] in users:
                        raise ValueError(f"user {rows[0][0]!r} already has an earlier line")
                except ValueError as error:
                    message = f"{path}, line {number}: {error}; expected {layout.expected}"
                    if not good_num and line_num == _PROBE:
                        raise _wrong_format(path, line_num, message) from None
                    bad_lines.add(message)
                    continue
                good_num += 1
                for user, item, time, counts in rows:
                    row_num += 1
                    user_index = users.setdefault(user, len(users))
                    if counts:
                        user_column.append(user_index)
                        item_column.append(items.setdefault(item, len(items)))
                        times.append(time)
            if line_num and not good_num:
                raise _wrong_format(path, line_num, message)
    columns = (np.array(user_column), np.array(item_column), np.array(times))
    return Interactions(list(users), list(items), *columns), row_num


def _wrong_format(path: Path, line_num: int, message: str) -> DataError:
    return DataError(f"{path} seems to have another format: none of its first {line_num} lines can be read; {message}")


def _numbered_lines(path: Path, bar: tqdm) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file from number 1 on, without a byte order mark; unpack it if it is packed."""
    before, number, packed = bar.n, 0, path.suffix == ".gz"
    try:
        with path.open("rb") as stored, gzip.open(stored) if packed else nullcontext(stored) as file:
            for number, line in enumerate(file, 1):
                if number == 1 and b"\r" in line and not line.endswith(b"\n"):
                    raise DataError(f"{path}: lines end in a carriage return only; end them with a line feed")
                if number % _LINES_PER_UPDATE == 0:
                    bar.update(before + stored.tell() - bar.n)
                yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            bar.update(before + stored.tell() - bar.n)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is not a whole .gz file"
        raise DataError(f"{path}, after line {number}: cannot be read ({reason})") from None
    if number == 0:
        raise DataError(f"{path} is empty")
