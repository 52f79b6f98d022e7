"""From the raw files of a dataset to RecBole's atomic file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from recbole_mdcns.data.kcore import k_core
from recbole_mdcns.data.prepare.formats import Format, Selection, find_format
from recbole_mdcns.data.prepare.interactions import BadLines, Interactions, read_interactions
from recbole_mdcns.data.prepare.table2 import statistics
from recbole_mdcns.errors import DataError, UserError
from recbole_mdcns.support.path_names import checked_name
from recbole_mdcns.support.safe_write import make_folder, remove_abandoned, replacing

_HEADER = b"user_id:token\titem_id:token\ttimestamp:float\n"
_ROWS_AT_ONCE = 100_000
#: Fields of Selection, and the options of the command that set them.
SELECTION_FLAGS = {
    "signal": "--signal",
    "first_day": "--from",
    "last_day": "--to",
    "min_rating": "--min_rating",
    "columns": "--columns",
}


@dataclass(frozen=True)
class Prepared:
    """A new atomic file.

    Attributes:
        path: The file.
        steps: The number of interactions read, and the number after each filter.
        statistics: See :func:`~recbole_mdcns.data.prepare.table2.statistics`.
        fewest_left: Items that the user with the most different items has not taken in training, without the last two.
    """

    path: Path
    steps: list[str]
    statistics: dict[str, float]
    fewest_left: int


def prepare(
    name: str,
    raw: Sequence[Path],
    out: Path,
    format_name: str | None = None,
    selection: Mapping[str, Any] | None = None,
    min_user: int | None = None,
    min_item: int | None = None,
    duplicates: str | None = None,
    skip_bad_lines: bool = False,
    overwrite: bool = False,
) -> Prepared:
    """Read raw files, filter, sort, and write ``<out>/<name>/<name>.inter``.

    Args:
        name: Name of the dataset.
        raw: Raw files, read in this order.
        out: Folder of the datasets.
        format_name: Format of the raw files; without it, the format of the dataset's name.
        selection: Fields of :class:`Selection` that the format takes, and their values.
        min_user: Least interactions of a user; the default is that of the format.
        min_item: Least interactions of an item; the default is that of the format.
        duplicates: Which of several interactions of a user and an item stays: ``first``, ``last`` or ``keep`` for all;
            the default is that of the format.
        skip_bad_lines: Count bad lines and name them on stderr; otherwise the first one is an error.
        overwrite: Replace an existing file.

    Raises:
        UserError: An argument does not fit the format, or the output exists.
        DataError: A raw file cannot be used, nothing is left to write, or the folder cannot be made.
        WriteError: The file cannot be written, or the disk is full.
    """
    path = new_inter_file(out, name, overwrite, "add --overwrite to replace it")
    raw_format = find_format(name, format_name)
    chosen = _selection(name, raw_format, selection or {})
    bad_lines = BadLines(skip=skip_bad_lines)
    data, row_num = read_interactions(raw, raw_format, chosen, bad_lines)
    if bad_lines.count:
        print(bad_lines.report(), file=sys.stderr)

    least = [raw_format.min_count if given is None else given for given in (min_user, min_item)]
    steps = [f"{row_num} interactions read"]
    selecting = {field: flag for field, flag in SELECTION_FLAGS.items() if field != "columns"}
    used = [flag for field, flag in selecting.items() if getattr(chosen, field) != getattr(Selection, field)]
    if used:
        steps.append(f"{len(data)} selected by {', '.join(used)}")
    return write_filtered(path, data, steps, least[0], least[1], duplicates or raw_format.duplicates)


def new_inter_file(out: Path, name: str, overwrite: bool, advice: str) -> Path:
    """Return the path of a dataset's interactions, which are about to be written.

    Args:
        out: Folder of the datasets.
        name: Name of the dataset.
        overwrite: An existing file is replaced.
        advice: How to replace it, for the message.

    Raises:
        UserError: The name cannot be that of a folder, or the file exists.
    """
    path = out / checked_name(name, "dataset") / f"{name}.inter"
    if os.path.exists(path) and not overwrite:
        raise UserError(f"{path} exists: {advice}")
    return path


def write_filtered(
    path: Path, data: Interactions, steps: list[str], min_user: int, min_item: int, duplicates: str
) -> Prepared:
    """Sort interactions by user and time, filter them, and write the atomic file.

    Args:
        path: The file.
        data: Interactions in the order of the user's data.
        steps: What has happened to them, with their number after each step; the filters are added.
        min_user: Least interactions of a user.
        min_item: Least interactions of an item.
        duplicates: ``first``, ``last`` or ``keep``; see :func:`prepare`.

    Raises:
        DataError: Nothing is left to write, or the folder cannot be made.
        WriteError: The file cannot be written, or the disk is full.
    """
    data = data.take(np.lexsort((data.times, data.users)))  # stable
    if duplicates != "keep":
        data = data.take(~_repeats(data, keep=duplicates))
        steps.append(f"{len(data)} without duplicates")
    if max(min_user, min_item) > 1 and len(data):
        data = data.take(k_core(data.users, data.items, min_user, min_item))
        steps.append(f"{len(data)} with at least {min_user} a user and {min_item} an item")
    if not len(data):
        raise DataError(f"nothing is left of {path.stem}: {', '.join(steps)}")

    try:
        make_folder(path.parent)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from None
    remove_abandoned(path.parent, path.name)
    with replacing(path) as file:
        write_inter(file, data)
    counts = statistics(data.users, data.items)
    return Prepared(path, steps, counts, int(counts["items"]) - _most_different(data))


def write_inter(file: BinaryIO, data: Interactions) -> None:
    """Write interactions in their order as an atomic file; whole times are written without decimals."""
    file.write(_HEADER)
    for start in range(0, len(data), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        columns = zip(data.users[rows].tolist(), data.items[rows].tolist(), data.times[rows].tolist())
        lines = (
            f"{data.user_tokens[user]}\t{data.item_tokens[item]}\t{int(time) if time.is_integer() else time!r}\n"
            for user, item, time in columns
        )
        file.write("".join(lines).encode())


def _most_different(data: Interactions) -> int:
    """Return the largest number of different items that a user has before the last two, in sorted interactions."""
    is_trained = data.users[:-2] == data.users[2:]
    pairs = pd.DataFrame({"user": data.users[:-2][is_trained], "item": data.items[:-2][is_trained]}).drop_duplicates()
    return int(pairs["user"].value_counts().max()) if len(pairs) else 0


def _repeats(data: Interactions, keep: str) -> np.ndarray:
    """Tell which interactions repeat a user and an item, other than the first or last of them, shape [n]."""
    pairs = data.users.astype(np.int64) * len(data.item_tokens) + data.items
    return pd.Series(pairs).duplicated(keep="last" if keep == "last" else "first").to_numpy()


def _selection(name: str, raw_format: Format, given: Mapping[str, Any]) -> Selection:
    for field in given:
        if field not in raw_format.options:
            takes = ", ".join(SELECTION_FLAGS[field] for field in raw_format.options) or "no such option"
            raise UserError(f"{SELECTION_FLAGS[field]} does not fit the format of {name}, which takes {takes}")
    chosen = Selection(**given)
    if chosen.first_day and chosen.last_day and chosen.first_day > chosen.last_day:
        raise UserError(f"--from={chosen.first_day} is after --to={chosen.last_day}")
    return chosen
