"""A line of a raw file: its fields, and what they give as user, item and time.

A format (``formats.py``) returns a :class:`Layout` for a file, which reads single lines. Files are opened and lines
counted in ``interactions.py``.
"""

from __future__ import annotations

import csv
import reprlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from recbole_mdcns.errors import DataError, missing_columns

#: User, item, time (in the unit of the file), and whether the row counts as an interaction.
Row = tuple[str, str, float, bool]
#: Splits a line into fields; ValueError for a malformed line.
Split = Callable[[str], list[str]]
#: Whole numbers up to here are exact in 64-bit floats, which is what RecBole reads times as.
LARGEST_TIME = 2**53


@dataclass(frozen=True)
class Layout:
    """How the lines of one file are read.

    Attributes:
        parse: Rows of a line; ValueError says what is wrong with it.
        expected: What a line should look like, for messages.
        header: Whether the first line holds names instead of values.
    """

    parse: Callable[[str], list[Row]]
    expected: str
    header: bool = False


def headed(
    path: Path, header: str, split: Split, needed: Sequence[str], row: Callable[..., Row], named_by: str = ""
) -> Layout:
    """Return the layout of a file whose first line names its columns; ``named_by`` says how to name other ones."""
    try:
        columns = split(header)
    except ValueError:
        columns = [header]
    missing = [name for name in needed if name not in columns]
    if missing:
        column_names = ", ".join(reprlib.repr(name) for name in columns)
        separated = f", separated by {'commas' if split is csv_fields else 'tabs'}"
        raise DataError(f"{path}, line 1: {missing_columns(missing)}; found {column_names}{separated}{named_by}")
    twice = [name for name in needed if columns.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}, line 1: column {twice[0]} is there {columns.count(twice[0])} times: rename all but one"
        )
    return table(split, columns, needed, row, header=True)


def table(
    split: Split, columns: Sequence[str], needed: Sequence[str], row: Callable[..., Row], header: bool = False
) -> Layout:
    """Return the layout of lines of fields; ``row`` gets the needed ones, in that order."""
    pick = itemgetter(*(list(columns).index(name) for name in needed))

    def parse(line: str) -> list[Row]:
        fields = split(line)
        if len(fields) != len(columns):
            raise ValueError(f"found {len(fields)} fields in {reprlib.repr(line)}")
        return [row(*pick(fields))]

    return Layout(parse, f"{len(columns)} fields {', '.join(columns)}", header)


def row_of(user: str, item: str, time: str, counts: bool = True) -> Row:
    """Return a row; ValueError for an id or a time that an atomic file cannot hold."""
    check_token("user", user)
    check_token("item", item)
    return user, item, number("timestamp", time), counts


def check_token(name: str, token: str) -> None:
    """Refuse an id that an atomic file cannot hold.

    Raises:
        ValueError: It is empty, or has a control character or half of a pair of surrogates; the message begins with the
            name of its column.
    """
    if not token:
        raise ValueError(f"{name} is empty")
    if not token.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in token):
        raise ValueError(f"{name} = {reprlib.repr(token)} has a tab or another control character")


def number(name: str, text: str) -> float:
    """Return a finite number of at most 2^53; ValueError, which begins with ``name``, for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST_TIME or "_" in text:  # also catches nan
        raise ValueError(f"{name} = {reprlib.repr(text)} is not a finite number of at most 2^53")
    return value


def csv_fields(line: str, separator: str = ",") -> list[str]:
    """Return the fields of a line of csv; ValueError if it is none."""
    try:
        return next(csv.reader((line,), strict=True, delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{reprlib.repr(line)} is not csv ({error})") from None


def tabs(line: str) -> list[str]:
    """Return the fields between tabs."""
    return line.split("\t")


def extension(path: Path) -> str:
    """Return the lower-case ending of a file name, without ``.gz``."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
