"""Checks of an atomic ``.inter`` file: every error names the file and the line."""

from __future__ import annotations

import math
from pathlib import Path

from recbole.config import Config

from recbole_mdcns.errors import DataError

_FIELD_TYPES = ("token", "float", "token_seq", "float_seq")


def inter_file(config: Config) -> Path:
    """Return the ``.inter`` file that a configuration asks for."""
    return Path(config["data_path"]) / f"{config['dataset']}.inter"


def check_header(path: Path, config: Config) -> list[tuple[str, str]]:
    """Read the first line of an atomic interaction file.

    Args:
        path: The file.
        config: Names the separator, the encoding and the fields of user, item and time.

    Returns:
        Name and type of every column.

    Raises:
        DataError: The file is missing, its header is malformed or lacks a needed column, or nothing follows it.
    """
    if not path.is_file():
        raise DataError(f"dataset file {path} is missing: put the interactions of {config['dataset']!r} there")
    separator = config["field_separator"]
    needed = [config["USER_ID_FIELD"], config["ITEM_ID_FIELD"], config["TIME_FIELD"]]
    try:
        with path.open(encoding=config["encoding"]) as lines:
            columns = _header(path, lines.readline().rstrip("\r\n"), separator, needed)
            if not lines.readline():
                raise DataError(f"{path} is empty: it has a header and no interaction")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {error.encoding} text; set the key encoding") from None
    return columns


def check_inter_file(path: Path, config: Config, wanted: set[str] | None = None) -> None:
    """Check the header and every line of an atomic interaction file.

    Args:
        path: The file.
        config: Names the separator, the encoding and the fields of user, item and time.
        wanted: Names of the columns whose values are used; all of them when None.

    Raises:
        DataError: The file is missing or empty, lacks a needed column, or has a malformed line.
    """
    columns = check_header(path, config)
    needed = [config["USER_ID_FIELD"], config["ITEM_ID_FIELD"], config["TIME_FIELD"]]
    number = 1
    with path.open(encoding=config["encoding"]) as lines:
        try:
            lines.readline()
            for line in lines:
                number += 1
                _check_line(line.rstrip("\r\n").split(config["field_separator"]), columns, needed, wanted)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, after line {number}: not {error.encoding} text; set the key encoding") from None
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None


def _header(path: Path, header: str, separator: str, needed: list[str]) -> list[tuple[str, str]]:
    columns = []
    for column in header.split(separator):
        name, colon, kind = column.partition(":")
        if not colon or kind not in _FIELD_TYPES:
            raise DataError(
                f"{path}, line 1: column {column!r} is not name:type, with type {', '.join(_FIELD_TYPES)}, "
                f"columns separated by {separator!r}"
            )
        columns.append((name, kind))
    missing = [name for name in needed if name not in dict(columns)]
    if missing:
        raise DataError(
            f"{path}, line 1: column {' and '.join(missing)} is missing; found {', '.join(dict(columns))} "
            "(USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD name the needed ones)"
        )
    return columns


def _check_line(values: list[str], columns: list[tuple[str, str]], needed: list[str], wanted: set[str] | None) -> None:
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
