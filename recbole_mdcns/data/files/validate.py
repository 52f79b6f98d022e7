"""Checks of atomic files such as ``.inter``: every error names the file and the line."""

from __future__ import annotations

import codecs
import contextlib
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from recbole.config import Config

from recbole_mdcns.errors import DataError, missing_columns

_FIELD_TYPES = ("token", "float", "token_seq", "float_seq")


@dataclass(frozen=True)
class Layout:
    """The form of an atomic file.

    Attributes:
        needed: Names and types of the columns that it must have; no value in them may be empty.
        named_by: The keys that set these names, for the message.
        separator: The text between columns, taken literally.
        encoding: Encoding of the text; a byte order mark before UTF-8 is skipped.
        seq_separator: The text between the entries of a sequence.
    """

    needed: Mapping[str, str]
    named_by: str = "USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD"
    separator: str = "\t"
    encoding: str = "utf-8"
    seq_separator: str = " "

    @classmethod
    def of(cls, config: Config, source: str = "inter") -> Layout:
        """Return the form of a file of a dataset, by the keys of a run.

        Args:
            config: The run.
            source: The ending of the file's name: ``inter``, ``user``, ``item`` or another.
        """
        user, item, time = "USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD"
        named_by = {"inter": (user, item, time), "user": (user,), "item": (item,)}.get(source, ())
        needed = {config[key]: "float" if key == time else "token" for key in named_by}
        return cls(
            needed,
            " and ".join(", ".join(named_by).rsplit(", ", 1)),
            config["field_separator"],
            config["encoding"] or "utf-8",
            config["seq_separator"],
        )


def inter_file(config: Config) -> Path:
    """Return the ``.inter`` file of a run."""
    return Path(config["data_path"]) / f"{config['dataset']}.inter"


def check_is_file(path: Path) -> None:
    """Refuse a path that is not a file.

    Raises:
        DataError: The path does not exist, or is not a file.
    """
    if os.path.isdir(path):
        raise DataError(f"dataset file {path} is a folder: put a file of this name there")
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(f"dataset file {path} is a link to {os.readlink(path)}, which is missing")
    if not os.path.isfile(path):
        raise DataError(f"dataset file {path} is missing: put the {_content(path)}s of {path.stem!r} there")


def check_header(path: Path, layout: Layout) -> list[tuple[str, str]]:
    """Read the first line of an atomic file.

    Args:
        path: The file.
        layout: What it must look like.

    Returns:
        Name and type of every column.

    Raises:
        DataError: The file is missing, its header is malformed or lacks a needed column, or no line follows it.
    """
    check_is_file(path)
    if not layout.separator:
        raise DataError(f"field_separator = {layout.separator!r} is not allowed: give the text between columns")
    with _opened(path, layout.encoding) as lines:
        try:
            header, follows = lines.readline(), lines.readline()
        except UnicodeError:
            raise DataError(f"{path}: not {layout.encoding} text; set the key encoding") from None
    if not header:
        raise DataError(f"{path} is empty: its first line must name the columns")
    columns = _header(path, header.rstrip("\r\n"), layout)
    if not follows:
        raise DataError(f"{path} is empty: it has a header and no {_content(path)}")
    return columns


def checked_lines(
    path: Path, layout: Layout, columns: list[tuple[str, str]], wanted: Collection[str]
) -> Iterator[list[str]]:
    """Yield the values of every line below the header, checked.

    Args:
        path: The file.
        layout: What it must look like.
        columns: Name and type of every column, as :func:`check_header` gives them.
        wanted: Names of the columns whose values are used.

    Raises:
        DataError: A line is malformed.
    """
    number = 1
    with _opened(path, layout.encoding) as lines:
        try:
            lines.readline()
            for line in lines:
                number += 1
                values = line.rstrip("\r\n").split(layout.separator)
                _check_line(values, columns, layout, wanted)
                yield values
        except UnicodeError:
            raise DataError(f"{path}, after line {number}: not {layout.encoding} text; set the key encoding") from None
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None


@contextlib.contextmanager
def readable(path: Path, encoding: str) -> Iterator[None]:
    """Turn errors of reading, and unknown encodings, into one sentence."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except LookupError:
        raise DataError(f"encoding = {encoding!r} is not known: give one such as utf-8 or latin-1") from None


@contextlib.contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    with readable(path, encoding):
        with path.open("rb") as file:
            has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        if has_mark and codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-8-sig"
        lines = path.open(encoding=encoding)
    with lines:
        yield lines


def _content(path: Path) -> str:
    return {".inter": "interaction", ".item": "item", ".user": "user"}.get(path.suffix, "row")


def _header(path: Path, header: str, layout: Layout) -> list[tuple[str, str]]:
    columns = []
    for column in header.split(layout.separator):
        name, colon, kind = column.partition(":")
        if not colon or kind not in _FIELD_TYPES:
            raise DataError(
                f"{path}, line 1: column {column!r} is not name:type, with type {', '.join(_FIELD_TYPES)}, "
                f"columns separated by {layout.separator!r} (field_separator)"
            )
        columns.append((name, kind))
    twice = [name for name, count in Counter(name for name, _ in columns).items() if count > 1]
    if twice:
        raise DataError(f"{path}, line 1: column {twice[0]} is named twice: rename or remove one")
    missing = [name for name in layout.needed if name not in dict(columns)]
    if missing:
        raise DataError(
            f"{path}, line 1: {missing_columns(missing)}; found {', '.join(dict(columns))} "
            f"({layout.named_by} {'name the needed ones' if len(layout.needed) > 1 else 'names the needed one'})"
        )
    for name, kind in columns:
        if kind != layout.needed.get(name, kind):
            raise DataError(f"{path}, line 1: column {name}:{kind} must be {name}:{layout.needed[name]}")
    return columns


def _check_line(values: list[str], columns: list[tuple[str, str]], layout: Layout, wanted: Collection[str]) -> None:
    if len(values) != len(columns):
        raise ValueError(
            f"expected {len(columns)} columns ({', '.join(name for name, _ in columns)}), found {values!r}"
        )
    for (name, kind), value in zip(columns, values):
        if name in layout.needed and not value:
            raise ValueError(f"{name} is empty")
        if "\0" in value:
            raise ValueError(f"{name} = {value!r} has a NUL character")
        if name in wanted and kind.startswith("float"):
            for number in value.split(layout.seq_separator) if kind == "float_seq" else [value]:
                if number and not _is_number(number):
                    raise ValueError(f"{name} = {value!r} is not a number" + (" each" if kind == "float_seq" else ""))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text  # Python alone reads 1_000
    except ValueError:
        return False
