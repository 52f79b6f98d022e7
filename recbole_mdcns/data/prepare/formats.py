"""The raw formats in which datasets are published: how a line gives user, item and time.

A format is a function that looks at a file's name and first line and returns a ``Layout``, which reads single lines;
``FORMATS`` lists them.
"""

from __future__ import annotations

import ast
import datetime
import json
import re
import reprlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from recbole_mdcns.data.prepare.raw_lines import Layout, Row, csv_fields, extension, headed, number, row_of, table, tabs
from recbole_mdcns.errors import DataError, UserError

_BLANKS = re.compile(r"[ \t]+")
#: The signal that every row of KuaiRand has: the video was shown.
EXPOSURE = "exposure"
#: The id of an item of Amazon; ids of its users begin with A.
_ASIN = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
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

    2014: ratings as .csv without header, or 5-core reviews as one object a line, .json; times in seconds. 2018: reviews
    as .json; its ratings have the item first, and are refused. 2023: reviews as .jsonl, or ratings as .csv with a
    header; items are ``parent_asin``, times in milliseconds, and stay so.
    """
    row, kind = _rated(chosen), extension(path)
    if kind == ".csv" and "parent_asin" in first_line:
        return headed(path, first_line, csv_fields, _AMAZON_2023, row)
    if kind == ".csv":

        def of_2014(user: str, item: str, rating: str, time: str) -> Row:
            if _ASIN.fullmatch(user) and not _ASIN.fullmatch(item):
                raise ValueError(
                    f"{user!r} is the id of an item, and stands where that of the user is expected: ratings of 2018 "
                    "begin with the item; give the reviews (.json), or swap the two columns"
                )
            return row(user, item, rating, time)

        return table(csv_fields, _RATED, _RATED, of_2014)
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
    if "day" in tabs(first_line):
        return headed(path, first_line, tabs, ("userID", "artistID", "day", "month", "year"), _row_of_day)
    return headed(path, first_line, tabs, ("userID", "artistID", "timestamp"), row_of)


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
        return row_of(user, item, time, first <= date <= last and "0" not in values)

    return headed(path, first_line, csv_fields, ("user_id", "video_id", "time_ms", "date", *signals), row)


def _movielens(path: Path, first_line: str, chosen: Selection) -> Layout:
    """MovieLens: ``::`` in .dat, tabs in u.data, csv with a header since ml-20m."""
    row, kind = _rated(chosen), extension(path)
    if kind == ".csv":
        return headed(path, first_line, csv_fields, ("userId", "movieId", "rating", "timestamp"), row)
    if kind == ".dat":
        return table(lambda line: line.split("::"), _RATED, _RATED, row)
    if kind == ".data":
        return table(tabs, _RATED, _RATED, row)
    raise DataError(f"{path}: MovieLens ratings end in .dat, .data or .csv, all with or without .gz (or give --format)")


def _sequences(path: Path, first_line: str, chosen: Selection) -> Layout:
    """Plain text: each line has a user and their items in order; the time is the position, from 1."""

    def parse(line: str) -> list[Row]:
        user, *items = _BLANKS.split(line.strip(" \t"))  # not split(), to which more characters are blanks
        if not items:
            raise ValueError(f"user {reprlib.repr(user)} has no item")
        return [row_of(user, item, str(position)) for position, item in enumerate(items, 1)]

    return Layout(parse, "'user item item ...', separated by spaces, one line a user")


def _own_table(path: Path, first_line: str, chosen: Selection) -> Layout:
    """A csv or tsv of one's own, whose header names the columns; dates are written as seconds since 1970 in UTC."""
    kind = extension(path)
    if kind not in (".csv", ".tsv"):
        raise DataError(
            f"{path}: a table ends in .csv or .tsv, with or without .gz; prepare_dataframe takes others in Python"
        )
    split = csv_fields if kind == ".csv" else partial(csv_fields, separator="\t")
    row, named_by = _with_own_times(chosen.kinds), " (--columns names the needed ones)"
    return headed(path, first_line, split, chosen.columns, row, named_by)


FORMATS = {
    "amazon": Format(_amazon, ("amazon-*",), ("min_rating",)),
    "hetrec": Format(_hetrec, ("lastfm",), duplicates="first"),
    "kuairand": Format(_kuairand, ("kuairand*",), ("signal", "first_day", "last_day"), duplicates="first"),
    "movielens": Format(_movielens, ("ml-*",), ("min_rating",), min_count=0),
    "lines": Format(_sequences, one_line_a_user=True),
    "table": Format(_own_table, options=("columns",)),
}


def _rated(chosen: Selection) -> Callable[[str, str, str, str], Row]:
    least = float("-inf") if chosen.min_rating is None else chosen.min_rating
    return lambda user, item, rating, time: row_of(user, item, time, number("rating", rating) >= least)


def _row_of_day(user: str, item: str, day: str, month: str, year: str) -> Row:
    try:
        days = (datetime.date(int(year), int(month), int(day)) - datetime.date(1970, 1, 1)).days
    except (ValueError, OverflowError):
        raise ValueError(f"day, month, year = {reprlib.repr((day, month, year))} is not a date") from None
    return row_of(user, item, str(days * 86_400_000))


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
        read = row_of(user, item, repr(seconds) if kind == "date" else time)
        kinds.add(kind)
        return read

    return row


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
