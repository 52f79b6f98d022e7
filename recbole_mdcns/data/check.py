"""Checks of an atomic ``.inter`` file: every error names the file and the line."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from recbole.config import Config

from recbole_mdcns.errors import DataError

_FIELD_TYPES = ("token", "float", "token_seq", "float_seq")


@dataclass(frozen=True)
class Layout:
    """What an atomic interaction file must look like.

    Attributes:
        needed: Names and types of the columns that it must have and fill.
        named_by: What sets these names, for the message.
        separator: What stands between columns.
        encoding: Encoding of the text.
    """

    needed: Mapping[str, str]
    named_by: str = "USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD"
    separator: str = "\t"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, config: Config) -> Layout:
        """Return the layout that a configuration asks for."""
        fields = (config["USER_ID_FIELD"], config["ITEM_ID_FIELD"], config["TIME_FIELD"])
        needed = dict(zip(fields, ("token", "token", "float")))
        return cls(needed, separator=config["field_separator"], encoding=config["encoding"])


def inter_file(config: Config) -> Path:
    """Return the ``.inter`` file that a configuration asks for."""
    return Path(config["data_path"]) / f"{config['dataset']}.inter"


def check_header(path: Path, layout: Layout) -> list[tuple[str, str]]:
    """Read the first line of an atomic interaction file.

    Args:
        path: The file.
        layout: What it must look like.

    Returns:
        Name and type of every column.

    Raises:
        DataError: The file is missing, its header is malformed or lacks a needed column, or nothing follows it.
    """
    if not path.is_file():
        raise DataError(f"dataset file {path} is missing: put the interactions of {path.stem!r} there")
    try:
        with path.open(encoding=layout.encoding) as lines:
            columns = _header(path, lines.readline().rstrip("\r\n"), layout)
            if not lines.readline():
                raise DataError(f"{path} is empty: it has a header and no interaction")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {error.encoding} text; set the key encoding") from None
    return columns


def check_inter_file(path: Path, layout: Layout, wanted: set[str] | None = None) -> None:
    """Check the header and every line of an atomic interaction file.

    Args:
        path: The file.
        layout: What it must look like.
        wanted: Names of the columns whose values are used; all of them when None.

    Raises:
        DataError: The file is missing or empty, lacks a needed column, or has a malformed line.
    """
    columns = check_header(path, layout)
    number = 1
    with path.open(encoding=layout.encoding) as lines:
        try:
            lines.readline()
            for line in lines:
                number += 1
                _check_line(line.rstrip("\r\n").split(layout.separator), columns, layout.needed, wanted)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, after line {number}: not {error.encoding} text; set the key encoding") from None
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None


def _header(path: Path, header: str, layout: Layout) -> list[tuple[str, str]]:
    columns = []
    for column in header.split(layout.separator):
        name, colon, kind = column.partition(":")
        if not colon or kind not in _FIELD_TYPES:
            raise DataError(
                f"{path}, line 1: column {column!r} is not name:type, with type {', '.join(_FIELD_TYPES)}, "
                f"columns separated by {layout.separator!r}"
            )
        columns.append((name, kind))
    missing = [name for name in layout.needed if name not in dict(columns)]
    if missing:
        raise DataError(
            f"{path}, line 1: column {' and '.join(missing)} is missing; found {', '.join(dict(columns))} "
            f"({layout.named_by} name the needed ones)"
        )
    for name, kind in columns:
        if kind != layout.needed.get(name, kind):
            raise DataError(f"{path}, line 1: column {name}:{kind} must be {name}:{layout.needed[name]}")
    return columns


def _check_line(
    values: list[str], columns: list[tuple[str, str]], needed: Collection[str], wanted: set[str] | None
) -> None:
    if len(values) != len(columns):
        raise ValueError(
            f"expected {len(columns)} columns ({', '.join(name for name, _ in columns)}), found {values!r}"
        )
    for (name, kind), value in zip(columns, values):
        if name in needed and not value:
            raise ValueError(f"{name} is empty")
        if kind == "float" and value and (wanted is None or name in wanted):
            try:
                finite = math.isfinite(float(value))
            except ValueError:
                finite = False
            if not finite:
                raise ValueError(f"{name} = {value!r} is not a number")
