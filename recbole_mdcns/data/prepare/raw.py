"""The raw formats in which datasets are published: how a line gives user, item and time.

A format is a function that looks at a file's name and first line and returns a ``Layout``, which reads single lines;
``FORMATS`` lists them. Files are opened and lines counted in ``interactions.py``.
"""

from __future__ import annotations

import ast
import csv
import datetime
import json
import re
import reprlib
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from operator import itemgetter
from pathlib import Path

from recbole_mdcns.errors import DataError, UserError, missing_columns

#: User, item, time (in the unit of the file), and whether the row counts as an interaction.
Row = tuple[str, str, float, bool]
#: Splits a line into fields; ValueError for a malformed line.
Split = Callable[[str], list[str]]
_BLANKS = re.compile(r"[ \t]+")
#: The signal that every row of KuaiRand has: the video was shown.
EXPOSURE = "exposure"
#: Whole numbers up to here are exact in 64-bit floats, which is what RecBole reads times as.
LARGEST_TIME = 2**53
_RATED = ("user", "item", "rating", "timestamp")
_AMAZON_2023 = ("user_id", "parent_asin", "rating", "timestamp")


@dataclass(frozen=True)
class Selection:
    """Which rows of a raw file count as interactions; a format takes only the fields that it names in ``options``.

    Attributes:
        signal: KuaiRand: every row (``exposure``), or the 0/1 column that must be 1.
        first_day, last_day: KuaiRand: days as YYYYMMDD, both inclusive.
        min_rating: Formats with ratings: the least one that counts.
        columns: A table of one's own: the columns of user, item and time.
        kinds: A table of one's own: whether its times are numbers or dates, once a row has been read.
    """

    signal: str = EXPOSURE
    first_day: str | None = None
    last_day: str | None = None
    min_rating: float | None = None
    columns: tuple[str, str, str] = ("user_id", "item_id", "timestamp")
    kinds: set[str] = field(default_factory=set, compare=False)


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


@dataclass(frozen=True)
class Format:
    """A raw format and its defaults.

    Attributes:
        layout: Makes the layout of a file from its path, its first line and the selection; DataError if it cannot.
        names: Patterns of the dataset names that have this format.
        options: Fields of ``Selection`` that it takes.
        min_count: Default of the k-core, for users and items.
        duplicates: Which of several interactions of a user and an item stays by default: first, last or keep (all).
        one_line_a_user: A line holds the whole sequence of a user.
    """

    layout: Callable[[Path, str, Selection], Layout]
    names: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    min_count: int = 5
    duplicates: str = "keep"
    one_line_a_user: bool = False


def find_format(dataset: str, format_name: str | None) -> Format:
    """Return the format of that name or, without one, the format that belongs to the dataset's name.

    Raises:
        UserError: No format belongs to the dataset's name.
    """
    if format_name is not None:
        return FORMATS[format_name]
    for candidate in FORMATS.values():
        if any(fnmatchcase(dataset, pattern) for pattern in candidate.names):
            return candidate
    known = ", ".join(f"{name} ({', '.join(f.names) or 'any other name'})" for name, f in FORMATS.items())
    raise UserError(f"the name {dataset!r} does not tell the format of its raw files: add --format, one of {known}")


def _amazon(path: Path, first_line: str, chosen: Selection) -> Layout:
    """Amazon reviews (McAuley).

    2014: ratings as .csv without header, or 5-core reviews as one object a line, .json; times in seconds. 2023: reviews
    as .jsonl, or ratings as .csv with a header; items are ``parent_asin``, times in milliseconds, and stay so.
    """
    row, kind = _rated(chosen), _extension(path)
    if kind == ".csv" and "parent_asin" in first_line:
        return _headed(path, first_line, _csv, _AMAZON_2023, row)
    if kind == ".csv":
        return _table(_csv, _RATED, _RATED, row)
    if kind in (".json", ".jsonl"):
        needed = _AMAZON_2023 if kind == ".jsonl" else ("reviewerID", "asin", "overall", "unixReviewTime")

        def parse(line: str) -> list[Row]:
            review = _object(line)
            missing = [key for key in needed if not isinstance(review.get(key), (str, int, float))]
            if missing:
                raise ValueError(f"{' and '.join(missing)} is missing or neither text nor a number")
            return [row(*(str(review[key]) for key in needed))]

        return Layout(parse, f"one object a line with {', '.join(needed)}")
    raise DataError(
        f"{path}: Amazon ratings end in .csv, reviews in .json or .jsonl, all with or without .gz (or give --format)"
    )


def _hetrec(path: Path, first_line: str, chosen: Selection) -> Layout:
    """HetRec 2011 LastFM: who tagged which artist, in milliseconds or by day; a day is written as its start in UTC."""
    if "day" in _tabs(first_line):
        return _headed(path, first_line, _tabs, ("userID", "artistID", "day", "month", "year"), _row_of_day)
    return _headed(path, first_line, _tabs, ("userID", "artistID", "timestamp"), _row)


def _kuairand(path: Path, first_line: str, chosen: Selection) -> Layout:
    """KuaiRand (Gao et al., CIKM 2022): logs of shown videos, with what the user did as 0/1 columns."""
    first, last = chosen.first_day or "00000000", chosen.last_day or "99999999"
    signals = () if chosen.signal == EXPOSURE else (chosen.signal,)

    def row(user: str, item: str, time: str, date: str, *values: str) -> Row:
        for name, value in zip(signals, values):
            if value not in ("0", "1"):
                raise ValueError(f"{name} = {reprlib.repr(value)} is not 0 or 1")
        if len(date) != 8 or not date.isdecimal():
            raise ValueError(f"date = {reprlib.repr(date)} is not YYYYMMDD")
        return _row(user, item, time, first <= date <= last and "0" not in values)

    return _headed(path, first_line, _csv, ("user_id", "video_id", "time_ms", "date", *signals), row)


def _movielens(path: Path, first_line: str, chosen: Selection) -> Layout:
    """MovieLens: ``::`` in .dat, tabs in u.data, csv with a header since ml-20m."""
    row, kind = _rated(chosen), _extension(path)
    if kind == ".csv":
        return _headed(path, first_line, _csv, ("userId", "movieId", "rating", "timestamp"), row)
    if kind == ".dat":
        return _table(lambda line: line.split("::"), _RATED, _RATED, row)
    if kind == ".data":
        return _table(_tabs, _RATED, _RATED, row)
    raise DataError(f"{path}: MovieLens ratings end in .dat, .data or .csv, all with or without .gz (or give --format)")


def _sequences(path: Path, first_line: str, chosen: Selection) -> Layout:
    """Plain text: each line has a user and their items in order; the time is the position, from 1."""

    def parse(line: str) -> list[Row]:
        user, *items = _BLANKS.split(line.strip(" \t"))  # not split(), to which more characters are blanks
        if not items:
            raise ValueError(f"user {reprlib.repr(user)} has no item")
        return [_row(user, item, str(position)) for position, item in enumerate(items, 1)]

    return Layout(parse, "'user item item ...', separated by spaces, one line a user")


def _own_table(path: Path, first_line: str, chosen: Selection) -> Layout:
    """A csv or tsv of one's own, whose header names the columns; dates are written as seconds since 1970 in UTC."""
    kind = _extension(path)
    if kind not in (".csv", ".tsv"):
        raise DataError(
            f"{path}: a table ends in .csv or .tsv, with or without .gz; prepare_dataframe takes others in Python"
        )
    split = _csv if kind == ".csv" else partial(_csv, separator="\t")
    row, named_by = _with_own_times(chosen.kinds), " (--columns names the needed ones)"
    return _headed(path, first_line, split, chosen.columns, row, named_by)


FORMATS = {
    "amazon": Format(_amazon, ("amazon-*",), ("min_rating",)),
    "hetrec": Format(_hetrec, ("lastfm",), duplicates="first"),
    "kuairand": Format(_kuairand, ("kuairand*",), ("signal", "first_day", "last_day"), duplicates="first"),
    "movielens": Format(_movielens, ("ml-*",), ("min_rating",), min_count=0),
    "lines": Format(_sequences, one_line_a_user=True),
    "table": Format(_own_table, options=("columns",)),
}


def _headed(
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
        separated = f", separated by {'commas' if split is _csv else 'tabs'}"
        raise DataError(f"{path}, line 1: {missing_columns(missing)}; found {column_names}{separated}{named_by}")
    twice = [name for name in needed if columns.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}, line 1: column {twice[0]} is there {columns.count(twice[0])} times: rename all but one"
        )
    return _table(split, columns, needed, row, header=True)


def _table(
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


def _rated(chosen: Selection) -> Callable[[str, str, str, str], Row]:
    least = float("-inf") if chosen.min_rating is None else chosen.min_rating
    return lambda user, item, rating, time: _row(user, item, time, _number("rating", rating) >= least)


def _row_of_day(user: str, item: str, day: str, month: str, year: str) -> Row:
    try:
        days = (datetime.date(int(year), int(month), int(day)) - datetime.date(1970, 1, 1)).days
    except (ValueError, OverflowError):
        raise ValueError(f"day, month, year = {reprlib.repr((day, month, year))} is not a date") from None
    return _row(user, item, str(days * 86_400_000))


def _with_own_times(kinds: set[str]) -> Callable[[str, str, str], Row]:
    """Return a reader of rows whose times are all numbers or all dates, which is noted in ``kinds``."""
    from recbole_mdcns.data.dates import ISO_DATE, seconds_of_text  # pandas, which --help does not need

    def row(user: str, item: str, time: str) -> Row:
        kind = "date" if ISO_DATE.fullmatch(time) else "number"
        try:
            seconds = seconds_of_text(time) if kind == "date" else float(time)
        except ValueError:
            shown = reprlib.repr(time)
            raise ValueError(f"time = {shown} is neither a number nor a date such as 2024-05-31 18:30") from None
        if not kinds <= {kind}:
            raise ValueError(f"time = {reprlib.repr(time)} is a {kind}, and the times before it are {min(kinds)}s")
        read = _row(user, item, repr(seconds) if kind == "date" else time)
        kinds.add(kind)
        return read

    return row


def _row(user: str, item: str, time: str, counts: bool = True) -> Row:
    check_token("user", user)
    check_token("item", item)
    return user, item, _number("timestamp", time), counts


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


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST_TIME or "_" in text:  # also catches nan
        raise ValueError(f"{name} = {reprlib.repr(text)} is not a finite number of at most 2^53")
    return value


def _object(line: str) -> dict:
    """Read an object written as JSON or, as in many files of 2014, as a Python literal."""
    try:
        try:
            value = json.loads(line)
        except ValueError:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # unknown escapes in the text of a review
                value = ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{reprlib.repr(line)} is not an object")
    return value


def _csv(line: str, separator: str = ",") -> list[str]:
    try:
        return next(csv.reader((line,), strict=True, delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{reprlib.repr(line)} is not csv ({error})") from None


def _tabs(line: str) -> list[str]:
    return line.split("\t")


def _extension(path: Path) -> str:
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
