"""Values from elsewhere, such as a paper's, that stand beside ours: from csv files."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError

#: Columns that say which line of a table a value is of.
_LINE = ("dataset", "backbone", "method")
_ENDS = ("min", "median", "max")


@dataclass(frozen=True)
class Reference:
    """Values by line and metric.

    Attributes:
        name: Their source, such as ``the paper``.
        values: By dataset as the page shows it, backbone and method, then metric.
    """

    name: str
    values: dict[tuple[str, str, str], dict[str, float]]

    @classmethod
    def read(cls, folder: Path, given: dict[str, Any]) -> Reference:
        """Read the values of a csv file with the columns dataset, backbone, method, metric and value.

        Args:
            folder: Where the description is.
            given: ``name``; ``file``, from there; ``where``, other columns and the value that they must have.

        Raises:
            ConfigError: The file or a column is missing, a value is not a number, or a metric has two values.
        """
        where = given.get("where", {})
        values: dict[tuple[str, str, str], dict[str, float]] = {}
        for line in _lines(folder, given, (*_LINE, "metric", "value", *where)):
            if all(line[column] == str(value) for column, value in where.items()):
                dataset, backbone, method = (line[column] for column in _LINE)
                of_line = values.setdefault((dataset, backbone, method), {})
                metric, value = line["metric"].lower(), _number(line, "value", given)
                _add(of_line, metric, value, f"{dataset}, {backbone}, {method}", given)
        return cls(str(given.get("name", "the reference")), values)


@dataclass(frozen=True)
class Ranges:
    """Lowest, median and highest value of a grid of our method elsewhere.

    Attributes:
        text: The words before them, such as ``the 40 settings of the released grid have``.
        values: By dataset as the page shows it, backbone, peer and loss, then metric.
    """

    text: str
    values: dict[tuple[str, str, str, str], dict[str, tuple[float, float, float]]]

    @classmethod
    def read(cls, folder: Path, given: dict[str, Any]) -> Ranges:
        """Read a csv file with the columns dataset, backbone, peer, loss, metric, min, median and max.

        Raises:
            ConfigError: The file or a column is missing, a value is not a number, or a metric has two values.
        """
        values: dict[tuple[str, str, str, str], dict[str, tuple[float, float, float]]] = {}
        for line in _lines(folder, given, ("dataset", "backbone", "peer", "loss", "metric", *_ENDS)):
            low, median, high = (_number(line, end, given) for end in _ENDS)
            key = (line["dataset"], line["backbone"], line["peer"], line["loss"])
            _add(values.setdefault(key, {}), line["metric"], (low, median, high), ", ".join(key), given)
        return cls(str(given.get("text", "other settings have")), values)


def _add(of_line: dict[str, Any], metric: str, value: Any, place: str, given: dict[str, Any]) -> None:
    if of_line.setdefault(metric, value) != value:
        raise ConfigError(
            f"file {given['file']}: {metric} of {place} is given as {of_line[metric]} and as {value}: name the column "
            "that tells them apart, and its value, under where"
        )


def _lines(folder: Path, given: dict[str, Any], columns: tuple[str, ...]) -> list[dict[str, str]]:
    path = folder / str(given.get("file"))
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for column in columns:
        if any(line.get(column) is None for line in lines):
            raise ConfigError(f"file {path} lacks the column {column}; it needs {', '.join(columns)}")
    return lines


def _number(line: dict[str, str], column: str, given: dict[str, Any]) -> float:
    try:
        number = float(line[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"file {given['file']}: {column} = {line[column]!r} is not a number")
    return number
